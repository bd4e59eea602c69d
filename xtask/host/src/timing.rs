//! KVM's asynchronous faults timed by the kernel's own tracing, apart from memtrace: the
//! trace events in an instance of ours, stamped with the monotonic clock, their lines
//! paired by token.
//!
//! What comes first to a tracepoint is called first there, and on an emulated CPU, which
//! is cold after each exit of the guest, that takes some 20 us more at the begin of a fault
//! than at its end. The second to be called finds each fault shorter by that: tracing did
//! (by 25 us in the mean), when it came after memtrace. So it comes before, because a
//! witness must not be shifted by what it is held against, and only its buffer is
//! switched on and off; memtrace's times are now the shorter ones, by 14 to 25 us.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde::Serialize;

const MOUNT: &str = "/run/tracing";
const EVENTS: [&str; 2] = ["kvm_async_pf_not_present", "kvm_async_pf_ready"];
/// Each CPU's, in KiB: an event takes some 50 bytes.
const BUFFER_KIB: &str = "4096";

/// The events in place. They go when this is dropped.
pub struct Timing {
    instance: PathBuf,
}

/// What it amounts to. Times in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Timed {
    pub begun: u64,
    pub ready: u64,
    /// Events that found no room, which makes the rest worth little.
    pub lost: u64,
    pub durations: Vec<u64>,
}

impl Timing {
    /// Mounts tracefs where only we look, and puts the events in place.
    ///
    /// # Errors
    /// When this kernel has no tracefs or no such events.
    pub fn prepare() -> Result<Self> {
        fs::create_dir_all(MOUNT)?;
        mount("tracefs", MOUNT, "tracefs", MountFlags::empty(), None).context("mount tracefs")?;
        // Names of tasks would be had by a hook in the scheduler. Instances inherit this.
        fs::write(Path::new(MOUNT).join("options/record-cmd"), "0").context("record-cmd")?;
        let timing = Self { instance: Path::new(MOUNT).join("instances/lab") };
        fs::create_dir(&timing.instance).context("a tracing instance")?;
        timing.write("tracing_on", "0")?;
        timing.write("trace_clock", "mono")?;
        timing.write("buffer_size_kb", BUFFER_KIB)?;
        for event in EVENTS {
            timing.write(&format!("events/kvm/{event}/enable"), "1")?;
        }
        Ok(timing)
    }

    /// Begins to trace, with an empty buffer.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn begin(&self) -> Result<()> {
        // Opened to be written to, it is emptied.
        self.write("trace", "")?;
        self.write("tracing_on", "1")
    }

    /// Ends it: what was traced since it began.
    ///
    /// # Errors
    /// When the trace can't be read.
    pub fn end(&self) -> Result<Timed> {
        self.write("tracing_on", "0")?;
        let trace = fs::read(self.instance.join("trace")).context("read the trace")?;
        let mut timed = pair(&String::from_utf8_lossy(&trace));
        for entry in fs::read_dir(self.instance.join("per_cpu"))? {
            timed.lost += overrun(&fs::read_to_string(entry?.path().join("stats"))?);
        }
        Ok(timed)
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        fs::write(self.instance.join(file), text).with_context(|| format!("write {text} to {file}"))
    }
}

impl Drop for Timing {
    fn drop(&mut self) {
        for event in EVENTS {
            let _ = self.write(&format!("events/kvm/{event}/enable"), "0");
        }
        let _ = fs::remove_dir(&self.instance);
        let _ = unmount(MOUNT, UnmountFlags::empty());
    }
}

/// `overrun: 0` of a CPU's stats.
fn overrun(stats: &str) -> u64 {
    let line = stats.lines().find_map(|line| line.strip_prefix("overrun: "));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// Pairs lines such as
/// ` CPU 0/KVM-91 [001] d.... 12.345678: kvm_async_pf_ready: token 0x1000 gva 0x2000`
/// by task and token.
fn pair(trace: &str) -> Timed {
    let mut timed = Timed::default();
    let mut open = BTreeMap::new();
    for line in trace.lines() {
        let Some((task, at, event, token)) = parse(line) else { continue };
        if event == EVENTS[0] {
            timed.begun += 1;
            open.insert((task, token), at);
        } else if event == EVENTS[1] {
            timed.ready += 1;
            if let Some(from) = open.remove(&(task, token)) {
                timed.durations.push(at.saturating_sub(from));
            }
        }
    }
    timed
}

/// Task, time in nanoseconds, event and token of a line.
fn parse(line: &str) -> Option<(u32, u64, &str, &str)> {
    let (task, rest) = line.split_once(" [")?;
    let task = task.trim().rsplit_once('-')?.1.parse().ok()?;
    let mut words = rest.split_whitespace();
    let (stamp, event) = loop {
        let word = words.next()?;
        if let Some(stamp) = word.strip_suffix(':')
            && stamp.starts_with(|c: char| c.is_ascii_digit())
        {
            break (stamp, words.next()?.trim_end_matches(':'));
        }
    };
    let (seconds, micros) = stamp.split_once('.')?;
    let micros = seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?;
    let token = words.find(|word| *word == "token").and_then(|_| words.next())?;
    Some((task, micros * 1000, event, token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_paired_by_task_and_token() {
        let trace = "# tracer: nop\n\
            CPU 0/KVM-91  [001] .....   12.000100: kvm_async_pf_not_present: token 0x10 gva 0x1\n\
            CPU 0/KVM-92  [000] d....   12.000150: kvm_async_pf_not_present: token 0x10 gva 0x1\n\
            CPU 0/KVM-91  [001] .....   12.000300: kvm_async_pf_ready: token 0x10 gva 0x1\n\
            CPU 0/KVM-91  [001] .....   13.000300: kvm_async_pf_ready: token 0x99 gva 0x1\n";
        let timed = pair(trace);
        assert_eq!((timed.begun, timed.ready), (2, 2));
        assert_eq!(timed.durations, [200_000]);
    }

    #[test]
    fn an_overrun_is_read_from_the_statistics() {
        assert_eq!(overrun("entries: 5\noverrun: 7\ncommit overrun: 1\n"), 7);
    }
}
