//! `memtrace selftest`: puts a temporary guest under memory pressure, and compares memtrace's
//! counters with the kernel's. Everything it creates is small and always removed.

pub(crate) mod args;
mod cgroup;
mod child;
mod compare;
mod counters;
pub mod guest;
mod report;
mod rows;
mod setting;
mod side;
mod subject;
mod trial;
mod verdict;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};

use crate::cli::Verbosity;
use crate::service::live;
use crate::sys::interrupt::{Interrupt, Interrupted};
use crate::sys::output;
use args::SelftestArguments;
use cgroup::Cgroup;
use memtrace_core::units::Bytes;
use memtrace_host::hostfs::host::HostFacts;
use memtrace_host::hostfs::{HostRoot, meminfo, read};
use memtrace_host::live::{LiveOptions, LiveSource};
use memtrace_host::probe::{self, Hooking};
use memtrace_host::taskstats::Taskstats;
use report::SelftestReport;
use setting::Setting;
use trial::Run;

/// Minimum of free memory and swap: several times what is used.
const LEAST: Bytes = Bytes(256 << 20);
/// The guest's limit.
const LIMIT: Bytes = Bytes(64 << 20);

/// Runs, prints the report, and gives the exit code.
///
/// # Errors
/// [`memtrace_host::privileges::Denied`] without privileges; otherwise when the host can't be
/// sampled, a guest can't be started at all, or the report can't be written.
pub fn run(arguments: SelftestArguments, verbosity: Verbosity) -> Result<ExitCode> {
    let root = live::privileged_host()?;
    let interrupt = Interrupt::watch()?;
    match examine(&root, verbosity, &interrupt) {
        Ok(report) => {
            output::print(&form(&report, arguments)?)?;
            Ok(ExitCode::from(report.verdict as u8))
        }
        // Everything that was begun is undone by now.
        Err(error) => match error.downcast_ref::<Interrupted>() {
            Some(interrupted) => {
                say("interrupted; everything was restored");
                Ok(ExitCode::from(interrupted.code()))
            }
            None => Err(error),
        },
    }
}

fn form(report: &SelftestReport, arguments: SelftestArguments) -> Result<String> {
    if arguments.json {
        return report.json().context("cannot write the report as JSON");
    }
    Ok(report.text(arguments.color.on_stdout()))
}

fn examine(root: &HostRoot, verbosity: Verbosity, interrupt: &Interrupt) -> Result<SelftestReport> {
    enough_memory(root)?;
    let kernel = probe::open(&root.sys, verbosity.programs(), Hooking::Always).map_err(|error| {
        let reason = format!("eBPF programs unavailable: {error:#}");
        tracing::warn!("{reason}");
        reason
    });
    let source = LiveSource::new(root.clone(), kernel, LiveOptions { libvirt: false, qmp: false });
    let accounting = account_delays(root);
    let cgroup = place_to_press(root);
    if let Err(reason) = &cgroup {
        say(&format!("no pressure on the guest: {reason:#}"));
    }
    let run = Run { root, interrupt, accounting: accounting.as_ref(), cgroup: &cgroup };
    let outcome = run.run(source)?;
    let signals = verdict::judge(&outcome.table, &outcome.statuses);
    Ok(SelftestReport {
        version: env!("CARGO_PKG_VERSION").into(),
        kernel: HostFacts::read(root).kernel,
        architecture: std::env::consts::ARCH.into(),
        guest: outcome.guest,
        verdict: verdict::overall(&signals),
        table: outcome.table,
        signals,
    })
}

/// # Errors
/// On a host that has no memory to spare.
fn enough_memory(root: &HostRoot) -> Result<()> {
    let available = meminfo::read(root).context("cannot read /proc/meminfo")?.available;
    ensure!(
        available >= LEAST,
        "only {} MiB of memory are available; a self-test requires {} MiB so that it harms \
         no other process",
        available.0 >> 20,
        LEAST.0 >> 20
    );
    Ok(())
}

/// A cgroup in which pages are swapped out, or why there is none.
fn place_to_press(root: &HostRoot) -> Result<Cgroup> {
    let memory = meminfo::read(root).context("cannot read /proc/meminfo")?;
    if memory.swap_total == Bytes(0) {
        bail!("this host has no swap");
    }
    ensure!(
        memory.swap_free >= LEAST,
        "only {} MiB of swap are free; it requires {} MiB",
        memory.swap_free.0 >> 20,
        LEAST.0 >> 20
    );
    let swappiness = read::number(&root.proc.join("sys/vm/swappiness")).unwrap_or(1);
    ensure!(swappiness > 0, "vm.swappiness is 0: processes are killed before they are swapped");
    Cgroup::make(root, std::process::id(), LIMIT)
}

/// The kernel's delay accounting.
struct Accounting {
    taskstats: Taskstats,
    /// `None`: kernels before 5.14 have no such setting, and always account.
    setting: Option<Setting>,
}

impl Accounting {
    /// `None` once it was switched off externally: some delays are missing from then on.
    fn taskstats(&self) -> Option<&Taskstats> {
        self.setting.as_ref().is_none_or(Setting::holds).then_some(&self.taskstats)
    }
}

/// Switches the accounting of delays on, for processes that start from now on.
fn account_delays(root: &HostRoot) -> Option<Accounting> {
    let path = root.proc.join("sys/kernel/task_delayacct");
    let setting = match path.exists() {
        true => match Setting::make(&path, "1") {
            Ok(setting) => Some(setting),
            Err(error) => {
                say(&format!("no delay accounting: {}: {error}", path.display()));
                return None;
            }
        },
        false => None,
    };
    match Taskstats::open() {
        Ok(taskstats) => Some(Accounting { taskstats, setting }),
        Err(error) => {
            say(&format!("no delay accounting: {error:#}"));
            None
        }
    }
}

/// A progress message.
fn say(text: &str) {
    // Failures to write progress are ignored.
    let _ = writeln!(std::io::stderr(), "memtrace: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_host::hostfs::fake::FakeHost;

    /// A host with this many MiB available, of swap, and of free swap.
    fn host(available: u64, swap: u64, free: u64) -> FakeHost {
        let host = FakeHost::unified();
        let kib = |mib: u64| mib << 10;
        host.file(
            "proc/meminfo",
            &format!(
                "MemTotal: 9999999 kB\nMemFree: 1 kB\nMemAvailable: {} kB\nBuffers: 1 kB\n\
                 Cached: 1 kB\nSwapCached: 0 kB\nSwapTotal: {} kB\nSwapFree: {} kB\n\
                 Committed_AS: 1 kB\n",
                kib(available),
                kib(swap),
                kib(free)
            ),
        );
        host
    }

    #[test]
    fn a_host_without_memory_to_spare_is_left_alone() {
        assert!(enough_memory(&host(256, 0, 0).root()).is_ok());
        let refusal = enough_memory(&host(255, 0, 0).root()).unwrap_err().to_string();
        assert!(refusal.contains("only 255 MiB"), "{refusal}");
    }

    #[test]
    fn it_refuses_to_run_where_pages_cannot_go_to_swap() {
        let refusal = |host: &FakeHost| place_to_press(&host.root()).unwrap_err().to_string();
        assert_eq!(refusal(&host(999, 0, 0)), "this host has no swap");
        assert!(refusal(&host(999, 4096, 255)).starts_with("only 255 MiB of swap are free"));
        let unwilling = host(999, 4096, 999);
        unwilling.file("proc/sys/vm/swappiness", "0\n");
        assert!(refusal(&unwilling).starts_with("vm.swappiness is 0"));
    }

    #[test]
    fn without_a_setting_delays_are_taken_for_accounted() {
        let host = host(999, 0, 0);
        assert!(account_delays(&host.root()).is_none_or(|accounting| accounting.setting.is_none()));
        host.file("proc/sys/kernel/task_delayacct", "0\n");
        let accounting = account_delays(&host.root());
        let path = host.path("proc/sys/kernel/task_delayacct");
        let now = std::fs::read_to_string(&path).unwrap();
        assert_eq!(now, if accounting.is_some() { "1" } else { "0" });
        drop(accounting);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "0");
    }
}
