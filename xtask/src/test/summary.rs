//! What came out of the steps, and the summary that says so. Pure.

use std::fmt;
use std::time::Duration;

use memtrace_lab::outcome::Outcome;

/// A step that has run.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    pub elapsed: Duration,
    pub outcome: Outcome,
}

/// All steps that have run.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    rows: Vec<Row>,
}

impl Summary {
    /// Notes a step.
    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// The sum over all steps.
    pub fn total(&self) -> Outcome {
        let mut total = Outcome::default();
        for row in &self.rows {
            total.absorb(row.outcome.clone());
        }
        total
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        for Row { name, elapsed, outcome } in &self.rows {
            let Outcome { passed, failed, skipped, reasons, .. } = outcome;
            let seconds = elapsed.as_secs_f64();
            writeln!(
                f,
                "{name:<32} {seconds:>7.1} s  {passed:>5} passed {failed:>3} failed {skipped:>3} skipped"
            )?;
            for reason in reasons {
                writeln!(f, "    skipped: {reason}")?;
            }
        }
        let Outcome { passed, failed, skipped, failures, .. } = self.total();
        // Close to the end, which is all that anyone sees of a long run.
        for failure in failures {
            writeln!(f, "FAILED: {failure}")?;
        }
        writeln!(f, "\n{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, outcome: Outcome) -> Row {
        Row { name: name.to_owned(), elapsed: Duration::from_secs(1), outcome }
    }

    #[test]
    fn the_last_line_sums_up_all_steps() {
        let mut summary = Summary::default();
        summary.add(row("a", Outcome::passed(3)));
        summary.add(row("b", Outcome { failures: vec!["why".to_owned()], ..Outcome::failed(1) }));
        summary.add(row("c", Outcome::skipped("no root")));
        let text = summary.to_string();
        assert_eq!(text.lines().last(), Some("3 passed, 1 failed, 1 skipped"));
        assert!(text.contains("skipped: no root") && text.contains("FAILED: why\n"));
    }

    #[test]
    fn no_step_at_all_is_no_pass() {
        assert_eq!(Summary::default().total(), Outcome::default());
    }
}
