//! A table of numbers that should agree: memtrace's beside the kernel's, how far they may
//! lie apart, and the verdict. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Quality;

/// How far two numbers may lie apart: a share of the kernel's, or so many, whichever
/// is more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tolerance {
    pub percent: f64,
    pub at_least: f64,
}

/// The required relation of the two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// They are equal, within the tolerance.
    Equal(Tolerance),
    /// memtrace's is at most the other.
    AtMost,
    /// memtrace's is at least the other.
    AtLeast,
}

impl Rule {
    /// Equal within `percent` of the kernel's number or `at_least`, whichever is more.
    pub const fn within(percent: f64, at_least: f64) -> Self {
        Self::Equal(Tolerance { percent, at_least })
    }
}

/// What a comparison says of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It calls itself exact, and is within its bound.
    Exact,
    /// It calls itself approximate, whatever the difference.
    Approximate,
    /// It calls itself exact and isn't, or is there although it calls itself absent.
    Wrong,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row<S = String, N = String> {
    /// What the number belongs to, most often a signal (`swap_in`).
    pub signal: N,
    /// Whose number it is: a VM, or the host.
    pub subject: S,
    /// What is counted, with its unit.
    pub counter: String,
    pub memtrace: f64,
    /// What the kernel says, or the bound.
    pub kernel: f64,
    /// Where `kernel` comes from.
    pub source: String,
    pub rule: Rule,
    /// What memtrace itself says of the number, on this kernel at this moment.
    #[serde(flatten)]
    pub quality: Quality,
}

impl<S, N> Row<S, N> {
    /// How far memtrace's number is from the other.
    pub fn difference(&self) -> f64 {
        // Not -0.0, which would print as such.
        self.memtrace - self.kernel + 0.0
    }

    /// The difference as a share of the kernel's number, in per cent. `None`: that is 0.
    pub fn difference_percent(&self) -> Option<f64> {
        (self.kernel != 0.0).then(|| self.difference() / self.kernel.abs() * 100.0)
    }

    /// The most that the difference may be.
    pub fn within(&self) -> f64 {
        match self.rule {
            Rule::Equal(Tolerance { percent, at_least }) => {
                (self.kernel.abs() * percent / 100.0).max(at_least)
            }
            Rule::AtMost | Rule::AtLeast => 0.0,
        }
    }

    /// Whether the rule holds.
    pub fn holds(&self) -> bool {
        let difference = self.difference();
        match self.rule {
            Rule::Equal(_) => difference.abs() <= self.within(),
            Rule::AtMost => difference <= 0.0,
            Rule::AtLeast => difference >= 0.0,
        }
    }

    /// What to make of it.
    pub fn verdict(&self) -> Verdict {
        match &self.quality {
            Quality::Exact if self.holds() => Verdict::Exact,
            Quality::Approximate(_) if self.memtrace.is_finite() => Verdict::Approximate,
            _ => Verdict::Wrong,
        }
    }
}

/// A number that could not be compared here, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped<S = String, N = String> {
    pub signal: N,
    pub subject: S,
    pub counter: String,
    pub reason: String,
    /// It did not occur in the run, so that there was nothing to compare: no shortcoming.
    #[serde(default)]
    pub did_not_occur: bool,
}

/// All rows, and what could not be compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table<S = String, N = String> {
    pub rows: Vec<Row<S, N>>,
    pub skipped: Vec<Skipped<S, N>>,
}

impl<S, N> Default for Table<S, N> {
    fn default() -> Self {
        Self { rows: Vec::new(), skipped: Vec::new() }
    }
}

impl<S, N> Table<S, N> {
    /// How many rows are not wrong.
    pub fn passed(&self) -> usize {
        self.rows.len().saturating_sub(self.failed())
    }

    /// How many are.
    pub fn failed(&self) -> usize {
        self.wrong().count()
    }

    /// Those that are.
    pub fn wrong(&self) -> impl Iterator<Item = &Row<S, N>> {
        self.rows.iter().filter(|row| row.verdict() == Verdict::Wrong)
    }

    /// Takes over the rows of another table.
    pub fn append(&mut self, mut other: Self) {
        self.rows.append(&mut other.rows);
        self.skipped.append(&mut other.skipped);
    }
}

impl<S: fmt::Display, N> fmt::Display for Table<S, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<46} {:>12} {:>12} {:>10} {:>9}  {:<11}  kernel's counter",
            "counter", "memtrace", "kernel", "difference", "within", "verdict"
        )?;
        for row in &self.rows {
            let within = match row.rule {
                Rule::Equal(_) => format!("{:.1}", row.within()),
                Rule::AtMost => "at most".to_owned(),
                Rule::AtLeast => "at least".to_owned(),
            };
            let verdict = match row.verdict() {
                Verdict::Exact => "exact",
                Verdict::Approximate => "approximate",
                Verdict::Wrong => "WRONG",
            };
            writeln!(
                f,
                "{:<46} {:>12.1} {:>12.1} {:>+10.1} {:>9}  {:<11}  {}",
                format!("{}: {}", row.subject, row.counter),
                row.memtrace,
                row.kernel,
                row.difference(),
                within,
                verdict,
                row.source
            )?;
        }
        for skipped in &self.skipped {
            let Skipped { subject, counter, reason, .. } = skipped;
            writeln!(f, "not compared: {subject}: {counter}: {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(memtrace: f64, kernel: f64, rule: Rule) -> Row {
        Row {
            signal: "swap_out".to_owned(),
            subject: "vm".to_owned(),
            counter: "pages".to_owned(),
            memtrace,
            kernel,
            source: "VmSwap".to_owned(),
            rule,
            quality: Quality::Exact,
        }
    }

    const ONE_PERCENT: Rule = Rule::within(1.0, 16.0);

    #[test]
    fn a_share_of_a_large_number_may_differ_and_a_few_of_a_small_one() {
        assert!(row(10_100.0, 10_000.0, ONE_PERCENT).holds());
        assert!(!row(10_101.0, 10_000.0, ONE_PERCENT).holds());
        assert!(!row(9_899.0, 10_000.0, ONE_PERCENT).holds());
        assert!(row(16.0, 0.0, ONE_PERCENT).holds());
        assert!(!row(17.0, 0.0, ONE_PERCENT).holds());
        assert!(row(-10_000.0, -10_000.0, ONE_PERCENT).holds());
    }

    #[test]
    fn bounds_hold_on_one_side() {
        assert!(row(1.0, 2.0, Rule::AtMost).holds());
        assert!(!row(3.0, 2.0, Rule::AtMost).holds());
        assert!(row(3.0, 2.0, Rule::AtLeast).holds());
        assert!(!row(1.0, 2.0, Rule::AtLeast).holds());
    }

    #[test]
    fn a_number_that_is_none_never_holds() {
        for rule in [ONE_PERCENT, Rule::AtMost, Rule::AtLeast] {
            assert!(!row(f64::NAN, 1.0, rule).holds());
        }
    }

    #[test]
    fn only_what_calls_itself_exact_has_to_be() {
        let mut far = row(99.0, 1.0, ONE_PERCENT);
        assert_eq!(far.verdict(), Verdict::Wrong);
        far.quality = Quality::approximate("each mapping counts");
        assert_eq!(far.verdict(), Verdict::Approximate);
        far.quality = Quality::absent("no such hook");
        assert_eq!(far.verdict(), Verdict::Wrong, "a number of a signal that isn't there");
        assert_eq!(row(1.0, 1.0, ONE_PERCENT).verdict(), Verdict::Exact);
    }

    #[test]
    fn the_table_names_what_is_wrong() {
        let table = Table {
            rows: vec![row(1.0, 1.0, ONE_PERCENT), row(99.0, 1.0, ONE_PERCENT)],
            skipped: vec![Skipped {
                signal: "memcg_reclaim".to_owned(),
                subject: "vm".to_owned(),
                counter: "stalls".to_owned(),
                reason: "no delay accounting".to_owned(),
                did_not_occur: false,
            }],
        };
        assert_eq!((table.passed(), table.failed()), (1, 1));
        let text = table.to_string();
        assert!(text.contains("WRONG") && text.contains("no delay accounting"));
    }

    #[test]
    fn no_difference_has_no_sign() {
        assert!(row(0.0, -0.0, ONE_PERCENT).to_string_row().contains(" +0.0 "));
    }

    impl Row {
        fn to_string_row(&self) -> String {
            Table { rows: vec![self.clone()], skipped: Vec::new() }.to_string()
        }
    }
}
