//! Packages on the systems that they are for: installed, upgraded, removed and purged in chroots of
//! Debian. Each has a layer in memory over the system as it was made, in a mount namespace of its
//! own: what is mounted goes with the last process, however it ends.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, ensure};
use memtrace_lab::setup::chroots::{self, Release};
use memtrace_lab::{child, paths};

use super::{Tally, quiet};

/// What is done in each.
pub const SCRIPT: &str = "tests/packages/src/check/try.sh";
/// Makes the layer, and runs the script there, which gets the packages' names.
const ENTER: &str = "\
    set -e; \
    mount -t tmpfs -o size=512m tmpfs \"$1\"; \
    mkdir \"$1/upper\" \"$1/work\" \"$1/root\"; \
    mount -t overlay -o \"lowerdir=$0,upperdir=$1/upper,workdir=$1/work\" overlay \"$1/root\"; \
    mount -t proc proc \"$1/root/proc\"; \
    mkdir \"$1/root/packages\"; \
    cp \"$2\" \"$1/root/packages/try.sh\"; \
    cp \"$3\" \"$1/root/packages/old.deb\"; \
    cp \"$4\" \"$1/root/packages/new.deb\"; \
    exec chroot \"$1/root\" timeout 240 sh /packages/try.sh";

/// Tries the package on each release.
///
/// # Errors
/// When the user interrupts.
pub fn all(deb: &Path, tally: &mut Tally) -> Result<()> {
    let folder = tempfile::tempdir_in(deb.parent().context("a package without a folder")?)?;
    let old = match older(deb, folder.path()) {
        Ok(old) => old,
        Err(why) => return tally.note("an older package", Err(why)),
    };
    for release in chroots::ALL {
        if !release.root().is_dir() {
            tally.skip(format!("no system of Debian {} could be made", release.number));
            continue;
        }
        one(release, &old, deb, folder.path(), tally)?;
    }
    Ok(())
}

/// A package of an older version, whose configuration isn't the new one's.
fn older(deb: &Path, folder: &Path) -> Result<PathBuf> {
    const CHANGE: &str = "\
        set -e; dpkg-deb --raw-extract \"$0\" \"$1\"; \
        sed -i 's/^Version: .*/Version: 0.0.1-1/' \"$1/DEBIAN/control\"; \
        echo '# An older default.' >> \"$1/etc/memtrace/memtrace.toml\"; \
        dpkg-deb --root-owner-group -Znone --build \"$1\" \"$2\"";
    let path = folder.join("old.deb");
    let mut command = Command::new("sh");
    quiet(command.args(["-c", CHANGE]).arg(deb).arg(folder.join("old")).arg(&path))?;
    Ok(path)
}

fn one(release: Release, old: &Path, new: &Path, folder: &Path, tally: &mut Tally) -> Result<()> {
    let work = tempfile::tempdir_in(folder)?;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER]);
    command.arg(release.root()).arg(work.path());
    command.arg(paths::workspace().join(SCRIPT)).arg(old).arg(new);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
    command.stdin(std::process::Stdio::null());
    let mut results = Vec::new();
    let mut last = Vec::new();
    let status = child::lines(&mut command, |line| match result(line) {
        Some(result) => results.push((result, std::mem::take(&mut last))),
        None => last.push(line.to_owned()),
    })?;
    for ((name, good), said) in &results {
        let name = format!("Debian {}: {name}", release.number);
        let why = || anyhow!("{}", said.join("\n"));
        tally.note(&name, if *good { Ok(()) } else { Err(why()) })?;
    }
    let whole = || -> Result<()> {
        ensure!(status.success(), "{status}\n{}", last.join("\n"));
        ensure!(!results.is_empty(), "nothing was tried");
        Ok(())
    };
    tally.note(&format!("Debian {}: to the end", release.number), whole())
}

/// `ok NAME` or `not ok NAME`.
pub(super) fn result(line: &str) -> Option<(String, bool)> {
    let good = line.strip_prefix("ok ").map(|name| (name.to_owned(), true));
    good.or_else(|| line.strip_prefix("not ok ").map(|name| (name.to_owned(), false)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_told_from_what_else_is_printed() {
        assert_eq!(result("ok purge"), Some(("purge".to_owned(), true)));
        assert_eq!(result("not ok purge"), Some(("purge".to_owned(), false)));
        assert_eq!(result("okay"), None);
    }
}
