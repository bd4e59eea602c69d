//! Scenario by policy: what each made of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::outcome::RunOutcome;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub scenario: String,
    pub policy: String,
    pub outcome: RunOutcome,
    /// What the scenario expects of memtrace's policy and wasn't reached, in words.
    pub missed: Vec<String>,
}

/// All runs, those of a scenario together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    pub rows: Vec<Row>,
}

const HEADINGS: [&str; 11] = [
    "policy",
    "stall s",
    "swap-in GiB",
    "guest OOMs",
    "kills",
    "relief s",
    "oscillations",
    "needless GiB s",
    "orders",
    "refused",
    "work %",
];

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.policy.len()).max().unwrap_or(0).max(8) + 2;
        let mut scenario = None;
        let sums = self.sums();
        for row in self.rows.iter().chain(&sums) {
            if scenario != Some(&row.scenario) {
                let blank = if scenario.is_some() { "\n" } else { "" };
                writeln!(f, "{blank}{}", row.scenario)?;
                let [policy, rest @ ..] = HEADINGS;
                write!(f, "  {policy:width$}")?;
                rest.iter().try_for_each(|heading| write!(f, "{heading:>16}"))?;
                writeln!(f)?;
                scenario = Some(&row.scenario);
            }
            let mark = if least(&self.rows, row) || least(&sums, row) { '*' } else { ' ' };
            write!(f, "{mark} {:width$}", row.policy)?;
            cells(&row.outcome).iter().try_for_each(|cell| write!(f, "{cell:>16}"))?;
            writeln!(f)?;
            row.missed.iter().try_for_each(|missed| writeln!(f, "    missed: {missed}"))?;
        }
        Ok(())
    }
}

impl Table {
    /// Each policy over all scenarios, if there are several: sums, and the longest relief.
    fn sums(&self) -> Vec<Row> {
        let mut sums: Vec<Row> = Vec::new();
        for row in &self.rows {
            match sums.iter_mut().find(|sum| sum.policy == row.policy) {
                Some(sum) => sum.outcome = sum.outcome.and(&row.outcome),
                None => {
                    let scenario = "all scenarios".to_owned();
                    sums.push(Row { scenario, missed: Vec::new(), ..row.clone() });
                }
            }
        }
        let several = self.rows.iter().any(|row| row.scenario != self.rows[0].scenario);
        if several { sums } else { Vec::new() }
    }
}

/// Whether it has the least stall of its scenario among `rows`.
fn least(rows: &[Row], row: &Row) -> bool {
    let mut same = rows.iter().filter(|other| other.scenario == row.scenario).peekable();
    same.peek().is_some()
        && same.all(|other| row.outcome.stall_seconds <= other.outcome.stall_seconds)
}

fn cells(outcome: &RunOutcome) -> [String; HEADINGS.len() - 1] {
    [
        format!("{:.1}", outcome.stall_seconds),
        format!("{:.2}", outcome.swap_in_gib),
        outcome.guest_ooms.to_string(),
        outcome.kills.to_string(),
        outcome.relief_seconds.to_string(),
        outcome.oscillations.to_string(),
        format!("{:.0}", outcome.needless_gib_seconds),
        orders(outcome),
        outcome.refused_allocations.to_string(),
        format!("{:.1}", outcome.work_percent()),
    ]
}

/// With those that should not have been given.
fn orders(outcome: &RunOutcome) -> String {
    match outcome.breaches {
        0 => outcome.orders.to_string(),
        breaches => format!("{} ({breaches} bad)", outcome.orders),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(scenario: &str, policy: &str, stall_seconds: f64) -> Row {
        let outcome = RunOutcome { stall_seconds, orders: 3, breaches: 1, ..RunOutcome::default() };
        Row { scenario: scenario.into(), policy: policy.into(), outcome, missed: Vec::new() }
    }

    #[test]
    fn the_least_stall_of_a_scenario_has_a_star() {
        let missed = Row { missed: vec!["a".into()], ..row("two", "x", 0.5) };
        let rows = vec![row("one", "x", 2.0), row("one", "y", 1.0), missed];
        let text = Table { rows }.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 14, "{text}");
        assert!(lines[2].starts_with("  x") && lines[3].starts_with("* y"), "{text}");
        assert!(lines[7].contains("3 (1 bad)") && lines[8] == "    missed: a", "{text}");
        assert!(lines[12].starts_with("  x") && lines[12].contains("2.5"), "{text}");
        assert!(lines[13].starts_with("* y"), "{text}");
    }
}
