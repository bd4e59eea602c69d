//! The verdict on each signal, and on the host. Pure.

use serde::{Deserialize, Serialize};

use super::subject::{Checked, Subject, Table};
use memtrace_core::accuracy::table;
use memtrace_core::signal::{Quality, Signal, SignalStatus};

/// Signals that have to be exact for the verdict to be. The others are exact nowhere, or
/// can't be checked without harm, or are an optional extra.
pub const REQUIRED: [Checked; 7] = [
    Checked::Signal(Signal::MajorFaults),
    Checked::Signal(Signal::AsyncFaults),
    Checked::Signal(Signal::SwapIn),
    Checked::Signal(Signal::SwapOut),
    Checked::Signal(Signal::MemcgReclaim),
    Checked::Signal(Signal::Flows),
    Checked::Refaults,
];

/// What a signal turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// All its rows are within their bounds.
    Exact,
    /// Declared approximate, with the reason.
    Approximate,
    /// Not available.
    Absent,
    /// Declared exact, but isn't.
    Wrong,
    /// Nothing to compare with.
    NotChecked,
}

impl Finding {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Approximate => "approximate",
            Self::Absent => "absent",
            Self::Wrong => "WRONG",
            Self::NotChecked => "not checked",
        }
    }
}

/// One signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    pub signal: Checked,
    pub verdict: Finding,
    /// The verdict of the whole depends on it.
    pub required: bool,
    /// The largest difference of its rows that compare for equality, in per cent.
    pub difference_percent: Option<f64>,
    /// Why it is no better.
    pub reason: Option<String>,
    /// It is not checked because it did not occur.
    #[serde(skip)]
    pub did_not_occur: bool,
}

/// The host in one word; its number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostVerdict {
    /// Every required signal is exact.
    Exact = 0,
    /// Some required signal is approximate, absent or not checked.
    Degraded = 1,
    /// Some number is wrong.
    Wrong = 2,
}

/// A judgement for each signal, in the order of the screen.
pub fn judge(table: &Table, statuses: &[SignalStatus]) -> Vec<Judgement> {
    let known =
        statuses.iter().map(|status| (Checked::Signal(status.signal), Some(&status.quality)));
    known
        .chain([(Checked::Refaults, None)])
        .map(|(signal, quality)| judge_one(signal, quality, table))
        .collect()
}

/// The whole.
pub fn overall(judgements: &[Judgement]) -> HostVerdict {
    let all_there =
        REQUIRED.iter().all(|signal| judgements.iter().any(|judged| judged.signal == *signal));
    if judgements.iter().any(|judgement| judgement.verdict == Finding::Wrong) {
        HostVerdict::Wrong
    } else if all_there && !judgements.iter().any(Judgement::degrades) {
        HostVerdict::Exact
    } else {
        HostVerdict::Degraded
    }
}

impl Judgement {
    /// It is required and isn't exact. A real guest without asynchronous faults is fine.
    pub fn degrades(&self) -> bool {
        self.required && self.verdict != Finding::Exact && !self.did_not_occur
    }
}

fn judge_one(signal: Checked, status: Option<&Quality>, table: &Table) -> Judgement {
    let rows: Vec<_> = table.rows.iter().filter(|row| row.signal == signal).collect();
    let wrong = rows.iter().find(|row| row.verdict() == table::Verdict::Wrong);
    let near = rows.iter().find(|row| row.verdict() == table::Verdict::Approximate);
    let skipped = table.skipped.iter().find(|skipped| skipped.signal == signal);
    // An idle bystander doesn't verify a signal.
    let checked = rows.iter().any(|row| row.subject != Subject::Bystander);
    let (verdict, reason) = match (wrong, near, status) {
        (Some(row), ..) => {
            let found =
                format!("{} {}: {} against {}", row.subject, row.counter, row.memtrace, row.kernel);
            (Finding::Wrong, Some(found))
        }
        (None, Some(row), _) => (Finding::Approximate, row.quality.reason().map(str::to_owned)),
        (None, None, _) if checked => (Finding::Exact, None),
        (None, None, Some(Quality::Absent(reason))) => (Finding::Absent, Some(reason.to_string())),
        (None, None, _) => {
            let reason = skipped.map(|skipped| skipped.reason.clone());
            let nothing = || "nothing to compare with".to_owned();
            (Finding::NotChecked, Some(reason.unwrap_or_else(nothing)))
        }
    };
    let differences = rows
        .iter()
        .filter(|row| matches!(row.rule, table::Rule::Equal(_)))
        .filter_map(|row| Some(row.difference_percent()?.abs()));
    Judgement {
        required: REQUIRED.contains(&signal),
        did_not_occur: verdict == Finding::NotChecked && skipped.is_some_and(|s| s.did_not_occur),
        verdict,
        difference_percent: differences.reduce(f64::max),
        reason,
        signal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::selftest::subject::{Row, Skipped};
    use memtrace_core::accuracy::table::Rule;

    fn row(signal: Checked, subject: Subject, memtrace: f64, quality: Quality) -> Row {
        Row {
            signal,
            subject,
            counter: "pages".to_owned(),
            memtrace,
            kernel: 1000.0,
            source: "VmSwap".to_owned(),
            rule: Rule::within(1.0, 4.0),
            quality,
        }
    }

    fn skipped(signal: Checked, reason: &str) -> Skipped {
        Skipped {
            signal,
            subject: Subject::Guest,
            counter: "pages".to_owned(),
            reason: reason.to_owned(),
            did_not_occur: false,
        }
    }

    fn exact_table() -> Table {
        let rows = REQUIRED.map(|signal| row(signal, Subject::Guest, 1000.0, Quality::Exact));
        Table { rows: rows.to_vec(), skipped: Vec::new() }
    }

    fn statuses(quality: &Quality) -> Vec<SignalStatus> {
        let status =
            |signal| SignalStatus { signal, source: None, hooked: true, quality: quality.clone() };
        Signal::ALL.map(status).to_vec()
    }

    fn verdict(table: &Table) -> HostVerdict {
        overall(&judge(table, &statuses(&Quality::Exact)))
    }

    fn of(table: &Table, signal: Checked) -> Judgement {
        let judgements = judge(table, &statuses(&Quality::Exact));
        judgements.into_iter().find(|judgement| judgement.signal == signal).unwrap()
    }

    #[test]
    fn a_signal_exact_within_its_bound_is_exact() {
        assert_eq!(verdict(&exact_table()), HostVerdict::Exact);
        assert_eq!(
            of(&exact_table(), Checked::Signal(Signal::OomKills)).verdict,
            Finding::NotChecked
        );
    }

    #[test]
    fn each_required_signal_degrades_when_it_is_not_exact() {
        for (place, signal) in REQUIRED.into_iter().enumerate() {
            let mut near = exact_table();
            near.rows[place].quality = Quality::approximate("huge pages");
            assert_eq!(verdict(&near), HostVerdict::Degraded, "{signal}");
            assert_eq!(of(&near, signal).reason.as_deref(), Some("huge pages"));
            let mut unchecked = exact_table();
            unchecked.rows.remove(place);
            unchecked.skipped.push(skipped(signal, "no swap"));
            assert_eq!(verdict(&unchecked), HostVerdict::Degraded, "{signal}");
            assert_eq!(of(&unchecked, signal).verdict, Finding::NotChecked);
        }
    }

    #[test]
    fn an_optional_signal_does_not_degrade_and_is_wrong_all_the_same() {
        let mut near = exact_table();
        near.rows.push(row(
            Checked::Signal(Signal::GuestFaults),
            Subject::Guest,
            2.0,
            Quality::approximate("exits"),
        ));
        assert_eq!(verdict(&near), HostVerdict::Exact);
        assert_eq!(of(&near, Checked::Signal(Signal::GuestFaults)).verdict, Finding::Approximate);
        let mut wrong = exact_table();
        wrong.rows.push(row(
            Checked::Signal(Signal::UserFaults),
            Subject::Guest,
            2.0,
            Quality::Exact,
        ));
        assert_eq!(verdict(&wrong), HostVerdict::Wrong);
    }

    #[test]
    fn one_wrong_row_outweighs_all_others() {
        let mut table = exact_table();
        table.rows.insert(
            0,
            row(
                Checked::Signal(Signal::SwapIn),
                Subject::Guest,
                1000.0,
                Quality::approximate("near"),
            ),
        );
        table.rows.push(row(
            Checked::Signal(Signal::SwapIn),
            Subject::Bystander,
            5.0,
            Quality::Exact,
        ));
        let judgement = of(&table, Checked::Signal(Signal::SwapIn));
        assert_eq!(judgement.verdict, Finding::Wrong);
        assert!(judgement.reason.unwrap().contains("5 against 1000"));
        assert_eq!(judgement.difference_percent, Some(99.5));
        assert_eq!(verdict(&table), HostVerdict::Wrong);
    }

    #[test]
    fn a_bystander_alone_is_no_check() {
        let mut table = exact_table();
        table.rows.retain(|row| row.signal != Checked::Signal(Signal::Flows));
        table.rows.push(row(
            Checked::Signal(Signal::Flows),
            Subject::Bystander,
            1000.0,
            Quality::Exact,
        ));
        assert_eq!(of(&table, Checked::Signal(Signal::Flows)).verdict, Finding::NotChecked);
        assert_eq!(verdict(&table), HostVerdict::Degraded);
    }

    #[test]
    fn a_guest_without_asynchronous_faults_is_no_failing() {
        let mut table = exact_table();
        table.rows.retain(|row| row.signal != Checked::Signal(Signal::AsyncFaults));
        table
            .skipped
            .push(skipped(Checked::Signal(Signal::AsyncFaults), "the guest is no KVM guest"));
        assert_eq!(verdict(&table), HostVerdict::Degraded);
        table.skipped[0].did_not_occur = true;
        assert_eq!(verdict(&table), HostVerdict::Exact);
    }

    #[test]
    fn unavailable_signals_are_absent_with_a_reason() {
        let absent = statuses(&Quality::absent("no such hook"));
        let judgements = judge(&Table::default(), &absent);
        let swap_out = judgements
            .iter()
            .find(|judgement| judgement.signal == Checked::Signal(Signal::SwapOut))
            .unwrap();
        assert_eq!(swap_out.verdict, Finding::Absent);
        assert_eq!(swap_out.reason.as_deref(), Some("no such hook"));
        assert_eq!(overall(&judgements), HostVerdict::Degraded);
    }
}
