//! What a host reported, line by line, and what it amounts to. Pure.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::compare;
use crate::truth::table::Table;

#[derive(Deserialize)]
struct Line {
    step: String,
    value: Value,
}

/// One kernel's report.
#[derive(Default)]
pub struct Outcome {
    lines: Vec<Line>,
}

impl Outcome {
    /// Takes a line in; what to tell of it while the host is at work, if it is one.
    pub fn take(&mut self, line: &str) -> Option<String> {
        let line: Line = serde_json::from_str(line).ok()?;
        let told = match &line.value {
            Value::String(text) if !text.is_empty() => format!("{}: {text}", line.step),
            _ => line.step.clone(),
        };
        self.lines.push(line);
        Some(told)
    }

    /// Whether the host said that this was all.
    pub fn complete(&self) -> bool {
        self.lines.last().is_some_and(|line| line.step == "end")
    }

    /// Why the guests didn't boot, if they didn't.
    pub fn boot_failure(&self) -> Option<&str> {
        if self.value("guests").is_some() { None } else { self.text("failed") }
    }

    /// Whether nothing failed and every row keeps its bound.
    pub fn good(&self) -> bool {
        let table = self.table();
        self.text("failed").is_none()
            && self.value("comparison/still") == Some(&Value::Bool(true))
            && table.passed() > 0
            && table.failed() == 0
    }

    fn table(&self) -> Table {
        self.value("comparison").map(compare::table).unwrap_or_default()
    }

    fn text(&self, step: &str) -> Option<&str> {
        self.value(step)?.as_str()
    }

    /// A value by step, or by step and path in it.
    fn value(&self, path: &str) -> Option<&Value> {
        let (step, rest) = path.split_once('/').unwrap_or((path, ""));
        let line = self.lines.iter().find(|line| line.step == step)?;
        if rest.is_empty() { Some(&line.value) } else { line.value.pointer(&format!("/{rest}")) }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n", self.text("kernel").unwrap_or("unknown kernel"))?;
        for part in ["doctor/output", "doctor/errors"] {
            if let Some(text) = self.value(part).and_then(Value::as_str)
                && !text.is_empty()
            {
                writeln!(f, "{text}")?;
            }
        }
        for step in ["pressure", "cycled", "messages", "failed"] {
            if let Some(text) = self.text(step)
                && !text.is_empty()
            {
                writeln!(f, "{step}: {text}")?;
            }
        }
        if self.value("comparison/still") == Some(&Value::Bool(false)) {
            writeln!(f, "the guests never were still, so the numbers are of different moments")?;
        }
        if self.value("comparison").is_some() {
            write!(f, "\n{}", self.table())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(lines: &[&str]) -> Outcome {
        let mut outcome = Outcome::default();
        for line in lines {
            outcome.take(line);
        }
        outcome
    }

    const KERNEL: &str = r#"{"step":"kernel","value":"6.1.0"}"#;
    const END: &str = r#"{"step":"end","value":null}"#;

    #[test]
    fn a_report_is_complete_only_with_its_last_line() {
        assert!(!outcome(&[KERNEL]).complete());
        assert!(outcome(&[KERNEL, END]).complete());
        assert!(!outcome(&[]).complete());
    }

    #[test]
    fn what_is_no_line_of_ours_is_left_out() {
        let mut outcome = Outcome::default();
        assert_eq!(outcome.take("[    1.0] a word of the kernel"), None);
        assert_eq!(outcome.take(KERNEL).as_deref(), Some("kernel: 6.1.0"));
    }

    #[test]
    fn only_a_failure_before_the_guests_have_booted_is_one_of_booting() {
        const FAILED: &str = r#"{"step":"failed","value":"no answer"}"#;
        const GUESTS: &str = r#"{"step":"guests","value":"both have booted"}"#;
        assert_eq!(outcome(&[KERNEL, FAILED, END]).boot_failure(), Some("no answer"));
        assert_eq!(outcome(&[KERNEL, GUESTS, FAILED, END]).boot_failure(), None);
        assert_eq!(outcome(&[KERNEL, GUESTS, END]).boot_failure(), None);
    }

    #[test]
    fn a_host_without_a_comparison_is_not_good() {
        assert!(!outcome(&[KERNEL, END]).good());
        let failed = outcome(&[KERNEL, r#"{"step":"failed","value":"no swap"}"#, END]);
        assert!(!failed.good());
        assert!(failed.to_string().contains("failed: no swap"));
    }
}
