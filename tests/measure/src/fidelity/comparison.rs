//! The simulator's numbers beside those of real guests. Pure.

use std::fmt;

use memtrace_core::sim::{RunOutcome, Scenario};
use serde_json::{Value, json};

use super::rank::{Compared, Disagreement, Small, disagreements, spearman};
use crate::live::{LiveRun, Rule};

/// What the order of hosts and rules is to agree by, for stalls.
const AIM: f64 = 0.9;
/// Rules that differ by more than this are told apart.
const FACTOR: f64 = 2.0;
/// Seconds that a service is away whose process the guest's OOM killer ended.
const RESTART: f64 = 60.0;
const MIB_IN_GIB: f64 = 1024.0;

/// One number from the simulator and from real guests; `None` if unknown for the latter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Two {
    pub(super) simulated: f64,
    pub(super) real: Option<f64>,
}

/// A host under a rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) host: String,
    pub(super) rule: String,
    /// In the order of [`MEASURES`].
    pub(super) numbers: [Two; MEASURES.len()],
    pub(super) load_average: Option<f64>,
    /// When the guests ran.
    pub(super) date: Option<String>,
    pub(super) failed: Option<String>,
}

/// A measure: its name, its unit, and the value below which differences are ignored.
pub(super) struct Measure {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) small: f64,
}

/// What is compared. The first one is what the simulator is used for.
pub(super) const MEASURES: [Measure; 6] = [
    Measure { name: "stall", unit: "s", small: 2.0 },
    Measure { name: "swap-in", unit: "MiB", small: 16.0 },
    Measure { name: "guest faults", unit: "", small: 200.0 },
    Measure { name: "guest OOMs", unit: "", small: 1.0 },
    Measure { name: "refused", unit: "", small: 1.0 },
    Measure { name: "work", unit: "% of wanted", small: 10.0 },
];

impl Row {
    pub(super) fn new(
        scenario: &Scenario,
        rule: Rule,
        (outcome, faults): (&RunOutcome, u64),
        run: &LiveRun,
    ) -> Self {
        let real = real(run);
        let simulated = [
            outcome.stall_seconds,
            outcome.swap_in_gib * MIB_IN_GIB,
            faults as f64,
            outcome.guest_ooms as f64,
            outcome.refused_allocations as f64,
            outcome.work_percent(),
        ];
        let mut numbers = [Two { simulated: 0.0, real: None }; MEASURES.len()];
        for ((two, simulated), real) in numbers.iter_mut().zip(simulated).zip(real) {
            *two = Two { simulated, real };
        }
        Self {
            host: scenario.name.clone(),
            rule: rule.name().to_owned(),
            numbers,
            load_average: run.load_average[1],
            date: run.date.clone(),
            failed: run.failed.clone(),
        }
    }
}

fn real(run: &LiveRun) -> [Option<f64>; MEASURES.len()] {
    if run.failed.is_some() {
        return [None; MEASURES.len()];
    }
    let count = |value: Option<u64>| value.map(|value| value as f64);
    let ooms = count(run.count(|guest| guest.guest_ooms));
    let waited = run.sum(|guest| Some(guest.waited? + guest.waited_within?));
    // As the simulator counts it; more than once in that time is not told apart.
    let down = ooms.map(|ooms| ooms * RESTART.min(run.seconds / 2.0));
    let work = run.sum(|guest| guest.touched).zip(run.sum(|guest| guest.wanted));
    [
        waited.zip(down).map(|(waited, down)| waited + down),
        run.swapped_in,
        count(run.count(|guest| guest.guest_faults)),
        ooms,
        count(run.count(|guest| guest.refused)),
        work.filter(|(_, wanted)| *wanted > 0.0).map(|(done, wanted)| done / wanted * 100.0),
    ]
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Comparison {
    pub(super) rows: Vec<Row>,
}

impl Comparison {
    /// Where both numbers of a measure are known.
    pub(super) fn compared(&self, measure: usize) -> Vec<Compared> {
        let known = |row: &Row| {
            let two = row.numbers.get(measure)?;
            Some(Compared {
                host: row.host.clone(),
                rule: row.rule.clone(),
                simulated: two.simulated,
                real: two.real?,
            })
        };
        self.rows.iter().filter_map(known).collect()
    }

    /// Rank correlation of a measure over hosts and rules.
    pub(super) fn correlation(&self, measure: usize) -> Option<f64> {
        let pairs: Vec<(f64, f64)> =
            self.compared(measure).iter().map(|row| (row.simulated, row.real)).collect();
        spearman(&pairs)
    }

    /// Rules whose order on a host, by a measure, differs between the simulator and real guests.
    pub(super) fn disagreements(&self, measure: usize) -> Vec<Disagreement> {
        let small = MEASURES.get(measure).map_or(1.0, |measure| measure.small);
        disagreements(&self.compared(measure), FACTOR, Small(small))
    }

    /// Whether the simulator orders hosts and rules by stall as guests do.
    pub(super) fn is_good(&self) -> bool {
        let failed = self.rows.iter().any(|row| row.failed.is_some());
        let agrees = self.correlation(0).is_none_or(|correlation| correlation >= AIM);
        !failed && agrees && self.disagreements(0).is_empty()
    }

    /// For programs.
    pub(super) fn document(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(document).collect();
        let over_all: Vec<Value> = MEASURES
            .iter()
            .enumerate()
            .map(|(number, measure)| {
                json!({
                    "measure": measure.name,
                    "rank_correlation": self.correlation(number),
                    "disagreements": self.disagreements(number),
                })
            })
            .collect();
        json!({ "rows": rows, "measures": over_all })
    }

    /// As a table of Markdown.
    pub(super) fn table(&self) -> String {
        let mut text = String::from("| host | rule |");
        for measure in MEASURES {
            let unit = if measure.unit.is_empty() { "" } else { ", " };
            text.push_str(&format!(" {}{unit}{}: simulated, real |", measure.name, measure.unit));
        }
        text.push_str(" load | of |\n|---|---|");
        text.push_str(&"--:|".repeat(MEASURES.len() + 1));
        text.push_str("---|\n");
        for row in &self.rows {
            text.push_str(&format!("| {} | {} |", row.host, row.rule));
            for two in row.numbers {
                let real = two.real.map_or("-".to_owned(), digits);
                text.push_str(&format!(" {}, {real} |", digits(two.simulated)));
            }
            let load = row.load_average.map_or("-".to_owned(), digits);
            text.push_str(&format!(" {load} | {} |\n", row.date.as_deref().unwrap_or("-")));
        }
        text
    }

    /// How far they agree, as a table of Markdown.
    pub(super) fn agreement(&self) -> String {
        let mut text = String::from(
            "| measure | rank correlation | pairs of rules that disagree |\n|---|--:|--:|\n",
        );
        for (number, measure) in MEASURES.iter().enumerate() {
            let correlation =
                self.correlation(number).map_or("-".to_owned(), |value| format!("{value:.2}"));
            let count = self.disagreements(number).len();
            text.push_str(&format!("| {} | {correlation} | {count} |\n", measure.name));
        }
        text
    }

    /// The pairs that disagree on stall, swap-in and guest faults, a line each.
    pub(super) fn disagreements_listed(&self) -> String {
        let mut text = String::new();
        for (number, measure) in MEASURES.iter().enumerate() {
            for Disagreement { host, rules: [one, other], simulated, real } in
                self.disagreements(number)
            {
                let pair = |[a, b]: [f64; 2]| format!("{} against {}", digits(a), digits(b));
                text.push_str(&format!(
                    "- {host}, {} of {one} and {other}: simulated {}, real {}\n",
                    measure.name,
                    pair(simulated),
                    pair(real)
                ));
            }
        }
        text
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n{}", self.table(), self.agreement())?;
        write!(f, "{}", self.disagreements_listed())?;
        for row in &self.rows {
            if let Some(why) = &row.failed {
                writeln!(f, "FAILED: {} under {}: {why}", row.host, row.rule)?;
            }
        }
        Ok(())
    }
}

fn document(row: &Row) -> Value {
    let mut simulated = serde_json::Map::new();
    let mut real = serde_json::Map::new();
    for (measure, two) in MEASURES.iter().zip(row.numbers) {
        simulated.insert(measure.name.to_owned(), json!(two.simulated));
        real.insert(measure.name.to_owned(), json!(two.real));
    }
    json!({
        "host": row.host,
        "policy": row.rule,
        "simulated": simulated,
        "real": real,
        "load_average": row.load_average,
        "date": row.date,
        "failed": row.failed,
    })
}

/// As many as say something.
fn digits(value: f64) -> String {
    if value.abs() >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::OfGuest;

    fn run(waited: f64) -> LiveRun {
        let guest = OfGuest {
            waited: Some(waited),
            waited_within: Some(0.5),
            guest_ooms: Some(1),
            touched: Some(50.0),
            wanted: Some(100.0),
            ..OfGuest::default()
        };
        LiveRun { guests: vec![guest], seconds: 100.0, ..LiveRun::default() }
    }

    fn row(rule: Rule, stall: f64, waited: f64) -> Row {
        let scenario = Scenario { name: "h".to_owned(), ..Scenario::default() };
        let outcome = RunOutcome { stall_seconds: stall, ..RunOutcome::default() };
        Row::new(&scenario, rule, (&outcome, 3), &run(waited))
    }

    #[test]
    fn a_guests_oom_counts_as_the_time_that_its_service_is_away() {
        let row = row(Rule::Pi, 7.0, 10.0);
        assert_eq!(row.numbers[0], Two { simulated: 7.0, real: Some(60.5) });
        assert_eq!(row.numbers[5].real, Some(50.0));
        // The host's swap-ins were not measured.
        assert_eq!(row.numbers[1].real, None);
    }

    #[test]
    fn a_run_that_failed_has_no_numbers_and_is_no_success() {
        let scenario = Scenario::default();
        let failed = LiveRun { failed: Some("qemu has ended".to_owned()), ..run(1.0) };
        let row = Row::new(&scenario, Rule::Nothing, (&RunOutcome::default(), 0), &failed);
        assert!(row.numbers.iter().all(|two| two.real.is_none()));
        let comparison = Comparison { rows: vec![row] };
        assert!(!comparison.is_good());
        assert!(comparison.to_string().contains("FAILED"));
    }

    #[test]
    fn who_wins_is_compared_and_told() {
        let rows = vec![row(Rule::Nothing, 100.0, 10.0), row(Rule::Pi, 10.0, 100.0)];
        let comparison = Comparison { rows };
        assert_eq!(comparison.disagreements(0).len(), 1);
        assert!(!comparison.is_good());
        let listed = comparison.disagreements_listed();
        let expected = "- h, stall of nothing and pi: simulated 100 against 10, real 60.5";
        assert!(listed.starts_with(expected), "{listed}");
        let document = comparison.document();
        assert_eq!(document["rows"][0]["simulated"]["stall"], json!(100.0));
        assert!(document["measures"][0]["rank_correlation"].is_null());
    }
}
