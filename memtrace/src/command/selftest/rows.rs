//! All possible rows, and their assembly: a row where both values are known, else the reason. Pure.

use super::subject::{Checked, Row, Skipped, Subject, Table};
use memtrace_core::accuracy::table::Rule;
use memtrace_core::model::Measured;
use memtrace_core::signal::Signal;

/// The key of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub signal: Checked,
    pub subject: Subject,
    pub counter: &'static str,
    pub source: &'static str,
    /// memory.stat's, which lacks the newest events of each CPU.
    lags: bool,
}

const fn guest(signal: Signal, counter: &'static str, source: &'static str) -> Key {
    let signal = Checked::Signal(signal);
    Key { signal, subject: Subject::Guest, counter, source, lags: false }
}

const fn lagging(signal: Signal, counter: &'static str, source: &'static str) -> Key {
    Key { lags: true, ..guest(signal, counter, source) }
}

const fn bystander(signal: Signal, counter: &'static str, source: &'static str) -> Key {
    let signal = Checked::Signal(signal);
    Key { signal, subject: Subject::Bystander, counter, source, lags: false }
}

pub const GUEST_FAULTS: Key =
    guest(Signal::GuestFaults, "guest faults", "/proc/PID/stat minflt, majflt");
pub const USER_FAULTS: Key =
    guest(Signal::UserFaults, "page faults", "/proc/PID/stat minflt, majflt");
pub const SWAPPED: Key = guest(Signal::SwapOut, "swap-outs less swap-ins, pages", "VmSwap");
pub const SWAP_READ: Key = lagging(Signal::SwapIn, "pages read from swap", "memory.stat pswpin");
pub const SWAP_IN: Key =
    lagging(Signal::SwapIn, "swap-ins, pages", "memory.stat workingset_refault_anon - 2 %");
pub const MAJOR_FAULTS: Key =
    lagging(Signal::MajorFaults, "major faults", "memory.stat pgmajfault");
pub const ASYNC_FAULTS: Key =
    guest(Signal::AsyncFaults, "asynchronous faults done", "memtrace's own: begun");
pub const RECLAIMS: Key =
    guest(Signal::MemcgReclaim, "direct and memcg reclaims", "taskstats freepages_count");
pub const RECLAIMS_AT_LEAST: Key =
    guest(Signal::MemcgReclaim, "direct and memcg reclaims", "taskstats freepages_count - 2 %");
pub const LIMIT_HITS: Key = guest(Signal::MemcgReclaim, "memcg reclaims", "memory.events max");
pub const LIMIT_HITS_BUT_HUGE: Key =
    guest(Signal::MemcgReclaim, "memcg reclaims", "memory.events max - thp_fault_fallback_charge");
pub const STALLED: Key =
    guest(Signal::MemcgReclaim, "time in reclaim, ms", "taskstats freepages_delay_total");
pub const STALLED_AT_LEAST: Key =
    guest(Signal::MemcgReclaim, "time in reclaim, ms", "taskstats freepages_delay_total - 5 %");
pub const PRESSURE: Key =
    guest(Signal::MemcgReclaim, "time in reclaim, ms", "memory.pressure some + 5 %");
pub const TAKEN: Key = guest(Signal::Flows, "pages taken", "VmSwap and swap-ins");
pub const STOLEN: Key = lagging(Signal::Flows, "pages taken", "memory.stat pgsteal - 2 %");
pub const ASSIGNED: Key = guest(Signal::Flows, "pages taken, by causer", "memtrace's own: taken");
pub const OWN_DOING: Key =
    guest(Signal::Flows, "taken by itself, % of pages taken", "most of them");
pub const REFAULTED: Key = Key {
    signal: Checked::Refaults,
    subject: Subject::Guest,
    counter: "refaults, pages",
    source: "memory.stat workingset_refault_*",
    lags: true,
};
pub const IDLE_SWAPPED: Key =
    bystander(Signal::SwapOut, "swap-outs less swap-ins, pages", "VmSwap");
pub const IDLE_CAUSED: Key = bystander(Signal::Flows, "pages that it took", "none");
pub const IDLE_RECLAIMS: Key =
    bystander(Signal::MemcgReclaim, "direct and memcg reclaims", "taskstats freepages_count");

/// Rows that need the guest to be pressed.
const PRESSED: [Key; 14] = [
    SWAPPED,
    SWAP_READ,
    SWAP_IN,
    MAJOR_FAULTS,
    ASYNC_FAULTS,
    RECLAIMS,
    LIMIT_HITS,
    STALLED,
    PRESSURE,
    TAKEN,
    STOLEN,
    ASSIGNED,
    OWN_DOING,
    REFAULTED,
];
const IDLE: [Key; 3] = [IDLE_SWAPPED, IDLE_CAUSED, IDLE_RECLAIMS];

/// Signals that are not provoked because that would harm the host.
const UNPROVOKED: [(Signal, &str, &str); 6] = [
    (Signal::DirectReclaim, "direct reclaims", "would need the whole host under pressure"),
    (Signal::ShmemTaken, "shared memory taken", "the guest's memory is private"),
    (Signal::Throttling, "throttled reclaims", "would need the whole host under pressure"),
    (Signal::Compaction, "direct compactions", "would need the whole host under pressure"),
    (Signal::Kswapd, "kswapd's rounds", "would need the whole host under pressure"),
    (Signal::OomKills, "OOM victims", "would need an OOM kill"),
];

/// A table that is being made.
#[derive(Debug, Default)]
pub struct Rows {
    rows: Vec<(Key, Row)>,
    skipped: Vec<Skipped>,
}

impl Rows {
    /// Adds a row if both numbers are there, and says so if one isn't.
    pub fn compare(&mut self, key: Key, memtrace: Measured<f64>, kernel: Option<f64>, rule: Rule) {
        let Measured { value, quality } = memtrace;
        match (value, kernel) {
            (None, _) => self.skip(key, quality.reason().unwrap_or("no reason given")),
            (_, None) => self.skip(key, &format!("no {} on this host", key.source)),
            (Some(memtrace), Some(kernel)) => {
                let (counter, source) = (key.counter.to_owned(), key.source.to_owned());
                let Key { signal, subject, .. } = key;
                let row = Row { signal, subject, counter, memtrace, kernel, source, rule, quality };
                self.rows.push((key, row));
            }
        }
    }

    pub fn skip(&mut self, key: Key, reason: &str) {
        self.push(key, reason, false);
    }

    /// The guest gave no cause to count anything.
    pub fn did_not_occur(&mut self, key: Key) {
        self.push(key, "none occurred", true);
    }

    fn push(&mut self, key: Key, reason: &str, did_not_occur: bool) {
        self.skipped.push(Skipped {
            signal: key.signal,
            subject: key.subject,
            counter: key.counter.to_owned(),
            reason: reason.to_owned(),
            did_not_occur,
        });
    }

    /// The rows that need pressure.
    pub fn skip_pressed(&mut self, reason: &str) {
        for key in PRESSED {
            self.skip(key, reason);
        }
    }

    /// All rows of the guest.
    pub fn skip_guest(&mut self, kvm: bool, reason: &str) {
        self.skip(if kvm { GUEST_FAULTS } else { USER_FAULTS }, reason);
        self.skip_pressed(reason);
    }

    /// All rows of the bystander.
    pub fn skip_bystander(&mut self, reason: &str) {
        for key in IDLE {
            self.skip(key, reason);
        }
    }

    /// Rows that are never checked, to protect the host.
    pub fn skip_unprovoked(&mut self) {
        for (signal, counter, reason) in UNPROVOKED {
            let signal = Checked::Signal(signal);
            self.skip(
                Key { signal, subject: Subject::Host, counter, source: "", lags: false },
                reason,
            );
        }
    }

    /// With each number of the kernel one between it and `least`'s, the nearest to memtrace's.
    /// `stat_lag`: events that memory.stat may lack.
    pub fn nearest(mut self, least: &Self, stat_lag: f64) -> Self {
        for (key, row) in &mut self.rows {
            let other = least.rows.iter().find(|(other, _)| other == key);
            let other = other.map_or(row.kernel, |(_, other)| other.kernel);
            let lag = if key.lags { stat_lag } else { 0.0 };
            let (low, high) = (other.min(row.kernel) - lag, other.max(row.kernel) + lag);
            row.kernel = row.memtrace.max(low).min(high);
        }
        self
    }

    pub fn into_table(self) -> Table {
        let rows = self.rows.into_iter().map(|(_, row)| row).collect();
        Table { rows, skipped: self.skipped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_missing_is_reported_and_not_compared() {
        let mut rows = Rows::default();
        let equal = Rule::within(0.0, 0.0);
        rows.compare(SWAPPED, Measured::absent("no hook"), Some(1.0), equal);
        rows.compare(STOLEN, Measured::exact(1.0), None, equal);
        rows.compare(TAKEN, Measured::exact(1.0), Some(1.0), equal);
        let table = rows.into_table();
        let reasons: Vec<&str> = table.skipped.iter().map(|row| row.reason.as_str()).collect();
        assert_eq!(reasons, ["no hook", "no memory.stat pgsteal - 2 % on this host"]);
        assert_eq!(table.rows.len(), 1);
    }
}
