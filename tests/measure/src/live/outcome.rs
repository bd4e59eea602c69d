//! What came of a run with real guests. Data, and its reading out of a guest's words. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A run, complete or not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LiveRun {
    pub(crate) scenario: String,
    pub(crate) rule: String,
    pub(crate) date: Option<String>,
    pub(crate) kernel: Option<String>,
    /// Of the machine, over a minute, at the beginning and at the end: others may use it.
    pub(crate) load_average: [Option<f64>; 2],
    pub(crate) seconds: f64,
    pub(crate) guests: Vec<OfGuest>,
    /// The host's, in MiB.
    pub(crate) swapped_in: Option<f64>,
    pub(crate) swapped_out: Option<f64>,
    /// VMs.
    pub(crate) killed: u64,
    /// Time in which some task of the pool waited (PSI).
    pub(crate) pressure: Option<f64>,
    /// MiB of the pool in use once all guests have settled, swap included.
    pub(crate) settled: Option<f64>,
    pub(crate) moments: Vec<Second>,
    /// Entries of memtrace's reactor, each with the second.
    pub(crate) decisions: Vec<Value>,
    /// What guests noted: second, guest, words.
    pub(crate) notes: Vec<(String, String)>,
    /// What memtrace said beside its documents.
    pub(crate) messages: String,
    pub(crate) failed: Option<String>,
}

/// What a guest suffered and did; times in seconds, amounts in MiB.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct OfGuest {
    pub(crate) name: String,
    /// Its threads waited for the host: reclaim and swap (delay accounting).
    pub(crate) waited: Option<f64>,
    /// Its programs waited for its own kernel (the guest's PSI).
    pub(crate) waited_within: Option<f64>,
    pub(crate) refaulted: Option<f64>,
    pub(crate) major_faults: Option<u64>,
    /// The guest's own.
    pub(crate) guest_faults: Option<u64>,
    pub(crate) guest_ooms: Option<u64>,
    pub(crate) wanted: Option<f64>,
    pub(crate) touched: Option<f64>,
    pub(crate) refused: Option<u64>,
    pub(crate) failed: Option<u64>,
}

/// A second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Second {
    pub(crate) at: f64,
    /// What the pool has left, in MiB.
    pub(crate) available: Option<f64>,
    pub(crate) state: Option<String>,
    /// Of each guest: what its balloon leaves it, in the host's memory, in swap; waited so far.
    pub(crate) guests: Vec<[Option<f64>; 4]>,
}

impl OfGuest {
    /// Takes in what the guest itself reports.
    pub(crate) fn hear(&mut self, report: &str) {
        let pages = |count: u64| count as f64 / 256.0;
        self.wanted = number(report, "wanted").map(pages);
        self.touched = number(report, "touched").map(pages);
        self.refused = number(report, "refused");
        self.failed = number(report, "failed");
        self.guest_faults = number(report, "faults");
        self.guest_ooms = number(report, "ooms");
        self.waited_within = number(report, "waited_us").map(|us| us as f64 / 1e6);
    }
}

impl LiveRun {
    /// Its numbers, without what happened in each second and what was said.
    pub(crate) fn in_short(&self) -> Self {
        Self {
            moments: Vec::new(),
            decisions: Vec::new(),
            notes: Vec::new(),
            messages: String::new(),
            ..self.clone()
        }
    }

    /// The sum over its guests, where all of them know it.
    pub(crate) fn sum(&self, pick: fn(&OfGuest) -> Option<f64>) -> Option<f64> {
        self.guests.iter().map(pick).sum()
    }

    pub(crate) fn count(&self, pick: fn(&OfGuest) -> Option<u64>) -> Option<u64> {
        self.guests.iter().map(pick).sum()
    }
}

/// `name=12` among a guest's words.
pub(crate) fn number(report: &str, name: &str) -> Option<u64> {
    let mut words = report.split_whitespace();
    words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_taken_in_and_what_it_lacks_stays_unknown() {
        let mut guest = OfGuest::default();
        guest.hear("state=running wanted=512 touched=256 refused=1 faults=7 waited_us=2500000");
        assert_eq!((guest.wanted, guest.touched), (Some(2.0), Some(1.0)));
        assert_eq!((guest.refused, guest.failed, guest.guest_faults), (Some(1), None, Some(7)));
        assert_eq!(guest.waited_within, Some(2.5));
        let run = LiveRun { guests: vec![guest.clone(), guest.clone()], ..LiveRun::default() };
        assert_eq!(
            (run.sum(|guest| guest.touched), run.count(|guest| guest.failed)),
            (Some(2.0), None)
        );
    }
}
