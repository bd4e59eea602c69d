//! The real programs that memtrace's integrations are for: Debian's packages, downloaded and
//! checked by apt, and unpacked into the target directory. Never installed: that would start
//! services.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice;
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
/// Extensions of PHP.
const EXTENSIONS: &str = "usr/lib/php/20220829";
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
    ZabbixServer,
    /// Its pages, of which one is its API.
    ZabbixPages,
    Php,
    Postgres,
    Initdb,
    Psql,
    Negate,
}

impl Program {
    pub const ALL: [Self; 13] = [
        Self::Promtool,
        Self::Prometheus,
        Self::Alertmanager,
        Self::NodeExporter,
        Self::ZabbixAgent,
        Self::ZabbixGet,
        Self::ZabbixServer,
        Self::ZabbixPages,
        Self::Php,
        Self::Postgres,
        Self::Initdb,
        Self::Psql,
        Self::Negate,
    ];

    fn package(self) -> &'static str {
        self.packages()[0]
    }

    /// What is unpacked into one root, which has the name of the first.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Promtool | Self::Prometheus => &["prometheus"],
            Self::Alertmanager => &["prometheus-alertmanager"],
            Self::NodeExporter => &["prometheus-node-exporter"],
            Self::ZabbixAgent => &["zabbix-agent"],
            // Debian has it beside what asks agents, and this is the smallest of those.
            Self::ZabbixGet => &["zabbix-proxy-sqlite3"],
            Self::ZabbixServer => &["zabbix-server-pgsql"],
            Self::ZabbixPages => &["zabbix-frontend-php"],
            Self::Php => &[
                "php8.2-cli",
                "php8.2-bcmath",
                "php8.2-common",
                "php8.2-gd",
                "php8.2-mbstring",
                "php8.2-pgsql",
                "php8.2-xml",
            ],
            Self::Postgres | Self::Initdb | Self::Psql => {
                &["postgresql-15", "postgresql-client-15"]
            }
            Self::Negate => &["monitoring-plugins-common"],
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
            Self::ZabbixServer => "usr/sbin/zabbix_server",
            Self::ZabbixPages => "usr/share/zabbix/api_jsonrpc.php",
            Self::Php => "usr/bin/php8.2",
            Self::Postgres => "usr/lib/postgresql/15/bin/postgres",
            Self::Initdb => "usr/lib/postgresql/15/bin/initdb",
            Self::Psql => "usr/lib/postgresql/15/bin/psql",
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
        if self == Self::Php {
            let mut command = linked(&path, &root, lack_libraries(&objects(self, &root), None)?);
            command.args(["-n", "-d"]).arg(format!("extension_dir={}", extensions(&root)));
            return Ok(command);
        }
        let lacking = lack_libraries(slice::from_ref(&path), None)?;
        if lacking && matches!(self, Self::Postgres | Self::Initdb | Self::Psql) {
            // Initdb starts the other one by its path.
            let mut command = Command::new("env");
            command.arg(format!("LD_LIBRARY_PATH={}", folders(&root))).arg(path);
            return Ok(command);
        }
        Ok(linked(&path, &root, lacking))
    }

    /// The root that its package was unpacked into, which is fetched unless it is kept.
    ///
    /// # Errors
    /// When it can't be had.
    pub fn root(self) -> Result<PathBuf> {
        Ok(self.find()?.1)
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
            once(package, || fetch(self.packages(), &root))?;
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
                command: format!("apt-get download {}", program.packages().join(" ")),
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

fn fetch(packages: &[&str], root: &Path) -> Result<()> {
    let suite = Suite::new(SUITE, Architecture::Amd64)?;
    let pattern = format!("^({})$", packages.join("|").replace('.', "\\."));
    if suite.names(&pattern)?.len() < packages.len() {
        suite.update()?;
    }
    let parent = root.parent().context("no folder for programs")?;
    fs::create_dir_all(parent)?;
    let new = tempfile::tempdir_in(parent)?;
    let packages: Vec<String> = packages.iter().map(|&name| name.to_owned()).collect();
    if suite.unpack(&packages, new.path()).is_err() {
        interrupt::check()?;
        // The mirror may have newer ones than the list that is kept.
        suite.update()?;
        suite.unpack(&packages, new.path())?;
    }
    add_libraries(&suite, &packages, new.path())?;
    // The name appears only once everything is in place, readable for users without privileges.
    let new = new.keep();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
    fs::rename(new, root)?;
    Ok(())
}

/// Unpacks the libraries that the packages' programs need and that aren't installed here: those
/// that they name, and if need be those that they name.
fn add_libraries(suite: &Suite, packages: &[String], root: &Path) -> Result<()> {
    let objects: Vec<PathBuf> = Program::ALL
        .into_iter()
        .filter(|program| packages.iter().any(|package| package == program.package()))
        .flat_map(|program| objects(program, root))
        .collect();
    let folders = folders(root);
    for deep in [false, true] {
        if !lack_libraries(&objects, Some(&folders))? {
            return Ok(());
        }
        suite.unpack(&suite.libraries(packages, deep)?, root)?;
    }
    Ok(())
}

/// The program and what it loads.
fn objects(program: Program, root: &Path) -> Vec<PathBuf> {
    let mut objects = vec![root.join(program.place())];
    if program == Program::Php {
        let loaded = fs::read_dir(root.join(EXTENSIONS)).into_iter().flatten().flatten();
        objects.extend(loaded.map(|entry| entry.path()));
    }
    objects.retain(|path| path.is_file());
    objects
}

fn extensions(root: &Path) -> String {
    root.join(EXTENSIONS).display().to_string()
}

/// Not by LD_LIBRARY_PATH, which memtrace would inherit from those that start it.
fn linked(path: &Path, root: &Path, lacking: bool) -> Command {
    if !lacking {
        return Command::new(path);
    }
    let mut command = Command::new(LINKER);
    command.arg("--library-path").arg(folders(root)).arg(path);
    command
}

/// Where libraries are below a root, as the dynamic linker wants it told.
fn folders(root: &Path) -> String {
    LIBRARIES.map(|folder| root.join(folder).display().to_string()).join(":")
}

/// Whether the dynamic linker finds a library of one of these neither here nor in `folders`.
fn lack_libraries(objects: &[PathBuf], folders: Option<&str>) -> Result<bool> {
    let mut command = Command::new("ldd");
    command.args(objects).env_remove("LD_LIBRARY_PATH");
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
