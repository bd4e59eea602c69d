//! The real programs that memtrace's integrations are for: Debian's packages, downloaded and
//! checked by apt, and unpacked into the target directory. Never installed: that would start
//! services.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context as _, Result, bail, ensure};

use super::Missing;
use crate::vm::{Architecture, Suite};
use crate::{interrupt, paths};

/// Programs whose versions the documentation states.
const SUITE: &str = "bookworm";
/// As the x86-64 ABI has it.
const LINKER: &str = "/lib64/ld-linux-x86-64.so.2";
const LIBRARIES: [&str; 2] = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];
/// Has /usr/share be what is its first argument, for the rest alone: Debian's Alertmanager doesn't
/// start without a file that lies there.
const WITH_SHARE: &str = "mount --bind \"$0\" /usr/share && exec \"$@\"";

/// A program that an integration is for, or that checks one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Promtool,
    Prometheus,
    Alertmanager,
    NodeExporter,
    ZabbixAgent,
    ZabbixGet,
    Negate,
}

impl Program {
    pub const ALL: [Self; 7] = [
        Self::Promtool,
        Self::Prometheus,
        Self::Alertmanager,
        Self::NodeExporter,
        Self::ZabbixAgent,
        Self::ZabbixGet,
        Self::Negate,
    ];

    fn package(self) -> &'static str {
        match self {
            Self::Promtool | Self::Prometheus => "prometheus",
            Self::Alertmanager => "prometheus-alertmanager",
            Self::NodeExporter => "prometheus-node-exporter",
            Self::ZabbixAgent => "zabbix-agent",
            // Debian has it beside what asks agents, and this is the smallest of those.
            Self::ZabbixGet => "zabbix-proxy-sqlite3",
            Self::Negate => "monitoring-plugins-common",
        }
    }

    fn place(self) -> &'static str {
        match self {
            Self::Promtool => "usr/bin/promtool",
            Self::Prometheus => "usr/bin/prometheus",
            Self::Alertmanager => "usr/bin/prometheus-alertmanager",
            Self::NodeExporter => "usr/bin/prometheus-node-exporter",
            Self::ZabbixAgent => "usr/sbin/zabbix_agentd",
            Self::ZabbixGet => "usr/bin/zabbix_get",
            Self::Negate => "usr/lib/nagios/plugins/negate",
        }
    }

    /// The program, ready to get its arguments. Its package is fetched unless it is kept.
    ///
    /// # Errors
    /// When it can't be had.
    pub fn command(self) -> Result<Command> {
        let (path, root) = self.find()?;
        if self == Self::Alertmanager {
            let mut command = Command::new("unshare");
            command.args(["--mount", "--propagation", "private", "sh", "-c", WITH_SHARE]);
            command.arg(root.join("usr/share")).arg(path);
            return Ok(command);
        }
        if !lacks_libraries(&path, None)? {
            return Ok(Command::new(path));
        }
        // Not by LD_LIBRARY_PATH, which memtrace would inherit from those that start it.
        let mut command = Command::new(LINKER);
        command.arg("--library-path").arg(folders(&root)).arg(path);
        Ok(command)
    }

    /// Why it can't be had, in one line, if so.
    pub fn obstacle(self) -> Option<String> {
        let why = format!("{:#}", self.command().err()?);
        let first = why.lines().next().unwrap_or_default();
        // What follows is the end of a log, which set-up has shown.
        Some(first.trim_end_matches(" ends with:").to_owned())
    }

    /// Where it is, and the root that its package was unpacked into.
    fn find(self) -> Result<(PathBuf, PathBuf)> {
        let package = self.package();
        let root = paths::target().join("lab/programs").join(package);
        let path = root.join(self.place());
        if !root.exists() {
            once(package, || fetch(package, &root))?;
        }
        ensure!(path.is_file(), "{package} of {SUITE} has no {}", self.place());
        Ok((path, root))
    }
}

/// Fetches all that aren't kept.
///
/// # Errors
/// When the user interrupts.
pub fn ensure(missing: &mut Vec<Missing>) -> Result<()> {
    for program in Program::ALL {
        if let Err(error) = program.find() {
            interrupt::check()?;
            missing.push(Missing {
                what: format!("{} of the package {}", program.place(), program.package()),
                needed_for: "the trials of integrations",
                command: format!("apt-get download {}", program.package()),
                why: format!("{error:#}"),
            });
        }
    }
    Ok(())
}

/// What could not be had isn't asked for again: without a network each try takes minutes.
static FAILED: Mutex<Vec<(&str, String)>> = Mutex::new(Vec::new());

fn once(package: &'static str, fetch: impl FnOnce() -> Result<()>) -> Result<()> {
    let failed = || FAILED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((_, why)) = failed().iter().find(|(name, _)| *name == package) {
        bail!("{why}");
    }
    let result = fetch().with_context(|| format!("{package} can't be had"));
    if let Err(error) = &result {
        interrupt::check()?;
        failed().push((package, format!("{error:#}")));
    }
    result
}

fn fetch(package: &str, root: &Path) -> Result<()> {
    let suite = Suite::new(SUITE, Architecture::Amd64)?;
    if !suite.names(&format!("^{package}$"))?.iter().any(|name| name == package) {
        suite.update()?;
    }
    let parent = root.parent().context("no folder for programs")?;
    fs::create_dir_all(parent)?;
    let new = tempfile::tempdir_in(parent)?;
    let packages = [package.to_owned()];
    if suite.unpack(&packages, new.path()).is_err() {
        interrupt::check()?;
        // The mirror may have newer ones than the list that is kept.
        suite.update()?;
        suite.unpack(&packages, new.path())?;
    }
    add_libraries(&suite, package, new.path())?;
    // The name appears only once everything is in place.
    fs::rename(new.keep(), root)?;
    Ok(())
}

/// Unpacks the libraries that the package's programs need and that aren't installed here: those
/// that it names, and if need be those that they name.
fn add_libraries(suite: &Suite, package: &str, root: &Path) -> Result<()> {
    let programs: Vec<PathBuf> = Program::ALL
        .into_iter()
        .filter(|program| program.package() == package)
        .map(|program| root.join(program.place()))
        .filter(|path| path.is_file())
        .collect();
    let folders = folders(root);
    for deep in [false, true] {
        let mut lacking = false;
        for program in &programs {
            lacking |= lacks_libraries(program, Some(&folders))?;
        }
        if !lacking {
            return Ok(());
        }
        suite.unpack(&suite.libraries(package, deep)?, root)?;
    }
    Ok(())
}

/// Where libraries are below a root, as the dynamic linker wants it told.
fn folders(root: &Path) -> String {
    LIBRARIES.map(|folder| root.join(folder).display().to_string()).join(":")
}

/// Whether the dynamic linker finds a library of the program neither here nor in `folders`.
fn lacks_libraries(program: &Path, folders: Option<&str>) -> Result<bool> {
    let mut command = Command::new("ldd");
    command.arg(program).env_remove("LD_LIBRARY_PATH");
    if let Some(folders) = folders {
        command.env("LD_LIBRARY_PATH", folders);
    }
    let output = command.output().context("run ldd")?;
    Ok(lacking(&String::from_utf8_lossy(&output.stdout)))
}

fn lacking(listing: &str) -> bool {
    listing.lines().any(|line| line.trim_end().ends_with("not found"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_nowhere_is_noticed() {
        assert!(lacking("\tlibc.so.6 => /lib/libc.so.6 (0x7)\n\tlibmodbus.so.5 => not found\n"));
        assert!(!lacking("\tlibc.so.6 => /lib/libc.so.6 (0x7)\n"));
        assert!(!lacking("\tnot a dynamic executable\n"));
    }

    #[test]
    fn a_failed_step_is_not_retried() {
        let refuse = || bail!("no network");
        let first = once("nothing-of-that-name", refuse).unwrap_err();
        let again = once("nothing-of-that-name", || unreachable!()).unwrap_err();
        assert_eq!(format!("{first:#}"), "nothing-of-that-name can't be had: no network");
        assert_eq!(format!("{again:#}"), format!("{first:#}"));
    }
}
