//! The configuration: what `memtrace.toml` and the files beside it say. A file that has a
//! mistake has no effect at all; all mistakes are told, with file, line, column and key.

mod alert;
mod files;
mod hook;
mod policy;
mod problem;
mod reader;
mod schema;
#[cfg(test)]
mod tests;
mod value;
mod vm;

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

pub use self::alert::AlertConfig;
pub use self::problem::{Place, Problem};

use crate::sys::address::Address;
use memtrace_core::policy::rules::Rules;
use memtrace_core::reactor::Mode;
use memtrace_core::units::Nanos;
use memtrace_store::journal;
use memtrace_store::recording;

/// Where it is, unless the operator says otherwise.
pub const FILE: &str = "/etc/memtrace/memtrace.toml";

/// What `memtrace mitigate` does, as far as it was said.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub mode: Mode,
    /// Between two samples.
    pub interval: Nanos,
    /// Ask libvirt about the VMs that it owns.
    pub libvirt: bool,
    /// At the end of a run, give back what memtrace took.
    pub give_back: bool,
    /// The cgroup that holds the VMs. `None`: the host.
    pub scope: Option<String>,
    /// Where scrapers are told what is seen. `None`: nowhere.
    pub listen: Option<Address>,
    pub journal: JournalConfig,
    pub record: RecordConfig,
    pub alert: AlertConfig,
    /// A program and its arguments, which is told what memtrace can't win back.
    pub hook: Vec<String>,
    /// What the policy goes by, with what is said of single VMs.
    pub rules: Rules,
}

/// Where the journal is, and how much of it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    pub directory: PathBuf,
    pub limits: journal::Limits,
}

/// Whether what is read and decided is recorded, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordConfig {
    pub used: bool,
    pub directory: PathBuf,
    pub limits: recording::Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::Observe,
            interval: Nanos::SECOND,
            libvirt: true,
            give_back: false,
            scope: None,
            listen: None,
            journal: JournalConfig::default(),
            record: RecordConfig::default(),
            alert: AlertConfig::default(),
            hook: Vec::new(),
            rules: Rules::default(),
        }
    }
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self { directory: journal::DIRECTORY.into(), limits: journal::Limits::default() }
    }
}

impl Default for RecordConfig {
    fn default() -> Self {
        let limits = recording::Limits::default();
        Self { used: false, directory: recording::DIRECTORY.into(), limits }
    }
}

/// A configuration that was read, and from where.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    pub config: Config,
    pub files: Vec<PathBuf>,
}

/// What the configuration in `file` says, or the usual one; the defaults where there is none.
///
/// # Errors
/// Everything that is wrong, with its place.
pub fn chosen(file: Option<&Path>) -> Result<Config> {
    let path = file.unwrap_or(Path::new(FILE));
    let loaded = Config::load(path, file.is_some()).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow!("the configuration can't be used:\n{}", problems.join("\n"))
    })?;
    Ok(loaded.config)
}

impl Config {
    /// Of a text alone, as if it were in `file`.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn of_text(file: &Path, text: &str) -> Result<Self, Vec<Problem>> {
        let mut config = Self::default();
        let problems = schema::apply(&mut config, file, text);
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// Reads `file` and what is beside it. `must`: the file has to be there, because it was
    /// asked for; else the defaults stand for a missing one.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn load(file: &Path, must: bool) -> Result<Loaded, Vec<Problem>> {
        let mut problems = Vec::new();
        let texts = files::read(file, must, &mut problems);
        let mut config = Self::default();
        for text in &texts {
            problems.extend(schema::apply(&mut config, &text.file, &text.text));
        }
        if problems.is_empty() {
            let files = texts.into_iter().map(|text| text.file).collect();
            Ok(Loaded { config, files })
        } else {
            Err(problems)
        }
    }
}
