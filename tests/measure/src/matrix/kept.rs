//! What the kernels' last full runs gave, kept in the target folder, so that the page of all
//! kernels need not come from one sitting.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use memtrace_lab::paths;
use memtrace_lab::vm::report::{KernelReport, Scenario};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One kernel's run.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Of the newest run, `2026-11-23`.
    pub date: String,
    pub kernel: Option<String>,
    /// Scenarios that this run left out, and the dates of theirs.
    #[serde(default)]
    pub earlier: BTreeMap<String, String>,
    pub scenarios: Vec<Scenario>,
    pub signals: Vec<Value>,
}

/// Where they are kept.
pub fn folder() -> PathBuf {
    paths::target().join("lab/attribution")
}

/// Stores the results of a completed run. Scenarios that it left out are kept from an earlier run
/// of the same release; an unreadable file is replaced.
///
/// # Errors
/// When it can't be written.
pub fn keep(folder: &Path, name: &str, date: &str, outcome: &KernelReport) -> Result<()> {
    let path = path(folder, name);
    let earlier = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let mut kept = Kept {
        date: date.to_owned(),
        kernel: outcome.kernel.clone(),
        earlier: BTreeMap::new(),
        scenarios: outcome.scenarios.clone(),
        signals: outcome.signals.clone(),
    };
    if let Some(earlier) = earlier {
        kept.fill_from(earlier);
    }
    fs::create_dir_all(folder)?;
    let text = serde_json::to_vec(&kept)?;
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))
}

impl Kept {
    /// Takes over what only the earlier run had.
    fn fill_from(&mut self, earlier: Self) {
        if earlier.kernel != self.kernel {
            return;
        }
        if self.signals.is_empty() {
            self.signals = earlier.signals;
        }
        for scenario in earlier.scenarios {
            if self.scenarios.iter().all(|newer| newer.name != scenario.name) {
                let name = scenario.name.clone();
                let date = earlier.earlier.get(&name).unwrap_or(&earlier.date).clone();
                self.earlier.insert(name, date);
                self.scenarios.push(scenario);
            }
        }
    }
}

/// The runs of these kernels that were kept, in this order.
///
/// # Errors
/// When one can't be read.
pub fn all(folder: &Path, names: &[&str]) -> Result<Vec<Kept>> {
    let mut found = Vec::new();
    for name in names {
        let path = path(folder, name);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            text => text.with_context(|| format!("read {}", path.display()))?,
        };
        found.push(
            serde_json::from_slice(&text).with_context(|| format!("read {}", path.display()))?,
        );
    }
    Ok(found)
}

fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_lab::vm::report::ScenarioState;

    #[test]
    fn a_run_that_was_kept_is_found_and_a_newer_one_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let state = ScenarioState::Skipped("no zswap".to_owned());
        let scenario = Scenario { name: "zswap".to_owned(), seconds: 1.0, state };
        let mut outcome = KernelReport::default();
        outcome.scenarios.push(scenario.clone());
        assert_eq!(all(folder.path(), &["6.1"]).unwrap(), []);
        for (name, date) in [("6.12", "2026-01-01"), ("6.1", "2026-01-02"), ("6.1", "2026-01-03")] {
            keep(folder.path(), name, date, &outcome).unwrap();
        }
        let found = all(folder.path(), &["5.10", "6.1", "6.12"]).unwrap();
        let dates: Vec<&str> = found.iter().map(|kept| kept.date.as_str()).collect();
        assert_eq!(dates, ["2026-01-03", "2026-01-01"]);
        assert_eq!(found[0].scenarios, [scenario]);
    }

    fn run(kernel: &str, scenarios: &[(&str, f64)]) -> KernelReport {
        let scenario = |&(name, seconds): &(&str, f64)| {
            let state = ScenarioState::Skipped("no KVM".to_owned());
            Scenario { name: name.to_owned(), seconds, state }
        };
        let scenarios = scenarios.iter().map(scenario).collect();
        let mut outcome = KernelReport::default();
        outcome.kernel = Some(kernel.to_owned());
        outcome.scenarios = scenarios;
        outcome
    }

    #[test]
    fn what_a_run_left_out_stays_of_an_earlier_one_of_the_same_release() {
        let folder = tempfile::tempdir().unwrap();
        let kept = |outcome: &KernelReport| -> Vec<(String, f64)> {
            keep(folder.path(), "6.12", "2026-01-01", outcome).unwrap();
            let found = all(folder.path(), &["6.12"]).unwrap().remove(0);
            found.scenarios.into_iter().map(|one| (one.name, one.seconds)).collect()
        };
        let expected = |all: &[(&str, f64)]| -> Vec<(String, f64)> {
            all.iter().map(|(name, seconds)| ((*name).to_owned(), *seconds)).collect()
        };
        kept(&run("6.12.9", &[("max", 1.0), ("programs", 2.0)]));
        let both = kept(&run("6.12.9", &[("max", 3.0)]));
        assert_eq!(both, expected(&[("max", 3.0), ("programs", 2.0)]));
        let found = all(folder.path(), &["6.12"]).unwrap().remove(0);
        assert_eq!(found.earlier.get("programs").map(String::as_str), Some("2026-01-01"));
        let newer = kept(&run("6.12.10", &[("max", 4.0)]));
        assert_eq!(newer, expected(&[("max", 4.0)]));
    }

    #[test]
    fn a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("6.1.json"), "{").unwrap();
        let error = all(folder.path(), &["6.1"]).unwrap_err();
        assert!(format!("{error:#}").contains("6.1.json"), "{error:#}");
    }
}
