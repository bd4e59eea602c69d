//! `memtrace record`: records until the duration is over, a signal comes, or the disk is full.

pub(crate) mod args;

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::cli::Verbosity;
use crate::command::record::args::RecordArguments;
use crate::service::live;
use crate::sys::folder;
use crate::sys::interrupt::Interrupt;
use crate::sys::progress::Progress;
use memtrace_core::format::{self, several};
use memtrace_core::sample::{Sample, VmId};
use memtrace_core::source::Source;
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
    let limits = Limits { total: arguments.max_size, ..Limits::default() };
    let directory = arguments.directory().display();
    let recorder = folder::check(arguments.directory())
        .and_then(|()| Recorder::open(arguments.directory(), limits))
        .with_context(|| format!("cannot record into {directory}"))?;
    let interrupt = Interrupt::watch()?;
    let hooking = live::hooking(arguments.always);
    let mut source = live::source(root, verbosity, !arguments.no_libvirt, hooking);
    source.configure(&live::tables());
    let end = arguments.duration.and_then(|time| Instant::now().checked_add(time));
    let schedule = Schedule { interval: arguments.interval, end };
    let ended = || interrupt.check().is_err();
    let mut progress = Progress::new(Duration::ZERO, SELDOM);
    let result = record(&mut source, recorder, schedule, ended, &mut progress);
    progress.end();
    result.with_context(|| {
        format!("recording into {directory} stopped; everything before is readable")
    })
}

#[derive(Clone, Copy, Debug)]
struct Schedule {
    interval: Duration,
    end: Option<Instant>,
}

/// What was recorded.
#[derive(Debug, Default)]
struct Count {
    samples: u64,
    vms: BTreeSet<VmId>,
}

impl Count {
    fn add(&mut self, sample: &Sample) {
        self.samples = self.samples.saturating_add(1);
        self.vms.extend(sample.vms.iter().map(|vm| vm.id));
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vms = several(self.vms.len() as u64, "VM");
        write!(f, "{} of {vms}", several(self.samples, "sample"))
    }
}

/// Samples on a grid; late samples are skipped.
fn record<W: Write>(
    source: &mut dyn Source,
    mut recorder: Recorder,
    schedule: Schedule,
    ended: impl Fn() -> bool,
    progress: &mut Progress<W>,
) -> Result<()> {
    let mut count = Count::default();
    let mut next = Instant::now();
    let is_over = |now: Instant| schedule.end.is_some_and(|end| now >= end) || ended();
    while !is_over(Instant::now()) {
        let sample = match source.sample(None) {
            Ok(sample) => sample,
            Err(error) => {
                close(recorder, &count, progress)?;
                return Err(error);
            }
        };
        count.add(&sample);
        recorder.push(Record { sample, reaction: None })?;
        progress.tell(|| told(&recorder, &count));
        next = (next + schedule.interval).max(Instant::now());
        while !is_over(Instant::now()) {
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            source.wait(left.min(SLICE));
        }
    }
    close(recorder, &count, progress)
}

/// Ends the file, and reports what was recorded.
fn close<W: Write>(recorder: Recorder, count: &Count, progress: &mut Progress<W>) -> Result<()> {
    let directory = recorder.directory().display().to_string();
    let total = format::bytes(recorder.close()?, WIDTH);
    progress.conclude(&format!("recorded {count} to {directory}, {} total", total.trim()));
    Ok(())
}

/// The progress line.
fn told(recorder: &Recorder, count: &Count) -> String {
    let (file, total) = recorder.state();
    let file = file.map_or_else(String::new, |file| file.display().to_string());
    let total = format::bytes(total, WIDTH);
    format!("{file}: {count}, {total} total")
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use memtrace_core::fixture::samples::{self, Seconds};
    use memtrace_core::units::Bytes;
    use memtrace_store::recording::Recording;

    /// Records until the check for its end was made `looks` times.
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
        let mut out = Vec::new();
        let mut progress = Progress::on(&mut out, false, Duration::ZERO, SELDOM);
        let result = record(&mut source, recorder, schedule, ended, &mut progress);
        let mut recording = Recording::open(directory.path()).expect("there is a file");
        let count = recording.by_ref().count();
        assert_eq!(recording.losses(), []);
        let told = String::from_utf8(out).expect("it is text");
        let files = std::fs::read_dir(directory.path()).expect("it is there").flatten();
        let sizes = files.filter_map(|file| file.metadata().ok()).map(|file| file.len());
        let total = format::bytes(Bytes(sizes.sum()), WIDTH);
        let (place, total) = (directory.path().display(), total.trim());
        let last = format!("\nrecorded {count} samples of 1 VM to {place}, {total} total\n");
        assert!(told.contains(": 1 sample of 1 VM, ") && told.ends_with(&last), "{told}");
        (result, count)
    }

    #[test]
    fn an_interrupted_recording_is_complete() {
        let (result, count) = recorded(u64::MAX, 20);
        assert!(result.is_ok() && count > 3, "{result:?} {count}");
    }

    #[test]
    fn a_source_that_fails_ends_it_with_the_reason_and_a_closed_file() {
        let (result, count) = recorded(5, u32::MAX);
        assert_eq!(result.expect_err("it fails").to_string(), "the host is gone");
        assert_eq!(count, 5);
    }

    #[test]
    fn samples_and_vms_are_counted_and_each_vm_once() {
        let mut count = Count::default();
        let vms = |all: &[u32]| all.iter().map(|vm| samples::vm("web", *vm)).collect();
        for (seen, told) in [
            (vms(&[7]), "1 sample of 1 VM"),
            (vms(&[7, 8]), "2 samples of 2 VMs"),
            (vms(&[]), "3 samples of 2 VMs"),
        ] {
            count.add(&samples::sample(1, seen));
            assert_eq!(count.to_string(), told);
        }
    }
}
