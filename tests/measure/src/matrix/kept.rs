//! What the kernels' last full runs gave, kept in the target folder, so that the page of all
//! kernels need not come from one sitting.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use memtrace_lab::paths;
use memtrace_lab::vm::report::{Outcome, Scenario};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One kernel's run.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// `2026-11-23`.
    pub date: String,
    pub kernel: Option<String>,
    pub scenarios: Vec<Scenario>,
    pub signals: Vec<Value>,
}

/// Where they are kept.
pub fn folder() -> PathBuf {
    paths::target().join("lab/attribution")
}

/// Keeps what a complete run of all scenarios gave, in place of an earlier one.
///
/// # Errors
/// When it can't be written.
pub fn keep(folder: &Path, name: &str, date: &str, outcome: &Outcome) -> Result<()> {
    let kept = Kept {
        date: date.to_owned(),
        kernel: outcome.kernel.clone(),
        scenarios: outcome.scenarios.clone(),
        signals: outcome.signals.clone(),
    };
    fs::create_dir_all(folder)?;
    let path = path(folder, name);
    let text = serde_json::to_vec(&kept)?;
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))
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
    use memtrace_lab::vm::report::State;

    #[test]
    fn a_run_that_was_kept_is_found_and_a_newer_one_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::Skipped("no zswap".to_owned());
        let scenario = Scenario { name: "zswap".to_owned(), seconds: 1.0, state };
        let mut outcome = Outcome::default();
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

    #[test]
    fn a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("6.1.json"), "{").unwrap();
        let error = all(folder.path(), &["6.1"]).unwrap_err();
        assert!(format!("{error:#}").contains("6.1.json"), "{error:#}");
    }
}
