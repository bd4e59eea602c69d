//! The table of the check: memtrace's number beside the kernel's, how far they may lie
//! apart, and whether they do. Pure.

use std::fmt;

/// How far two numbers may lie apart: a share of the kernel's, or so many, whichever
/// is more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    pub percent: f64,
    pub at_least: f64,
}

/// What has to hold of the two numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// They are equal, within the tolerance.
    Equal(Tolerance),
    /// memtrace's is at most the other.
    AtMost,
    /// memtrace's is at least the other.
    AtLeast,
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub counter: String,
    pub memtrace: f64,
    /// What the kernel says, or the bound.
    pub kernel: f64,
    /// Where `kernel` comes from.
    pub source: &'static str,
    pub rule: Rule,
}

impl Row {
    /// How far memtrace's number is from the other.
    pub fn difference(&self) -> f64 {
        self.memtrace - self.kernel
    }

    /// The most that the difference may be.
    fn within(&self) -> f64 {
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
}

/// All rows, and what could not be compared here, with the reason.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub rows: Vec<Row>,
    pub skipped: Vec<String>,
}

impl Table {
    /// How many rows hold.
    pub fn passed(&self) -> usize {
        self.rows.iter().filter(|row| row.holds()).count()
    }

    /// How many don't.
    pub fn failed(&self) -> usize {
        self.rows.len().saturating_sub(self.passed())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<44} {:>12} {:>12} {:>10} {:>9}  verdict  kernel's counter",
            "counter", "memtrace", "kernel", "difference", "within"
        )?;
        for row in &self.rows {
            let within = match row.rule {
                Rule::Equal(_) => format!("{:.1}", row.within()),
                Rule::AtMost => "at most".to_owned(),
                Rule::AtLeast => "at least".to_owned(),
            };
            let verdict = if row.holds() { "ok" } else { "WRONG" };
            writeln!(
                f,
                "{:<44} {:>12.1} {:>12.1} {:>+10.1} {:>9}  {:<7}  {}",
                row.counter,
                row.memtrace,
                row.kernel,
                row.difference(),
                within,
                verdict,
                row.source
            )?;
        }
        for reason in &self.skipped {
            writeln!(f, "not compared: {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(memtrace: f64, kernel: f64, rule: Rule) -> Row {
        Row { counter: "pages".to_owned(), memtrace, kernel, source: "VmSwap", rule }
    }

    const ONE_PERCENT: Rule = Rule::Equal(Tolerance { percent: 1.0, at_least: 16.0 });

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
    fn the_table_names_what_is_wrong() {
        let table = Table {
            rows: vec![row(1.0, 1.0, ONE_PERCENT), row(99.0, 1.0, ONE_PERCENT)],
            skipped: vec!["no delay accounting".to_owned()],
        };
        assert_eq!((table.passed(), table.failed()), (1, 1));
        let text = table.to_string();
        assert!(text.contains("WRONG") && text.contains("no delay accounting"));
    }
}
