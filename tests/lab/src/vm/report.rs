//! What a host reported, line by line, and what it amounts to. Pure.

use std::fmt;

use memtrace_core::accuracy::table::{Row, Table};
use memtrace_lab_host::scenario::{PROGRAMS, SELFTEST};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::compare;
use crate::harness::Printed;
use crate::outcome::Outcome;

#[derive(Deserialize)]
struct Line {
    step: String,
    value: Value,
}

/// One kernel's report.
#[derive(Default)]
pub struct KernelReport {
    /// Its release.
    pub kernel: Option<String>,
    pub scenarios: Vec<Scenario>,
    /// What memtrace says of its signals here, from its last document.
    pub signals: Vec<Value>,
    /// Why the host as a whole failed, if it did.
    pub failed: Option<String>,
    doctor: Vec<String>,
    notes: Vec<String>,
    complete: bool,
}

/// One scenario's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    pub name: String,
    pub seconds: f64,
    pub state: ScenarioState,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ScenarioState {
    Compared(Table),
    /// The tests of the programs: why some could not run, and which failed.
    Tested {
        passed: u64,
        skipped: u64,
        /// Empty in what was kept of runs before they were reported.
        #[serde(default)]
        reasons: Vec<String>,
        failures: Vec<String>,
    },
    /// This kernel has no such thing.
    Skipped(String),
    /// Something went wrong; before anything was up, or later.
    Failed {
        reason: String,
        booted: bool,
    },
}

impl KernelReport {
    /// Takes a line in; what to tell of it while the host is at work, if it is one.
    pub fn take(&mut self, line: &str) -> Option<String> {
        let Line { step, value } = serde_json::from_str(line).ok()?;
        let text = value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        match (step.as_str(), text) {
            ("kernel", text) => self.kernel = text,
            ("failed", text) => self.failed = text,
            ("end", _) => self.complete = true,
            ("doctor", _) => {
                let part = |name| value.get(name).and_then(Value::as_str).map(str::to_owned);
                self.doctor.extend([part("output"), part("errors")].into_iter().flatten());
            }
            ("scenario", _) => {
                let scenario = scenario(&value);
                if let Some(signals) = value.pointer("/comparison/after/memtrace/signals") {
                    self.signals = signals.as_array().cloned().unwrap_or_default();
                }
                return Some(self.add(scenario));
            }
            (SELFTEST, _) => return Some(self.add(selftest(&value))),
            (PROGRAMS, _) => return Some(self.add(tests(&value))),
            (_, Some(text)) => self.notes.push(format!("{step}: {text}")),
            (_, None) => return None,
        }
        Some(value.as_str().map_or_else(|| step.clone(), |text| format!("{step}: {text}")))
    }

    /// Adds what became of a scenario, and says it in a line.
    fn add(&mut self, scenario: Scenario) -> String {
        let told = scenario.told();
        self.scenarios.push(scenario);
        told
    }

    /// Whether the host said that this was all.
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// Of the wanted scenarios those that nothing came of, because the host died, or a guest
    /// did not boot.
    pub fn open<'a>(&self, wanted: &[&'a str]) -> Vec<&'a str> {
        let done = |name: &str| {
            self.scenarios.iter().any(|scenario| {
                let open = matches!(scenario.state, ScenarioState::Failed { booted: false, .. });
                scenario.name == name && !open
            })
        };
        wanted.iter().copied().filter(|name| !done(name)).collect()
    }

    /// Takes over what a second run gave.
    pub fn merge(&mut self, second: Self) {
        for scenario in second.scenarios {
            self.scenarios.retain(|earlier| earlier.name != scenario.name);
            self.scenarios.push(scenario);
        }
        self.kernel = self.kernel.take().or(second.kernel);
        if !second.signals.is_empty() {
            self.signals = second.signals;
        }
        if let Some(why) = self.failed.take() {
            self.notes.push(format!("an earlier boot: {why}"));
        }
        self.failed = second.failed;
        self.notes.extend(second.notes);
        self.complete = second.complete;
    }

    /// Whether nothing failed and every row keeps its bound.
    pub fn good(&self) -> bool {
        self.failed.is_none()
            && self.complete
            && self.scenarios.iter().any(Scenario::shows_something)
            && self.problems().is_empty()
    }

    /// Rows that are wrong, and scenarios that failed, a line each.
    pub fn problems(&self) -> Vec<String> {
        self.scenarios.iter().flat_map(Scenario::problems).collect()
    }

    /// Why scenarios can't be had on this kernel.
    pub fn skipped(&self) -> impl Iterator<Item = &str> {
        self.scenarios.iter().filter_map(|scenario| match &scenario.state {
            ScenarioState::Skipped(reason) => Some(reason.as_str()),
            _ => None,
        })
    }

    /// How many tests of the programs passed, and how many couldn't run, with the reasons. Which
    /// failed is among the problems.
    pub fn tested(&self) -> Outcome {
        let mut tested = Outcome::default();
        for scenario in &self.scenarios {
            if let ScenarioState::Tested { passed, skipped, reasons, .. } = &scenario.state {
                tested.absorb(Outcome {
                    passed: *passed,
                    skipped: *skipped,
                    reasons: reasons.clone(),
                    ..Outcome::default()
                });
            }
        }
        tested
    }

    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.scenarios.iter().filter_map(|scenario| match &scenario.state {
            ScenarioState::Compared(table) => Some(table),
            _ => None,
        })
    }
}

fn scenario(value: &Value) -> Scenario {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let comparison = value.get("comparison").filter(|comparison| !comparison.is_null());
    let state = match (text("skipped"), text("failed"), comparison) {
        (Some(reason), ..) => ScenarioState::Skipped(reason),
        (_, None, Some(comparison)) if compare::is_still(comparison) => {
            ScenarioState::Compared(compare::table(comparison))
        }
        (_, reason, _) => ScenarioState::Failed {
            reason: reason.unwrap_or("the guests never were still".to_owned()),
            booted: value.get("booted") == Some(&Value::Bool(true)),
        },
    };
    Scenario { name: text("name").unwrap_or_default(), seconds: seconds(value), state }
}

/// Its table, with the rows under the self-test's own name. Exit codes up to 2 are verdicts.
fn selftest(value: &Value) -> Scenario {
    let state = match (value.get("skipped").and_then(Value::as_str), value.get("document")) {
        (Some(reason), _) => ScenarioState::Skipped(reason.to_owned()),
        (None, Some(document)) if !document.is_null() => {
            let table = document.get("table").unwrap_or(document);
            match serde_json::from_value::<Table>(table.clone()) {
                Ok(table) => ScenarioState::Compared(table),
                Err(error) => failed(format!("its document: {error}")),
            }
        }
        _ => {
            let errors = value.get("errors").and_then(Value::as_str).unwrap_or_default();
            failed(format!("code {}: {errors}", value.get("code").unwrap_or(&Value::Null)))
        }
    };
    Scenario { name: SELFTEST.to_owned(), seconds: seconds(value), state }
}

/// The tests of the programs, by what their harness prints.
fn tests(value: &Value) -> Scenario {
    let mut printed = Printed::default();
    let output = value.get("output").and_then(Value::as_str).unwrap_or_default();
    output.lines().for_each(|line| printed.take(line));
    let code = value.get("code").unwrap_or(&Value::Null);
    let has_result = printed.has_result();
    let Outcome { passed, failed: count, skipped, reasons, failures } =
        printed.outcome(code.as_i64() == Some(0));
    let state = match has_result && (count == 0 || !failures.is_empty()) {
        true => ScenarioState::Tested { passed, skipped, reasons, failures },
        false => failed(format!("the tests came to no end, code {code}")),
    };
    Scenario { name: PROGRAMS.to_owned(), seconds: seconds(value), state }
}

fn failed(reason: String) -> ScenarioState {
    ScenarioState::Failed { reason, booted: true }
}

fn seconds(value: &Value) -> f64 {
    value.get("seconds").and_then(Value::as_f64).unwrap_or(0.0)
}

impl Scenario {
    fn shows_something(&self) -> bool {
        match &self.state {
            ScenarioState::Compared(table) => table.passed() > 0,
            ScenarioState::Tested { passed, .. } => *passed > 0,
            ScenarioState::Skipped(_) | ScenarioState::Failed { .. } => false,
        }
    }

    fn problems(&self) -> Vec<String> {
        let Self { name, state, .. } = self;
        match state {
            ScenarioState::Compared(table) => {
                table.wrong().map(|row| format!("{name}: {}", sentence(row))).collect()
            }
            ScenarioState::Tested { failures, .. } => {
                failures.iter().map(|failure| format!("{name}: {failure}")).collect()
            }
            ScenarioState::Failed { reason, .. } => vec![format!("{name}: {reason}")],
            ScenarioState::Skipped(_) => Vec::new(),
        }
    }

    /// In a line.
    fn told(&self) -> String {
        let Self { name, seconds, state } = self;
        let what = match state {
            ScenarioState::Compared(table) => {
                let wrong: String =
                    table.wrong().map(|row| format!("; WRONG: {}", sentence(row))).collect();
                format!("{} rows passed, {} wrong{wrong}", table.passed(), table.failed())
            }
            ScenarioState::Tested { passed, skipped, reasons, failures } => {
                let failed = failures.len();
                let reasons: String =
                    reasons.iter().map(|reason| format!("; skipped: {reason}")).collect();
                let failures: String =
                    failures.iter().map(|failure| format!("; FAILED: {failure}")).collect();
                format!(
                    "{passed} tests passed, {failed} failed, {skipped} skipped{reasons}{failures}"
                )
            }
            ScenarioState::Skipped(reason) => format!("skipped: {reason}"),
            ScenarioState::Failed { reason, .. } => format!("failed: {reason}"),
        };
        format!("{name}: {seconds:.0} s, {what}")
    }
}

/// A row in words.
pub fn sentence(row: &Row) -> String {
    let Row { subject, counter, memtrace, kernel, source, .. } = row;
    format!("{subject}: {counter}: {memtrace:.0} against {kernel:.0} of {source}")
}

impl fmt::Display for KernelReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n", self.kernel.as_deref().unwrap_or("unknown kernel"))?;
        for text in self.doctor.iter().chain(&self.notes).filter(|text| !text.is_empty()) {
            writeln!(f, "{text}")?;
        }
        for scenario in &self.scenarios {
            writeln!(f, "\n### {}", scenario.told())?;
            if let ScenarioState::Compared(table) = &scenario.state {
                write!(f, "\n{table}")?;
            }
        }
        match &self.failed {
            Some(reason) => writeln!(f, "\nfailed: {reason}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
