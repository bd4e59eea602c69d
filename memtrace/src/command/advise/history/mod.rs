//! The history in a Prometheus, instead of a recording.

mod points;
mod query;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use jiff::tz::TimeZone;

use super::gather::Record;
use super::source::{Points, Source};
use crate::command::advise::args::AdviseArguments;
use crate::command::report::Progress;
use crate::config::Config;
use crate::prometheus::reply::Labels;
use crate::prometheus::{Address, Prometheus, Stretch};
use crate::sys::interrupt::Interrupt;
use memtrace_core::sample::VmLabels;
use memtrace_core::units::{Nanos, WallNanos};
use memtrace_view::export::metrics::parse::labels_of;
use points::{Answers, History, MOST_VMS};
use query::{HOSTS, OfVm, Questions, scrapes, target};

/// Time limit of one query, which is Prometheus' default.
const PATIENCE: Duration = Duration::from_secs(120);
/// Maximum number of hosts, and of missing parts, in messages.
const NAMED: usize = 20;

/// The history of the period, which ends now; and what is missing.
///
/// # Errors
/// When it doesn't answer, or the host is ambiguous.
pub(super) fn read(
    address: &Address,
    arguments: &AdviseArguments,
    config: &Config,
    zone: &TimeZone,
) -> Result<(Record, Vec<String>)> {
    let prometheus =
        Prometheus::new(address.clone(), arguments.credentials.credentials(), PATIENCE);
    let now = now(&prometheus)?;
    let begin = arguments.since.begin(WallNanos(now.saturating_mul(Nanos::SECOND.0)));
    let since = now.saturating_sub(begin.0 / Nanos::SECOND.0).clamp(1, now);
    let hosts = prometheus.series(HOSTS, now - since, now)?;
    let host = chosen(hosts, arguments.host.as_deref())?;
    let target = target(&host);
    let questions = Questions::new(&target, since, scrape(&prometheus, &target)?);
    let interrupt = Interrupt::watch()?;
    let (mut progress, mut missing) = (Progress::new(), Vec::new());
    let mut history = History::new(&config.rules, zone, host.get("hostname").cloned());
    let selector = questions.labels();
    history.labels = labels(&prometheus.series(&selector, now - since, now)?);
    let source = Points { step_seconds: questions.step, scrape_seconds: questions.scrape };
    let mut record = Record { source: Source::Prometheus(source), ..Record::default() };
    for stretch in questions.stretches(now, since) {
        interrupt.check()?;
        let answers = ask(&prometheus, &questions, stretch, &mut missing)?;
        for tick in history.ticks(&answers) {
            progress.at(tick.wall);
            record.add(&tick);
        }
    }
    progress.end();
    ensure!(record.begin.is_some(), "Prometheus at {address} has no data of this host and period");
    missing.sort();
    missing.dedup();
    Ok((record, missing))
}

/// What each VM was last called, by identity.
fn labels(series: &[Labels]) -> BTreeMap<String, VmLabels> {
    let one = |info: &Labels| {
        let labels = labels_of(|label| info.get(label).map(String::as_str));
        Some((info.get("id")?.clone(), labels))
    };
    series.iter().filter_map(one).collect()
}

/// Seconds since the epoch, by its clock.
fn now(prometheus: &Prometheus) -> Result<u64> {
    let answer = prometheus.now("vector(time())")?;
    let now = answer.series.first().map(|series| series.value).context("no time in its answer")?;
    ensure!((1.0..1e12).contains(&now), "implausible server time: {now} s");
    Ok(now as u64)
}

/// Seconds between two scrapes, by the last hour.
fn scrape(prometheus: &Prometheus, target: &Labels) -> Result<Option<u64>> {
    let answer = prometheus.now(&scrapes(target))?;
    let count = answer.series.iter().map(|series| series.value).fold(0.0, f64::max);
    Ok((count >= 1.0).then(|| (3600.0 / count).round().max(1.0) as u64))
}

/// The answers about a stretch. Warnings mean incomplete answers.
fn ask(
    prometheus: &Prometheus,
    questions: &Questions,
    stretch: Stretch,
    missing: &mut Vec<String>,
) -> Result<Answers> {
    let mut answers = Answers::new(stretch);
    let mut asked = |query: &str| -> Result<_> {
        let lines = prometheus.range(query, stretch)?;
        let room = NAMED.saturating_sub(missing.len());
        missing.extend(lines.warnings.into_iter().take(room));
        Ok(lines.lines)
    };
    answers.host(asked(&questions.of_host())?);
    for what in OfVm::ALL {
        answers.vms(what, asked(&questions.of_vm(what))?);
    }
    if answers.too_many {
        missing.push(format!("VMs beyond {MOST_VMS} at a time"));
    }
    Ok(answers)
}

/// The only host, or the selected one: by instance, with or without port, or by host name. Its
/// newest name counts.
fn chosen(hosts: Vec<Labels>, wanted: Option<&str>) -> Result<Labels> {
    let label = |host: &Labels, name: &str| host.get(name).cloned().unwrap_or_default();
    let is_meant = |host: &Labels, wanted: &str| {
        let instance = label(host, "instance");
        let without_port = instance.rsplit_once(':').map(|(name, _)| name);
        [Some(&*instance), without_port, Some(&*label(host, "hostname"))].contains(&Some(wanted))
    };
    let meant: Vec<&Labels> =
        hosts.iter().filter(|host| wanted.is_none_or(|wanted| is_meant(host, wanted))).collect();
    let mut targets: Vec<Labels> = meant.iter().map(|host| target(host)).collect();
    targets.sort();
    targets.dedup();
    let names = |targets: &[Labels]| {
        let name =
            |target: &Labels| memtrace_core::text::clean(&label(target, "instance")).into_owned();
        let mut names: Vec<String> = targets.iter().map(name).collect();
        names.dedup();
        let more = names.len().saturating_sub(NAMED);
        names.truncate(NAMED);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{rest}", names.join(", "))
    };
    match (&targets[..], wanted) {
        ([_], _) => meant.last().map(|host| (*host).clone()).context("no host"),
        ([], _) if hosts.is_empty() => {
            bail!("no host with memtrace metrics ({HOSTS}) in this period")
        }
        ([], wanted) => {
            let mut all: Vec<Labels> = hosts.iter().map(target).collect();
            all.sort();
            all.dedup();
            bail!("no host {}; hosts: {}", wanted.unwrap_or_default(), names(&all))
        }
        (several, None) => bail!("several hosts: {}; select one with --host", names(several)),
        (several, Some(wanted)) => {
            bail!("{wanted} is ambiguous: {}; give the instance to --host", names(several))
        }
    }
}
