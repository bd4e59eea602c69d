//! What is in a package, against the list that is kept: a file appears, goes or changes its
//! permissions on purpose only.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use memtrace_lab::paths;

use super::output;
use crate::{Format, VERSION};

const GOLDEN: &str = "packaging/golden";
/// Of each file of an RPM package: permissions, owner, whether it is configuration, its name.
const QUERY: &str =
    "[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILEFLAGS:fflags} %{FILENAMES}\\n]";

/// Compares, or keeps the new list.
///
/// # Errors
/// When they differ, or a tool fails.
pub fn check(format: Format, package: &Path, write: bool) -> Result<()> {
    let path = paths::workspace().join(GOLDEN).join(format!("{format}.txt"));
    let found = match format {
        Format::Deb => listing(&output(Command::new("dpkg-deb").arg("--contents").arg(package))?),
        Format::Tar => listing(&output(
            Command::new("tar").args(["--list", "--verbose", "--file"]).arg(package),
        )?),
        Format::Rpm => output(Command::new("rpm").args(["-qp", "--qf", QUERY]).arg(package))?,
    };
    let found = found.replace(VERSION, "VERSION");
    if write {
        return fs::write(&path, found).with_context(|| format!("write {}", path.display()));
    }
    let kept = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let difference = difference(&kept, &found);
    if !difference.is_empty() {
        bail!("not what {GOLDEN} has; `--check --write` keeps the new list:\n{difference}");
    }
    Ok(())
}

/// Permissions, owner and name from tar's lines, without sizes and times.
fn listing(text: &str) -> String {
    let fields = |line: &str| -> Option<String> {
        let mut words = line.split_whitespace();
        let (permissions, owner) = (words.next()?, words.next()?);
        let name: Vec<&str> = words.skip(3).collect();
        Some(format!("{permissions} {owner} {}\n", name.join(" ")))
    };
    text.lines().filter_map(fields).collect()
}

/// Lines that only one of them has.
fn difference(kept: &str, found: &str) -> String {
    let mut text = String::new();
    for line in kept.lines().filter(|line| !found.lines().any(|other| other == *line)) {
        // A string takes everything.
        let _ = writeln!(text, "- {line}");
    }
    for line in found.lines().filter(|line| !kept.lines().any(|other| other == *line)) {
        let _ = writeln!(text, "+ {line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_left_out() {
        let text = "-rwxr-xr-x root/root  14900000 2026-11-30 12:00 ./usr/bin/memtrace\n\
                    lrwxrwxrwx root/root  0 2026-11-30 12:00 ./a -> b\n";
        let listed = "-rwxr-xr-x root/root ./usr/bin/memtrace\nlrwxrwxrwx root/root ./a -> b\n";
        assert_eq!(listing(text), listed);
    }

    #[test]
    fn what_only_one_has_is_told() {
        assert_eq!(difference("a\nb\n", "b\nc\n"), "- a\n+ c\n");
        assert_eq!(difference("a\n", "a\n"), "");
    }
}
