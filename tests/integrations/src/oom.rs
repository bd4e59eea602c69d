//! A guest that the OOM killer takes: counted after it is gone, and told by Prometheus' rule.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::scene::{HOSTS, Scene};
use memtrace_lab::wait;

const GUEST: &str = "noisy";
/// How long it may take it to need a page more than it may have.
const KILLED_WITHIN: Duration = Duration::from_secs(60);

/// Each host counts one VM more and no other process, as the kernel does, and the rule has one
/// alert a host.
///
/// # Errors
/// When that isn't so.
pub fn counted(scene: &mut Scene<'_>) -> Result<()> {
    let before = killed()?;
    let hierarchy = scene.lab.hierarchy.clone();
    let guest = scene.guest(GUEST)?;
    hierarchy.starve(&guest.cgroup)?;
    // It may not live to say that it has understood.
    let told = guest.tell(&guest.plan.work.command());
    wait::until("the OOM killer", KILLED_WITHIN, || {
        ensure!(!guest.process.alive(), "{GUEST} lives; it was told to work: {told:?}");
        Ok(())
    })?;
    let kernel = killed()?.saturating_sub(before);
    ensure!(kernel == 1, "the kernel has counted {kernel} OOM kills");
    let of = |what: &str, wanted: f64| {
        let query = format!("count(memtrace_host_{what}_oom_kills_total == {wanted})");
        (what.to_owned(), query)
    };
    let (vms, others) = (of("vm", 1.0), of("other", 0.0));
    let firing = r#"count(ALERTS{alertname="MemtraceVmOomKilled", alertstate="firing"})"#;
    for (what, query) in [vms, others, ("the rule".to_owned(), firing.to_owned())] {
        scene.until(&format!("the count of {what}"), |prometheus| {
            let hosts = prometheus.query(&query)?;
            let hosts = hosts.first().and_then(|series| series["value"][1].as_str());
            ensure!(hosts == Some(&HOSTS.to_string()), "{query}: {hosts:?}");
            Ok(())
        })?;
    }
    Ok(())
}

/// OOM kills that the kernel has counted, on the whole machine.
fn killed() -> Result<u64> {
    let text = fs::read_to_string("/proc/vmstat")?;
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    Ok(count.context("no oom_kill in /proc/vmstat")?.trim().parse()?)
}
