//! Arguments of `memtrace config`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::config;

pub const AFTER_HELP: &str = "\
Exit status:
  0    valid
  78   invalid; each error is printed with file, line, column and key

Examples:
  memtrace config check                   what `memtrace mitigate` would read
  memtrace config check new.toml
  memtrace config show                    what holds, and which line of which file says so
  memtrace config show --default > new.toml";

pub const SHOW_AFTER_HELP: &str = "\
Prints TOML that is a valid configuration with the same effect; a comment behind each value names
its file and line. Bounds and weights from a platform or from libvirt's metadata are not in files:
`memtrace doctor VM` has those.";

#[derive(Args, Clone, Debug)]
pub struct ConfigArguments {
    #[command(subcommand)]
    pub command: ConfigCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Validate a configuration
    Check(ConfigFile),
    /// Print the effective configuration, and where each value comes from
    #[command(after_help = SHOW_AFTER_HELP)]
    Show {
        #[command(flatten)]
        file: ConfigFile,
        /// Print the default configuration instead, every key commented
        #[arg(long, conflicts_with = "file")]
        default: bool,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Print the files that are read, the later ones more important
    Path(ConfigFile),
}

/// Which configuration is meant.
#[derive(Args, Clone, Debug)]
pub struct ConfigFile {
    /// Configuration file; its .d directory (memtrace.d for memtrace.toml) is read too [default:
    /// /etc/memtrace/memtrace.toml; without it the defaults hold]
    pub file: Option<PathBuf>,
}

impl ConfigFile {
    pub fn path(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new(config::FILE))
    }

    /// Whether the file has to exist.
    pub const fn must(&self) -> bool {
        self.file.is_some()
    }
}
