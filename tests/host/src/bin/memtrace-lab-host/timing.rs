//! KVM's asynchronous faults timed by the kernel's own tracing, apart from memtrace: the
//! trace events in instances of ours, stamped with the monotonic clock, their lines paired
//! by token.
//!
//! What comes first to a tracepoint is called first there, and each that is called takes its
//! time: on an emulated CPU, which is cold after each exit of the guest, some 20 us at the
//! begin of a fault, and whatever else comes between. So there are two instances, one that
//! comes before memtrace and one that comes after it. What memtrace times lies between: it
//! is no longer than from the first's begin to the second's end, and no shorter than from
//! the second's begin to the first's end.

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

/// The events in place, before memtrace's hooks and after. They go when this is dropped.
pub struct Timing {
    before: Instance,
    after: Option<Instance>,
    _mounted: Mounted,
}

/// What it amounts to. Times in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Timed {
    pub ready: u64,
    /// Events that found no room, which makes the rest worth little.
    pub lost: u64,
    /// Of each fault the shortest and the longest that what lies between can have measured.
    pub spans: Vec<(u64, u64)>,
}

impl Timing {
    /// Mounts tracefs where only we look, and puts the events in place. To be called before
    /// memtrace has its hooks.
    ///
    /// # Errors
    /// When this kernel has no tracefs or no such events.
    pub fn before() -> Result<Self> {
        fs::create_dir_all(MOUNT)?;
        mount("tracefs", MOUNT, "tracefs", MountFlags::empty(), None).context("mount tracefs")?;
        let mounted = Mounted;
        // Names of tasks would be had by a hook in the scheduler. Instances inherit this.
        fs::write(Path::new(MOUNT).join("options/record-cmd"), "0").context("record-cmd")?;
        Ok(Self { before: Instance::new("before")?, after: None, _mounted: mounted })
    }

    /// To be called when memtrace has its hooks.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn after(&mut self) -> Result<()> {
        self.after = Some(Instance::new("after")?);
        Ok(())
    }

    /// Begins to trace, with empty buffers.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn begin(&self) -> Result<()> {
        self.before.begin()?;
        self.after.as_ref().map_or(Ok(()), Instance::begin)
    }

    /// Ends it: what was traced since it began.
    ///
    /// # Errors
    /// When a trace can't be read.
    pub fn end(&self) -> Result<Timed> {
        let (before, lost) = self.before.end()?;
        let (after, lost_after) = self.after.as_ref().context("only half of it")?.end()?;
        let ready = before.values().flatten().filter(|fault| fault.ready.is_some()).count() as u64;
        Ok(Timed { ready, lost: lost + lost_after, spans: spans(&before, &after) })
    }
}

struct Mounted;

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = unmount(MOUNT, UnmountFlags::empty());
    }
}

/// One buffer with both events. What is put in place later is called later.
struct Instance(PathBuf);

impl Instance {
    fn new(name: &str) -> Result<Self> {
        let folder = Path::new(MOUNT).join("instances").join(name);
        fs::create_dir(&folder).context("a tracing instance")?;
        let instance = Self(folder);
        instance.write("tracing_on", "0")?;
        instance.write("trace_clock", "mono")?;
        instance.write("buffer_size_kb", BUFFER_KIB)?;
        for event in EVENTS {
            instance.write(&format!("events/kvm/{event}/enable"), "1")?;
        }
        Ok(instance)
    }

    fn begin(&self) -> Result<()> {
        // Opened to be written to, it is emptied.
        self.write("trace", "")?;
        self.write("tracing_on", "1")
    }

    /// All faults, and how many events found no room.
    fn end(&self) -> Result<(Faults, u64)> {
        self.write("tracing_on", "0")?;
        let trace = fs::read(self.0.join("trace")).context("read the trace")?;
        let mut lost = 0;
        for entry in fs::read_dir(self.0.join("per_cpu"))? {
            lost += overrun(&fs::read_to_string(entry?.path().join("stats"))?);
        }
        Ok((pair(&String::from_utf8_lossy(&trace)), lost))
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        fs::write(self.0.join(file), text).with_context(|| format!("write {text} to {file}"))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        for event in EVENTS {
            let _ = self.write(&format!("events/kvm/{event}/enable"), "0");
        }
        let _ = fs::remove_dir(&self.0);
    }
}

/// `overrun: 0` of a CPU's stats.
fn overrun(stats: &str) -> u64 {
    let line = stats.lines().find_map(|line| line.strip_prefix("overrun: "));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// The faults of a task and token, in their order.
type Faults = BTreeMap<(u32, String), Vec<Fault>>;

/// When it began, and when its page was there, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fault {
    begun: Option<u64>,
    ready: Option<u64>,
}

/// Pairs lines such as
/// ` CPU 0/KVM-91 [001] d.... 12.345678: kvm_async_pf_ready: token 0x1000 gva 0x2000`
/// by task and token.
fn pair(trace: &str) -> Faults {
    let mut faults = Faults::new();
    for line in trace.lines() {
        let Some((task, at, event, token)) = parse(line) else { continue };
        let faults = faults.entry((task, token.to_owned())).or_default();
        if event == EVENTS[0] {
            faults.push(Fault { begun: Some(at), ready: None });
        } else if event == EVENTS[1] {
            match faults.last_mut().filter(|fault| fault.ready.is_none()) {
                Some(fault) => fault.ready = Some(at),
                None => faults.push(Fault { begun: None, ready: Some(at) }),
            }
        }
    }
    faults
}

/// Stamps have microseconds, without what is left of them.
const STAMP: u64 = 1000;

/// Shortest and longest times of what comes between the two, of faults that both have whole.
fn spans(before: &Faults, after: &Faults) -> Vec<(u64, u64)> {
    let span = |(first, second): (&Fault, &Fault)| {
        let longest = second.ready?.checked_sub(first.begun?)?;
        let shortest = first.ready?.saturating_sub(second.begun?);
        Some((shortest.saturating_sub(STAMP), longest + STAMP))
    };
    let both = before.iter().filter_map(|(key, faults)| Some((faults, after.get(key)?)));
    both.flat_map(|(first, second)| first.iter().zip(second).filter_map(span)).collect()
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
        let fault = |begun: Option<u64>, ready: Option<u64>| Fault { begun, ready };
        let all: Vec<Fault> = pair(trace).into_values().flatten().collect();
        let at = |micros: u64| Some(12_000_000_000 + micros * 1000);
        assert_eq!(
            all,
            [fault(at(100), at(300)), fault(None, at(1_000_300)), fault(at(150), None)]
        );
    }

    #[test]
    fn the_time_between_two_traces_is_between_two_bounds() {
        let line = |at: u32, event: &str| {
            format!(
                "CPU 0/KVM-91 [001] ..... 12.{at:06}: kvm_async_pf_{event}: token 0x1 gva 0x1\n"
            )
        };
        let trace = |faults: &[(u32, u32)]| {
            let line = |(from, to): &(u32, u32)| line(*from, "not_present") + &line(*to, "ready");
            pair(&faults.iter().map(line).collect::<String>())
        };
        let (before, after) = (trace(&[(100, 300), (400, 410)]), trace(&[(120, 330), (450, 460)]));
        assert_eq!(spans(&before, &after), [(179_000, 231_000), (0, 61_000)]);
        assert_eq!(spans(&before, &Faults::new()), []);
    }

    #[test]
    fn an_overrun_is_read_from_the_statistics() {
        assert_eq!(overrun("entries: 5\noverrun: 7\ncommit overrun: 1\n"), 7);
    }
}
