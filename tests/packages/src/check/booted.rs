//! Packages on a booted system: Debian with its own kernel and systemd, in a VM, with the package
//! installed and memtrace as a service.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use memtrace_lab::setup::chroots::{self, Release};
use memtrace_lab::{paths, progress, vm};

use super::Tally;
use super::chroot::result;

/// What is done in each.
pub const SCRIPT: &str = "tests/packages/src/check/booted.sh";
/// Makes its disk.
pub const IMAGE: &str = "tests/packages/src/check/image.sh";

const MAKE: Duration = Duration::from_secs(10 * 60);
/// Booting takes a minute on an emulated machine.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// What the script says last.
const END: &str = "end";

/// Tries the package on each release that has systemd here, with the kernel that it came with.
///
/// # Errors
/// When the user interrupts.
pub fn all(deb: &Path, tally: &mut Tally) -> Result<()> {
    if let Err(why) = vm::find_qemu() {
        tally.skip(format!("{why:#}"));
        return Ok(());
    }
    for release in chroots::ALL {
        let Some(kernel) = release.kernel else { continue };
        if !release.root().is_dir() {
            tally.skip(format!("no system of Debian {} could be made", release.number));
            continue;
        }
        if let Err(why) = vm::fetch(kernel) {
            tally.skip(format!("{why:#}"));
            continue;
        }
        let whole = one(release, kernel, deb, tally);
        tally.note(&format!("Debian {}, booted: to the end", release.number), whole)?;
    }
    Ok(())
}

/// An emulated machine dies at times as it boots (QEMU 7.2, as the kernel patches itself on two
/// CPUs), which is tried again, and told. What a system says to its end counts the first time.
fn one(release: Release, kernel: &str, deb: &Path, tally: &mut Tally) -> Result<()> {
    let folder = tempfile::tempdir_in(deb.parent().context("a package without a folder")?)?;
    let mut attempt = 1;
    let (said, end) = loop {
        let image = image(release, deb, &folder.path().join(attempt.to_string()))?;
        let (said, end) = boot(release, kernel, &image)?;
        match &end {
            Err(why) if attempt < vm::ATTEMPTS => {
                progress::say(&format!("once more, because {why:#}"))
            }
            _ => break (said, end),
        }
        attempt += 1;
    };
    for Said { name, good, text } in said {
        let why = || anyhow!("{text}");
        let name = format!("Debian {}, booted: {name}", release.number);
        tally.note(&name, if good { Ok(()) } else { Err(why()) })?;
    }
    end
}

/// The result of a step, and what it printed.
struct Said {
    name: String,
    good: bool,
    text: String,
}

/// Boots it once: what it says, and whether that is all.
fn boot(release: Release, kernel: &str, image: &Path) -> Result<(Vec<Said>, Result<()>)> {
    progress::say(&format!("booting Debian {} with kernel {kernel}", release.number));
    let (mut host, _files) = vm::boot_system(kernel, image, LIMIT)?;
    let (mut said, mut last) = (Vec::new(), Vec::new());
    while let Some(line) = host.next_line()? {
        if line == END {
            return Ok((said, Ok(())));
        }
        let Some((name, good)) = result(&line) else {
            last.push(line);
            continue;
        };
        progress::say(&format!("Debian {}, booted: {name}", release.number));
        said.push(Said { name, good, text: std::mem::take(&mut last).join("\n") });
    }
    let why = anyhow!("it ended early\n{}\n{}", last.join("\n"), host.tail("console"));
    Ok((said, Err(why)))
}

/// The system's disk.
fn image(release: Release, deb: &Path, folder: &Path) -> Result<PathBuf> {
    let (work, guest, image) = (folder.join("work"), folder.join("guest"), folder.join("image"));
    std::fs::create_dir_all(&work)?;
    vm::portable_qemu(&guest)?;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "sh"]);
    command.arg(paths::workspace().join(IMAGE)).arg(release.root()).arg(work).arg(deb);
    command.arg(paths::workspace().join(SCRIPT)).arg(guest).arg(&image);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::null());
    let what = format!("making a disk with Debian {}", release.number);
    progress::run(&what, &mut command, MAKE)?;
    Ok(image)
}
