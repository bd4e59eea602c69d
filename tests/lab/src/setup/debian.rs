//! Debian packages: asked for with dpkg-query, fetched with apt-get when root.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::{Missing, Scope};
use crate::{interrupt, progress};

const LIMIT: Duration = Duration::from_secs(15 * 60);

/// What building wants: libvirt's headers are for memtrace's helper `memtrace-libvirt`.
const BUILD: &[&str] = &["build-essential", "libvirt-dev", "pkg-config"];

/// What the lab wants: qemu, libvirt's daemon with its driver, and tools for a swap file
/// (util-linux), packed modules (xz-utils, zstd) and a terminal to test in (tmux).
const LAB: &[&str] = &[
    "dbus",
    "libvirt-clients",
    "libvirt-daemon-driver-qemu",
    "libvirt-daemon-system",
    "qemu-system-x86",
    "tmux",
    "util-linux",
    "xz-utils",
    "zstd",
];

/// What a host of its own wants: a linker, qemu, and tools that go into it or unpack for it.
const NESTED: &[&str] =
    &["binutils", "build-essential", "qemu-system-x86", "util-linux", "xz-utils", "zstd"];

/// What one with an arm64 processor wants beside that: its qemu, and what links for it.
const ARM64: &[&str] = &["python3-venv", "qemu-system-arm"];

/// What memtrace is compared with, and its cost measured by.
const BENCH: &[&str] = &["bpftrace", "util-linux"];

/// What makes packages, and what checks them: their contents, pages and completions.
const PACKAGE: &[&str] = &[
    "binutils",
    "build-essential",
    "fish",
    "groff",
    "lintian",
    "mmdebstrap",
    "python3-venv",
    "rpm",
    "rpmlint",
    "shellcheck",
    "systemd",
    "util-linux",
    "xz-utils",
    "zsh",
];

/// What `scope` wants.
fn wanted(scope: Scope) -> Vec<&'static str> {
    match scope {
        Scope::Nested => NESTED.to_vec(),
        Scope::Arm64 => [NESTED, ARM64].concat(),
        Scope::Programs => BUILD.to_vec(),
        Scope::Bench => [BUILD, BENCH].concat(),
        Scope::Package => PACKAGE.to_vec(),
        Scope::Lab => [BUILD, LAB].concat(),
        Scope::Everything => [BUILD, LAB, PACKAGE].concat(),
    }
}

/// Installs the packages that `scope` needs and that aren't installed.
///
/// # Errors
/// When the user interrupts.
pub fn ensure(scope: Scope, missing: &mut Vec<Missing>) -> Result<()> {
    let wanted = wanted(scope);
    let Some(listing) = installed() else {
        missing.push(Missing {
            what: format!("the equivalents of the Debian packages {}", wanted.join(" ")),
            needed_for: "building, packages and the lab",
            command: "install them with this system's own package tool".to_owned(),
            why: "this is no Debian (no dpkg-query)".to_owned(),
        });
        return Ok(());
    };
    let absent = absent(&wanted, &listing);
    if absent.is_empty() {
        return Ok(());
    }
    if let Err(error) = install(&absent) {
        interrupt::check()?;
        missing.push(Missing {
            what: format!("Debian packages {}", absent.join(" ")),
            needed_for: "building, packages and the lab",
            command: format!("apt-get update && apt-get install {}", absent.join(" ")),
            why: format!("{error:#}"),
        });
    }
    Ok(())
}

/// dpkg's list of packages with their states; `None` when there is no dpkg.
fn installed() -> Option<String> {
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${Package} ${db:Status-Status}\n"])
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Those of `wanted` that the listing (`name state` lines) doesn't show as installed.
fn absent<'a>(wanted: &[&'a str], listing: &str) -> Vec<&'a str> {
    let present: BTreeSet<&str> =
        listing.lines().filter_map(|line| line.strip_suffix(" installed")).collect();
    wanted.iter().copied().filter(|name| !present.contains(name)).collect()
}

fn install(packages: &[&str]) -> Result<()> {
    anyhow::ensure!(rustix::process::geteuid().is_root(), "only root may install packages");
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-y"]);
        // Another apt may hold the lock for a while, as on a machine that just booted.
        command.args(["-o", "DPkg::Lock::Timeout=120"]);
        command
    };
    progress::run("fetching Debian's package lists", apt().arg("update"), LIMIT)?;
    let what = format!("installing Debian packages {}", packages.join(" "));
    progress::run(&what, apt().args(["install", "--no-install-recommends"]).args(packages), LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_package_with_its_configuration_left_counts_as_absent() {
        let listing = "dbus installed\ntmux config-files\n";
        assert_eq!(absent(&["dbus", "tmux", "zstd"], listing), ["tmux", "zstd"]);
    }

    #[test]
    fn nothing_is_absent_when_all_are_installed() {
        assert!(absent(&["dbus"], "a installed\ndbus installed\n").is_empty());
    }
}
