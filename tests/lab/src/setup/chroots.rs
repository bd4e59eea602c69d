//! Small Debian systems, one a release, that packages are tried in. mmdebstrap makes them in the
//! target directory; they stay as made, as what runs in one writes to a layer of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::Missing;
use crate::vm::source_of;
use crate::{interrupt, paths, progress};

const LIMIT: Duration = Duration::from_secs(10 * 60);

/// A release, and what its system has beside apt: Debian 11's has no systemd, as in containers, and
/// so isn't booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    pub suite: &'static str,
    pub number: u8,
    /// The series of its kernel, where it has systemd.
    pub kernel: Option<&'static str>,
}

pub const ALL: [Release; 3] = [
    Release { suite: "bullseye", number: 11, kernel: None },
    Release { suite: "bookworm", number: 12, kernel: Some("6.1") },
    Release { suite: "trixie", number: 13, kernel: Some("6.12") },
];

impl Release {
    /// Its root. There may be none yet.
    pub fn root(self) -> PathBuf {
        paths::target().join("lab/systems").join(self.suite)
    }
}

/// Makes those that aren't there.
///
/// # Errors
/// When the user interrupts.
pub fn ensure(missing: &mut Vec<Missing>) -> Result<()> {
    for release in ALL.into_iter().filter(|release| !release.root().exists()) {
        if let Err(error) = make(release) {
            interrupt::check()?;
            missing.push(Missing {
                what: format!("a system of Debian {}", release.number),
                needed_for: "trying packages",
                command: format!("mmdebstrap --variant=apt {}", release.suite),
                why: format!("{error:#}"),
            });
        }
    }
    Ok(())
}

fn make(release: Release) -> Result<()> {
    ensure!(rustix::process::geteuid().is_root(), "only root may make one");
    let root = release.root();
    let parent = root.parent().context("no folder for chroots")?;
    fs::create_dir_all(parent)?;
    let new = tempfile::tempdir_in(parent)?;
    let tree = new.path().join("root");
    // Its mounts end with it, also where it is killed.
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "mmdebstrap"]);
    command.args(["--mode=root", "--variant=apt", "--format=directory", "--quiet"]);
    // What each real one has.
    command.arg(if release.kernel.is_some() {
        "--include=passwd,procps,systemd,dbus"
    } else {
        "--include=passwd"
    });
    command.arg(release.suite).arg(&tree).arg(source_of(release.suite)?);
    let what = format!("making a system of Debian {}", release.number);
    progress::run(&what, &mut command, LIMIT)?;
    // The name appears only once everything is in place.
    fs::rename(&tree, &root)?;
    Ok(())
}
