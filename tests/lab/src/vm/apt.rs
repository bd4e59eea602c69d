//! Debian's archive through an apt configuration of our own: lists, cache and state lie in
//! the target directory, and the system's are never touched. Only the mirror is the
//! system's, asked of its apt.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::architecture::Architecture;
use crate::{paths, progress};

const LIMIT: Duration = Duration::from_secs(10 * 60);
/// Debian's keys, as the package debian-archive-keyring leaves them.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Packages that must be those of the running system.
const OF_THE_LINKER: [&str; 3] = ["libc6", "libcrypt1", "libgcc-s1"];

/// One suite (`bookworm`, `sid`, ...) of the archive.
pub struct Suite {
    name: String,
    folder: PathBuf,
}

impl Suite {
    /// Sets the configuration up; nothing is fetched yet.
    ///
    /// # Errors
    /// When the system's apt knows no mirror of Debian, or the disk fails.
    pub fn new(name: &str, architecture: Architecture) -> Result<Self> {
        let folder = match architecture {
            Architecture::Amd64 => name.to_owned(),
            Architecture::Arm64 => format!("{name}-{}", architecture.debian()),
        };
        let folder = paths::target().join("lab/apt").join(folder);
        for part in ["lists/partial", "cache/archives/partial", "state"] {
            fs::create_dir_all(folder.join(part))?;
        }
        fs::write(folder.join("state/status"), "")?;
        let key = Path::new(KEYRING);
        fs::write(folder.join("sources.list"), source(&mirror()?, name, key.is_file()))?;
        fs::write(folder.join("apt.conf"), configuration(&folder, architecture))?;
        Ok(Self { name: name.to_owned(), folder })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fetches the list of packages, which apt checks by signature.
    ///
    /// # Errors
    /// When it can't be had.
    pub fn update(&self) -> Result<()> {
        let mut command = self.apt("apt-get");
        // Without this an unreachable mirror is no error but a warning.
        command.args(["-q", "update", "--error-on=any"]);
        progress::run(&format!("fetching the package list of {}", self.name), &mut command, LIMIT)
    }

    /// Names of packages that match an (extended) regular expression.
    ///
    /// # Errors
    /// When apt-cache can't run.
    pub fn names(&self, pattern: &str) -> Result<Vec<String>> {
        let output = self.apt("apt-cache").args(["search", "--names-only", pattern]).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
    }

    /// Packages of libraries that packages depend on; `deep`: and those that these depend on.
    ///
    /// # Errors
    /// When apt-cache can't run.
    pub fn libraries(&self, packages: &[String], deep: bool) -> Result<Vec<String>> {
        let mut command = self.apt("apt-cache");
        command.args(["depends", "--important"]);
        if deep {
            command.arg("--recurse");
        }
        let output = command.args(packages).output()?;
        Ok(libraries(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Downloads packages, which apt checks by hash, and unpacks them below `root`.
    ///
    /// # Errors
    /// When one can't be had.
    pub fn unpack(&self, packages: &[String], root: &Path) -> Result<()> {
        let parts = tempfile::tempdir_in(&self.folder)?;
        let mut command = self.apt("apt-get");
        command.current_dir(parts.path()).args(["-q", "download"]).args(packages);
        progress::run(&format!("downloading {}", packages.join(" ")), &mut command, LIMIT)?;
        fs::create_dir_all(root)?;
        let mut count = 0;
        for entry in fs::read_dir(parts.path())? {
            let mut command = Command::new("dpkg");
            command.arg("--extract").arg(entry?.path()).arg(root);
            progress::run("unpacking it", &mut command, LIMIT)?;
            count += 1;
        }
        ensure!(count == packages.len(), "apt-get left {count} packages of {}", packages.len());
        Ok(())
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.folder.join("apt.conf"));
        command
    }
}

/// The line of a source of packages, as the system's apt has it: its mirror of Debian, and keys.
///
/// # Errors
/// When the system's apt knows no mirror of Debian.
pub(crate) fn source_of(suite: &str) -> Result<String> {
    Ok(source(&mirror()?, suite, Path::new(KEYRING).is_file()).trim_end().to_owned())
}

/// The mirror that the system's apt uses for Debian proper.
fn mirror() -> Result<String> {
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)"])
        .output()
        .context("run apt-get")?;
    choose_mirror(&String::from_utf8_lossy(&output.stdout))
        .context("this system's apt has no source of Debian's archive")
}

/// The first repository that calls itself Debian. Before the first update apt knows no
/// origins; then it is the first whose address ends as the archive's does.
fn choose_mirror(text: &str) -> Option<String> {
    let targets = || text.lines().map(|line| line.splitn(3, '|').collect::<Vec<_>>());
    let named = targets().find_map(|fields| match fields.as_slice() {
        ["Debian", "Debian", uri] => Some((*uri).to_owned()),
        _ => None,
    });
    named.or_else(|| {
        targets().find_map(|fields| match fields.as_slice() {
            [_, _, uri] if uri.trim_end_matches('/').ends_with("/debian") => {
                Some((*uri).to_owned())
            }
            _ => None,
        })
    })
}

/// The libraries in `apt-cache depends`' answer. Those of the C library are the system's: they go
/// with its dynamic linker.
fn libraries(text: &str) -> Vec<String> {
    let named = text.lines().filter_map(|line| line.trim().split_once("Depends: "));
    let names: BTreeSet<&str> = named.map(|(_, name)| name.trim()).collect();
    let is_library = |name: &&str| {
        (name.starts_with("lib") || name.starts_with("zlib")) && !OF_THE_LINKER.contains(name)
    };
    names.into_iter().filter(is_library).map(str::to_owned).collect()
}

fn source(mirror: &str, suite: &str, keyring: bool) -> String {
    let options = if keyring { format!(" [signed-by={KEYRING}]") } else { String::new() };
    format!("deb{options} {mirror} {suite} main\n")
}

fn configuration(folder: &Path, architecture: Architecture) -> String {
    let at = |part: &str| folder.join(part).display().to_string();
    let architecture = architecture.debian();
    format!(
        "APT::Architecture \"{architecture}\";\nAPT::Architectures {{ \"{architecture}\"; }};\n\
         Dir::Etc::sourcelist \"{}\";\nDir::Etc::sourceparts \"-\";\n\
         Dir::State \"{}\";\nDir::State::status \"{}\";\nDir::State::lists \"{}\";\n\
         Dir::Cache \"{}\";\n\
         // The sandbox user may not write into our folder.\nAPT::Sandbox::User \"root\";\n\
         // The suites of the past are valid for ever.\nAcquire::Check-Valid-Until \"false\";\n\
         Acquire::Languages \"none\";\nAcquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n",
        at("sources.list"),
        at("state"),
        at("state/status"),
        at("lists"),
        at("cache"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_one_that_calls_itself_debian() {
        let text = "Other|Other|http://a.example/apt/\n\
                    Debian|Debian-Security|http://b.example/debian-security/\n\
                    Debian|Debian|http://b.example/mirror/\n";
        assert_eq!(choose_mirror(text).as_deref(), Some("http://b.example/mirror/"));
    }

    #[test]
    fn before_the_first_update_the_mirror_is_found_by_its_address() {
        let text = "||http://a.example/debian-security/\n||http://a.example/debian/\n";
        assert_eq!(choose_mirror(text).as_deref(), Some("http://a.example/debian/"));
        assert_eq!(choose_mirror("||http://a.example/apt/\n"), None);
    }

    #[test]
    fn a_source_names_its_keys_where_they_are_known() {
        assert_eq!(source("http://m/", "sid", false), "deb http://m/ sid main\n");
        assert!(source("http://m/", "sid", true).starts_with("deb [signed-by="));
    }

    #[test]
    fn libraries_are_distinguished_from_other_dependencies() {
        let text = "zabbix-agent\n  PreDepends: init-system-helpers\n  Depends: libc6\n  \
                    Depends: libmodbus5\n  Depends: ucf\n  Depends: zlib1g\nlibmodbus5\n  \
                    Depends: libc6\n |Depends: libmodbus5\n  Depends: <virtual>\n";
        assert_eq!(libraries(text), ["libmodbus5", "zlib1g"]);
    }

    #[test]
    fn nothing_of_the_systems_apt_is_written_to() {
        let text = configuration(Path::new("/x"), Architecture::Arm64);
        for part in ["sourcelist", "sourceparts", "Dir::State::lists", "Dir::Cache", "status"] {
            assert!(text.contains(part), "{part}");
        }
        assert!(text.contains("APT::Architecture \"arm64\";"), "{text}");
        assert!(!text.contains("/var") && !text.contains("/etc"));
    }
}
