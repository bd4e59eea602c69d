//! The systemd units: what `systemd-analyze security` says of their exposure, and whether the man
//! pages that they refer to are installed. Whether systemd takes them is asked in the chroots.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::{Tally, name, output};

const FOLDER: &str = "usr/lib/systemd/system";
/// Most exposure of a unit, unless it says why it is more, in tenths.
const LIMIT: u32 = 25;
/// How a unit says so: `# `systemd-analyze security` may say up to 3.2 of this unit.`
const ALLOWED: &str = "`systemd-analyze security` may say up to ";

/// Checks each.
///
/// # Errors
/// When there is none, or the user interrupts.
pub fn all(root: &Path, tally: &mut Tally) -> Result<()> {
    let folder = root.join(FOLDER);
    let mut units: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(|| format!("read {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    units.sort();
    ensure!(!units.is_empty(), "there is no unit");
    for unit in units {
        let text = fs::read_to_string(&unit)?;
        tally.note(&format!("pages of {}", name(&unit)), documented(&text, root))?;
        if unit.extension().is_some_and(|kind| kind == "service") {
            tally.note(&format!("exposure of {}", name(&unit)), exposed(&unit, &text))?;
        }
    }
    Ok(())
}

fn exposed(unit: &Path, text: &str) -> Result<()> {
    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--no-pager", "--offline=true", "--threshold=100"]).arg(unit);
    let said = output(&mut command)?;
    let exposure = exposure(&said).with_context(|| format!("it tells no exposure:\n{said}"))?;
    println!("{}: exposure {}.{}", name(unit), exposure / 10, exposure % 10);
    let allowed = allowed(text);
    let counted = said.lines().filter(|line| line.starts_with('✗')).collect::<Vec<_>>();
    ensure!(exposure <= allowed, "{exposure} tenths, not {allowed}:\n{}", counted.join("\n"));
    // One that is lower than what a unit excuses leaves an excuse for nothing.
    ensure!(allowed == LIMIT || exposure == allowed, "only {exposure} tenths: say so in the unit");
    Ok(())
}

/// From the last line: `→ Overall exposure level for memtrace.service: 3.2 OK :-)`.
fn exposure(said: &str) -> Option<u32> {
    let line = said.lines().rev().find(|line| line.contains("Overall exposure level"))?;
    tenths(line.rsplit_once(": ")?.1)
}

/// The most that a unit may have.
fn allowed(text: &str) -> u32 {
    text.split_once(ALLOWED).and_then(|(_, rest)| tenths(rest)).unwrap_or(LIMIT)
}

fn tenths(text: &str) -> Option<u32> {
    let (whole, rest) = text.split_once('.')?;
    let tenth = rest.chars().next()?.to_digit(10)?;
    whole.parse::<u32>().ok()?.checked_mul(10)?.checked_add(tenth)
}

/// `Documentation=man:memtrace-record(8)` is a page below the root.
fn documented(text: &str, root: &Path) -> Result<()> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("Documentation="));
    let pages: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    ensure!(!pages.is_empty(), "it refers to no page");
    for page in pages {
        let parts =
            page.strip_prefix("man:").and_then(|page| page.trim_end_matches(')').split_once('('));
        let (name, section) = parts.with_context(|| format!("{page} is no man page"))?;
        let path = root.join(format!("usr/share/man/man{section}/{name}.{section}.gz"));
        ensure!(path.is_file(), "{page} isn't installed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exposure_is_that_of_the_last_line() {
        let said =
            "  NAME  DESCRIPTION\n\n→ Overall exposure level for memtrace.service: 3.2 OK 🙂\n";
        assert_eq!(exposure(said), Some(32));
        assert_eq!(exposure("Failed to load\n"), None);
    }

    #[test]
    fn more_is_allowed_where_the_unit_says_so() {
        assert_eq!(allowed("# `systemd-analyze security` may say up to 3.2 of this unit.\n"), 32);
        assert_eq!(allowed("[Unit]\n"), LIMIT);
    }

    #[test]
    fn a_page_has_to_be_there() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("usr/share/man/man8");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a.8.gz"), "").unwrap();
        assert!(documented("Documentation=man:a(8)\n", root.path()).is_ok());
        for wrong in ["", "Documentation=man:b(8)\n", "Documentation=man:a(8) https://a\n"] {
            assert!(documented(wrong, root.path()).is_err(), "{wrong}");
        }
    }
}
