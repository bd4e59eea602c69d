//! The kernels of the matrix: where Debian has them, fetched once and kept unpacked.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};

use super::apt::Suite;
use super::architecture::Architecture;
use crate::setup::kernel::{self, Kernel};
use crate::{interrupt, paths};

/// What `--all` runs.
pub const MATRIX: &[&str] = &["5.10", "6.1", "6.12", "6.18", "7.2", NEWEST];
/// Stands for whatever is the newest on offer.
pub const NEWEST: &str = "newest";
/// Kernels of arm64 hosts, of two sizes of pages.
pub const ARM64: &[&str] = &["6.1", "6.12-16k", "7.3"];
/// What follows a release for the kernel with pages of this size, where Debian has one.
const PAGES: &str = "-16k";

/// The kernel of a series (`6.12`) or release (`6.12.95`), on arm64 also with larger pages
/// (`6.12-16k`); fetched unless it is kept.
///
/// # Errors
/// When Debian has none.
pub fn get(wanted: &str, architecture: Architecture) -> Result<Kernel> {
    let (release, flavour) = split(wanted, architecture);
    check(release)?;
    let folder = match architecture {
        Architecture::Amd64 => wanted.to_owned(),
        Architecture::Arm64 => format!("{}-{wanted}", architecture.debian()),
    };
    let kept = paths::target().join("lab/kernels").join(folder);
    if let Ok(kernel) = kernel::search(&kept) {
        return Ok(kernel);
    }
    let mut problems = Vec::new();
    for suite in suites(release) {
        let suite = Suite::new(suite, architecture)?;
        match fetch(&suite, release, &flavour, &kept) {
            Ok(kernel) => return Ok(kernel),
            Err(error) => {
                interrupt::check()?;
                problems.push(format!("{}: {error:#}", suite.name()));
            }
        }
    }
    bail!("no kernel {wanted}: {}", problems.join("; "))
}

/// A name goes into paths and into a pattern.
fn check(wanted: &str) -> Result<()> {
    let release = wanted.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    ensure!(
        wanted == NEWEST || release && wanted.starts_with(|c: char| c.is_ascii_digit()),
        "{wanted:?} is no kernel; say for example 6.12, or {NEWEST}"
    );
    Ok(())
}

/// The release, and the flavour of its packages: the one for clouds, or that of larger pages.
fn split(wanted: &str, architecture: Architecture) -> (&str, String) {
    match (wanted.strip_suffix(PAGES), architecture) {
        (Some(release), Architecture::Arm64) => {
            (release, format!("{}{PAGES}", architecture.debian()))
        }
        _ => (wanted, format!("cloud-{}", architecture.debian())),
    }
}

fn fetch(suite: &Suite, wanted: &str, flavour: &str, kept: &PathBuf) -> Result<Kernel> {
    let pattern = format!("^linux-(image|binary|modules)-[0-9].*-{flavour}$");
    let mut names = suite.names(&pattern)?;
    if newest(&names, wanted).is_none() {
        suite.update()?;
        names = suite.names(&pattern)?;
    }
    let release = newest(&names, wanted).context("not on offer")?;
    // Up to 6.18 the image holds all; later it is empty and the parts come beside it.
    let packages: Vec<String> = ["image", "binary", "modules"]
        .iter()
        .map(|part| format!("linux-{part}-{release}"))
        .filter(|package| names.contains(package))
        .collect();
    let parent = kept.parent().context("no folder for kernels")?;
    fs::create_dir_all(parent)?;
    let root = tempfile::tempdir_in(parent)?;
    suite.unpack(&packages, root.path())?;
    kernel::search(root.path())?;
    if kept.exists() {
        fs::remove_dir_all(kept)?;
    }
    // The name appears only once everything is in place.
    fs::rename(root.keep(), kept)?;
    kernel::search(kept)
}

/// Suites that had or have the kernel, the likeliest first. A suite that doesn't have it
/// costs no more than its list.
fn suites(wanted: &str) -> &'static [&'static str] {
    let series: Vec<&str> = wanted.split('.').take(2).collect();
    match series.as_slice() {
        ["5", "10"] => &["bullseye"],
        ["6", "1"] => &["bookworm"],
        ["6", "12"] => &["bookworm-backports", "trixie"],
        ["7", "2"] => &["sid", "trixie-backports"],
        _ => &["trixie-backports", "sid", "bookworm-backports"],
    }
}

/// The newest release among package names that is of the wanted series.
fn newest(names: &[String], wanted: &str) -> Option<String> {
    names
        .iter()
        .filter_map(|name| name.strip_prefix("linux-image-"))
        .filter(|release| wanted == NEWEST || is_of(release, wanted))
        .max_by_key(|release| numbers(release))
        .map(str::to_owned)
}

fn is_of(release: &str, wanted: &str) -> bool {
    release.strip_prefix(wanted).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// All numbers in a release, which compare as releases do.
fn numbers(release: &str) -> Vec<u64> {
    release.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(releases: &[&str]) -> Vec<String> {
        releases.iter().map(|release| format!("linux-image-{release}-cloud-amd64")).collect()
    }

    #[test]
    fn the_newest_of_a_series_is_found_by_number_and_not_alphabetically() {
        let names = names(&["6.1.0-9", "6.1.0-47", "6.12.9+deb12", "6.12.57+deb12", "7.3.4+deb13"]);
        let newest = |wanted| newest(&names, wanted);
        assert_eq!(newest("6.1").as_deref(), Some("6.1.0-47-cloud-amd64"));
        assert_eq!(newest("6.12").as_deref(), Some("6.12.57+deb12-cloud-amd64"));
        assert_eq!(newest("6.12.9").as_deref(), Some("6.12.9+deb12-cloud-amd64"));
        assert_eq!(newest(NEWEST).as_deref(), Some("7.3.4+deb13-cloud-amd64"));
        assert_eq!(newest("5.10"), None);
    }

    #[test]
    fn larger_pages_are_a_flavour_of_arm64() {
        let flavour = |wanted| split(wanted, Architecture::Arm64);
        assert_eq!(flavour("6.1"), ("6.1", "cloud-arm64".to_owned()));
        assert_eq!(flavour("6.12-16k"), ("6.12", "arm64-16k".to_owned()));
        let (release, _) = split("6.12-16k", Architecture::Amd64);
        assert!(check(release).is_err());
    }

    #[test]
    fn only_a_release_or_newest_is_a_kernel() {
        for wanted in MATRIX {
            check(wanted).unwrap();
        }
        for wanted in ["", "../x", "6.1|7", ".1", "bookworm"] {
            assert!(check(wanted).is_err(), "{wanted}");
        }
    }
}
