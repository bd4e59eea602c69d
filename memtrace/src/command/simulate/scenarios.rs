//! Which scenarios are meant: those that memtrace comes with, by name, and those of a user, by the
//! path of a file or folder.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::sys::exit::Misused;
use memtrace_core::sim::{Scenario, catalogue};
use memtrace_store::regular;

/// Largest file that is read.
const MOST_BYTES: u64 = 1 << 20;

/// Without a name: all that memtrace comes with.
pub(super) fn scenarios(wanted: &[String]) -> Result<Vec<Scenario>> {
    let own = catalogue::all()?;
    if wanted.is_empty() {
        return Ok(own);
    }
    let mut scenarios = Vec::new();
    for name in wanted {
        if is_path(name) {
            scenarios.extend(read(Path::new(name))?);
        } else {
            let found = own.iter().find(|scenario| scenario.name == *name);
            scenarios.push(found.cloned().ok_or_else(|| unknown(name))?);
        }
    }
    Ok(scenarios)
}

/// The one that is meant.
pub(super) fn one(scenarios: &[Scenario]) -> Result<&Scenario> {
    match scenarios {
        [scenario] => Ok(scenario),
        _ => Err(Misused(format!("exactly one scenario is required, not {}", scenarios.len())))?,
    }
}

pub(super) fn list(scenarios: &[Scenario], names: &[&str]) -> String {
    let width = scenarios.iter().map(|scenario| scenario.name.len()).max().unwrap_or(0);
    let mut text = String::from("Scenarios:\n");
    for Scenario { name, about, .. } in scenarios {
        // Writing to a string can't fail.
        let _ = writeln!(text, "  {name:width$}  {about}");
    }
    let _ = writeln!(text, "\nPolicies:\n  {}", names.join(", "));
    text
}

fn is_path(name: &str) -> bool {
    name.contains('/') || name.ends_with(".toml") || Path::new(name).is_dir()
}

fn unknown(name: &str) -> Misused {
    let known: Vec<&str> = catalogue::names().collect();
    let known = known.join(", ");
    Misused(format!("unknown scenario {name}; scenarios: {known}; or the path of a file or folder"))
}

/// A file's scenario, or those of all `.toml` files of a folder, by name.
fn read(path: &Path) -> Result<Vec<Scenario>> {
    if !path.is_dir() {
        return Ok(vec![read_file(path)?]);
    }
    let entries = std::fs::read_dir(path).with_context(|| path.display().to_string())?;
    let mut files: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    ensure!(!files.is_empty(), "{}: no .toml file is in it", path.display());
    files.iter().map(|file| read_file(file)).collect()
}

fn read_file(path: &Path) -> Result<Scenario> {
    let file = || path.display().to_string();
    let text = regular::text(path, MOST_BYTES).with_context(file)?;
    let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
    Scenario::parse(&name, &text).with_context(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
        about = "One guest."
        seconds = 10
        host = { memory = "4 GiB", swap = { size = "0 GiB", bandwidth = "1 MiB", latency_us = 1 } }
        [[vm]]
        name = "a"
        memory = "1 GiB"
        load = { kind = "steady", needs = { hot = "256 MiB" } }
    "#;

    fn names(wanted: &[&str]) -> Result<Vec<String>> {
        let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        Ok(scenarios(&wanted)?.into_iter().map(|scenario| scenario.name).collect())
    }

    #[test]
    fn files_folders_and_names_are_told_apart() {
        let folder = tempfile::tempdir().expect("there is room");
        for (name, text) in [("b.toml", SMALL), ("a.toml", SMALL), ("notes", "none")] {
            std::fs::write(folder.path().join(name), text).expect("it is written");
        }
        let path = folder.path().to_str().expect("it is text");
        assert_eq!(names(&[path, "idle"]).expect("they are there"), ["a", "b", "idle"]);
        assert_eq!(names(&[&format!("{path}/b.toml")]).expect("it is there"), ["b"]);
        let empty = tempfile::tempdir().expect("there is room");
        assert!(names(&[empty.path().to_str().expect("it is text")]).is_err());
    }

    #[test]
    fn a_mistake_in_a_file_is_told_with_file_line_and_key() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("bad.toml");
        std::fs::write(&path, SMALL.replace("memory = \"1", "memroy = \"1")).expect("written");
        let error = names(&[path.to_str().expect("it is text")]).expect_err("it is bad");
        let text = format!("{error:#}");
        assert!(["bad.toml", "line 7", "memroy"].iter().all(|part| text.contains(part)), "{text}");
        assert!(error.downcast_ref::<Misused>().is_none());
        assert!(names(&["missing.toml"]).is_err());
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = names(&["nonsense"]).expect_err("there is none");
        assert!(error.to_string().contains("idle, night-batch"), "{error}");
        assert!(error.downcast_ref::<Misused>().is_some());
    }

    #[test]
    fn the_list_names_scenarios_and_policies() {
        let text = list(&scenarios(&[]).expect("they are read"), &["nothing", "hypeman"]);
        assert!(text.contains("  idle ") && text.contains("hypeman"), "{text}");
    }
}
