//! `memtrace simulate --population N`: drawn hosts under policies, on all cores.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use super::args::SimulateArguments;
use super::{names, policies_for};
use crate::sys::exit::Misused;
use crate::sys::output;
use crate::sys::progress::Progress;
use memtrace_core::policy::Rules;
use memtrace_core::sim::population::summary::Run;
use memtrace_core::sim::population::{HostResult, REPORTING, Summary, WORKING, draw};
use memtrace_core::sim::{Scenario, run as simulate};

const SCHEMA_VERSION: u32 = 1;
/// The first line of progress, and the pause between lines in a log.
const FIRST: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_secs(10);

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    first_seed: u64,
    #[serde(flatten)]
    summary: &'a Summary,
    hosts: &'a [HostResult],
}

/// # Errors
/// When the seeds may not be used, or a simulation broke.
pub(super) fn run(arguments: &SimulateArguments, hosts: u64, rules: &Rules) -> Result<()> {
    let seeds = seeds(arguments.seed, hosts, arguments.reporting)?;
    let names = names(&arguments.policy, true)?;
    let results = results(&seeds, &names, rules)?;
    let summary = Summary::of(&results);
    let text = if arguments.json {
        let document = Document {
            schema_version: SCHEMA_VERSION,
            first_seed: seeds.start,
            summary: &summary,
            hosts: &results,
        };
        format!("{}\n", serde_json::to_string(&document)?)
    } else {
        summary.to_string()
    };
    output::print(&text)
}

/// The scenario of one seed.
///
/// # Errors
/// When the seed may not be used.
pub(super) fn host(seed: u64, reporting: bool) -> Result<Scenario> {
    Ok(draw(seeds(seed, 1, reporting)?.start))
}

/// What kind of host it is, in two lines.
pub(super) fn about(seed: u64, scenarios: &[Scenario]) -> String {
    let lines = scenarios.iter().map(|scenario| {
        let HostResult { class, needs_percent, .. } = HostResult::of(seed, scenario);
        format!("{}\n{class}; needs at most {needs_percent} % at one time\n\n", scenario.about)
    });
    lines.collect()
}

/// The seeds, if they may be used.
fn seeds(first: u64, hosts: u64, reporting: bool) -> Result<Range<u64>, Misused> {
    let seeds = first..first.saturating_add(hosts);
    let within = |range: &Range<u64>| range.start <= seeds.start && seeds.end <= range.end;
    if within(if reporting { &REPORTING } else { &WORKING }) {
        return Ok(seeds);
    }
    let meets = seeds.start < REPORTING.end && REPORTING.start < seeds.end;
    Err(Misused(if meets && !reporting {
        format!(
            "seeds from {} on are for reports alone: no number of a policy may be chosen by them; \
             --reporting allows them",
            REPORTING.start
        )
    } else {
        let (kind, range) = if reporting { ("reporting", REPORTING) } else { ("working", WORKING) };
        format!("{kind} seeds are {} to {}", range.start, range.end - 1)
    }))
}

/// By seed.
fn results(seeds: &Range<u64>, names: &[&str], rules: &Rules) -> Result<Vec<HostResult>> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicU64::new(seeds.start);
    let (sender, receiver) = channel();
    let mut progress = Progress::new(FIRST, PAUSE);
    let began = Instant::now();
    let mut results = std::thread::scope(|scope| {
        for _ in 0..cores {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || work(next, seeds.end, names, rules, &sender));
        }
        drop(sender);
        let mut results = Vec::new();
        for result in receiver {
            results.push(result?);
            let (done, all) = (results.len(), seeds.end - seeds.start);
            progress.tell(|| format!("{done} of {all} hosts, {} s", began.elapsed().as_secs()));
        }
        Ok::<_, anyhow::Error>(results)
    })?;
    progress.end();
    results.sort_by_key(|result| result.seed);
    Ok(results)
}

/// Until there are no seeds left, or nobody listens any more.
fn work(
    next: &AtomicU64,
    end: u64,
    names: &[&str],
    rules: &Rules,
    results: &Sender<Result<HostResult>>,
) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end || results.send(result(seed, names, rules)).is_err() {
            return;
        }
    }
}

fn result(seed: u64, names: &[&str], rules: &Rules) -> Result<HostResult> {
    let scenario = draw(seed);
    let mut result = HostResult::of(seed, &scenario);
    for mut policy in policies_for(&scenario, names, rules)? {
        let outcome = simulate(&scenario, policy.as_mut());
        let outcome = outcome.with_context(|| format!("the host of seed {seed}"))?;
        result.runs.push(Run { policy: policy.name().to_owned(), outcome });
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reporting_seeds_need_their_flag() {
        let told =
            |first, hosts, reporting| seeds(first, hosts, reporting).map_err(|error| error.0);
        assert_eq!(told(5, 10, false), Ok(5..15));
        assert_eq!(told(REPORTING.start, 10, true), Ok(REPORTING.start..REPORTING.start + 10));
        for (first, hosts) in [(REPORTING.start, 1), (REPORTING.start - 1, 2), (0, u64::MAX)] {
            let error = told(first, hosts, false).expect_err("it is refused");
            assert!(error.contains("no number of a policy") && error.contains("--reporting"));
        }
        assert!(told(WORKING.end, 1, false).is_err_and(|error| error.contains("0 to 999999")));
        assert!(told(0, 1, true).is_err_and(|error| error.contains("reporting seeds are")));
        assert!(told(REPORTING.end - 1, 2, true).is_err());
        assert!(host(REPORTING.start, false).is_err() && host(REPORTING.start, true).is_ok());
    }

    #[test]
    fn hosts_come_in_the_order_of_their_seeds_and_always_the_same() {
        let (names, rules) = (["nothing"], Rules::default());
        let all = results(&(3..6), &names, &rules).expect("physics hold");
        assert_eq!(all.iter().map(|host| host.seed).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(all[1], result(4, &names, &rules).expect("physics hold"));
    }
}
