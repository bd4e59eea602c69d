//! The configuration: `memtrace.toml` and `memtrace.d/*.toml`. An invalid configuration has no
//! effect at all; every error is reported with file, line, column and key.

mod alert;
mod entry;
mod files;
mod hook;
mod origin;
mod policy;
mod problem;
mod reader;
mod schema;
#[cfg(test)]
mod tests;
mod value;
mod vm;

use std::path::{Path, PathBuf};

use anyhow::{Error, Result};

pub use self::alert::AlertConfig;
pub use self::entry::Entry;
pub use self::origin::{DEFAULTS, Setting, settings, vms};
pub use self::problem::{Place, Problem};

use crate::sys::address::{Access, Address};
use crate::sys::exit::Misconfigured;
use memtrace_core::policy::rules::Rules;
use memtrace_core::reactor::Mode;
use memtrace_core::units::Nanos;
use memtrace_store::journal;
use memtrace_store::recording;

/// Default path.
pub const FILE: &str = "/etc/memtrace/memtrace.toml";

/// Default place of the socket for samples. The units make its directory.
pub const SOCKET: &str = "/run/memtrace/samples.sock";

/// The configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub mode: Mode,
    /// Sampling interval.
    pub interval: Nanos,
    /// Connect to libvirt.
    pub libvirt: bool,
    /// Keep hooks attached that fire in each page fault.
    pub always_hooked: bool,
    /// At shutdown, give memory back to VMs.
    pub give_back: bool,
    /// The cgroup that holds the VMs. `None`: the host.
    pub scope: Option<String>,
    pub metrics: MetricsConfig,
    pub samples: SamplesConfig,
    pub journal: JournalConfig,
    pub record: RecordConfig,
    pub alert: AlertConfig,
    /// The hook: a program and its arguments.
    pub hook: Vec<String>,
    /// The policy's rules, with settings of single VMs.
    pub rules: Rules,
}

/// The listener for Prometheus scrapes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsConfig {
    /// `None`: there is none.
    pub listen: Option<Address>,
    /// Of a Unix socket.
    pub access: Access,
}

/// The socket over which other memtraces of this host read samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SamplesConfig {
    /// Whether a memtrace that samples all the time serves them.
    pub serve: bool,
    pub socket: PathBuf,
}

/// Directory and size limits of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    pub directory: PathBuf,
    pub limits: journal::Limits,
}

/// Recording of samples and decisions.
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
            always_hooked: false,
            give_back: false,
            scope: None,
            metrics: MetricsConfig::default(),
            samples: SamplesConfig::default(),
            journal: JournalConfig::default(),
            record: RecordConfig::default(),
            alert: AlertConfig::default(),
            hook: Vec::new(),
            rules: Rules::default(),
        }
    }
}

impl Default for SamplesConfig {
    fn default() -> Self {
        Self { serve: true, socket: SOCKET.into() }
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

/// A configuration and its files.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    pub config: Config,
    pub files: Vec<PathBuf>,
    /// What they set.
    pub entries: Vec<Entry>,
}

/// The configuration of `file`, or of the default path; the defaults if there is none.
///
/// # Errors
/// [`Misconfigured`], with all errors and their places.
pub fn chosen(file: Option<&Path>) -> Result<Config> {
    let path = file.unwrap_or(Path::new(FILE));
    let loaded = Config::load(path, file.is_some()).map_err(|problems| invalid(&problems))?;
    Ok(loaded.config)
}

/// The error for a configuration with these.
pub(crate) fn invalid(problems: &[Problem]) -> Error {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Error::new(Misconfigured(format!("invalid configuration:\n{}", problems.join("\n"))))
}

impl Config {
    /// Parses a text as if it were in `file`.
    ///
    /// # Errors
    /// All errors.
    pub fn of_text(file: &Path, text: &str) -> Result<Self, Vec<Problem>> {
        let mut config = Self::default();
        let problems = schema::apply(&mut config, file, text);
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// Reads `file` and its `.d` directory. `must`: the file has to exist; else a missing one means
    /// the defaults.
    ///
    /// # Errors
    /// All errors.
    pub fn load(file: &Path, must: bool) -> Result<Loaded, Vec<Problem>> {
        let mut problems = Vec::new();
        let texts = files::read(file, must, &mut problems);
        let (mut config, mut entries) = (Self::default(), Vec::new());
        for text in &texts {
            let read = schema::read(&mut config, &text.file, &text.text);
            problems.extend(read.problems);
            entries.extend(read.entries);
        }
        if problems.is_empty() {
            let files = texts.into_iter().map(|text| text.file).collect();
            Ok(Loaded { config, files, entries })
        } else {
            Err(problems)
        }
    }
}
