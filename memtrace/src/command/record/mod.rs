//! `memtrace record`: records until the duration is over, a signal comes, or the disk is full.

pub mod args;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::cli::Verbosity;
use crate::command::record::args::RecordArguments;
use crate::service::live;
use crate::sys::interrupt::Interrupt;
use crate::sys::progress::Progress;
use memtrace_core::format;
use memtrace_core::source::Source;
use memtrace_core::units::Bytes;
use memtrace_store::recording::{Limits, Record, Recorder};

/// Maximum delay of the reaction to a signal.
const SLICE: Duration = Duration::from_millis(100);
/// Width of a number in a progress line.
const WIDTH: usize = 6;
/// Interval of progress lines without a terminal.
const SELDOM: Duration = Duration::from_secs(60);

/// Runs until the duration is over, Ctrl-C or SIGTERM.
///
/// # Errors
/// [`memtrace_host::privileges::Denied`] without privileges; when another memtrace records into the
/// directory, the host can't be sampled, or the disk is full.
pub fn run(arguments: &RecordArguments, verbosity: Verbosity) -> Result<()> {
    let root = live::privileged_host()?;
    let limits = Limits { total: Bytes(arguments.max_size << 20), ..Limits::default() };
    let directory = arguments.dir.display();
    let recorder = Recorder::open(&arguments.dir, limits)
        .with_context(|| format!("cannot record into {directory}"))?;
    let interrupt = Interrupt::watch()?;
    let mut source = live::source(root, verbosity, !arguments.no_libvirt);
    let end = arguments.duration.and_then(|time| Instant::now().checked_add(time));
    let schedule = Schedule { interval: arguments.interval, end };
    let ended = || interrupt.check().is_err();
    record(&mut source, recorder, schedule, ended).with_context(|| {
        format!("recording into {directory} stopped; everything before is readable")
    })
}

#[derive(Clone, Copy, Debug)]
struct Schedule {
    interval: Duration,
    end: Option<Instant>,
}

/// Samples on a grid; late samples are skipped.
fn record(
    source: &mut dyn Source,
    mut recorder: Recorder,
    schedule: Schedule,
    ended: impl Fn() -> bool,
) -> Result<()> {
    let mut progress = Progress::new(Duration::ZERO, SELDOM);
    let mut samples = 0_u64;
    let mut next = Instant::now();
    let is_over = |now: Instant| schedule.end.is_some_and(|end| now >= end) || ended();
    while !is_over(Instant::now()) {
        let sample = match source.sample(None) {
            Ok(sample) => sample,
            Err(error) => {
                recorder.close()?;
                return Err(error);
            }
        };
        let vms = sample.vms.len();
        recorder.push(Record { sample, reaction: None })?;
        samples = samples.saturating_add(1);
        progress.tell(|| told(&recorder, samples, vms));
        next = (next + schedule.interval).max(Instant::now());
        while !is_over(Instant::now()) {
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            source.attend(left.min(SLICE));
        }
    }
    progress.end();
    recorder.close()?;
    Ok(())
}

/// The progress line.
fn told(recorder: &Recorder, samples: u64, vms: usize) -> String {
    let (file, total) = recorder.state();
    let file = file.map_or_else(String::new, |file| file.display().to_string());
    let total = format::bytes(total, WIDTH);
    format!("{file}: {samples} samples, {vms} VMs, {total} total")
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use memtrace_core::fixture::samples::Seconds;
    use memtrace_store::recording::Recording;

    /// Records until it has been asked so often whether it is over.
    fn recorded(last: u64, looks: u32) -> (Result<()>, usize) {
        let directory = tempfile::tempdir().expect("there is room");
        let recorder = Recorder::open(directory.path(), Limits::default()).expect("it is free");
        let left = Cell::new(looks);
        let ended = || {
            left.set(left.get().saturating_sub(1));
            left.get() == 0
        };
        let schedule = Schedule { interval: Duration::from_millis(1), end: None };
        let mut source = Seconds::until(last);
        let result = record(&mut source, recorder, schedule, ended);
        let mut recording = Recording::open(directory.path()).expect("there is a file");
        let count = recording.by_ref().count();
        assert_eq!(recording.losses(), []);
        (result, count)
    }

    #[test]
    fn who_ends_it_has_everything() {
        let (result, count) = recorded(u64::MAX, 20);
        assert!(result.is_ok() && count > 3, "{result:?} {count}");
    }

    #[test]
    fn a_source_that_fails_ends_it_with_the_reason_and_a_closed_file() {
        let (result, count) = recorded(5, u32::MAX);
        assert_eq!(result.expect_err("it fails").to_string(), "the host is gone");
        assert_eq!(count, 5);
    }
}
