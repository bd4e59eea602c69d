//! Arguments shared by commands that sample the host periodically.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::filter;
use super::samples::SamplesArguments;
use memtrace_core::filter::Filter;
use memtrace_core::interval;

/// What is sampled, and how often.
#[derive(Args, Clone, Debug)]
pub struct LookArguments {
    /// Sampling interval, 100ms to 1min
    #[arg(short, long, visible_short_alias = 'd', value_name = "DURATION", default_value = "1s",
        value_parser = interval::parse)]
    pub interval: Duration,
    /// Show only VMs whose name matches; case-sensitive if it has a capital letter
    #[arg(short, long, value_name = "REGEX", value_parser = filter)]
    pub filter: Option<Filter>,
    #[command(flatten)]
    pub samples: SamplesArguments,
    /// Do not connect to libvirt
    #[arg(long)]
    pub no_libvirt: bool,
    /// Configuration, and its .d/*.toml; used to explain, never to act [default:
    /// /etc/memtrace/memtrace.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory of the journal of `memtrace mitigate` [default: journal.directory of the
    /// configuration, else /var/lib/memtrace]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

impl Default for LookArguments {
    /// The same as an empty command line.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            filter: None,
            samples: SamplesArguments::default(),
            no_libvirt: false,
            config: None,
            state_dir: None,
        }
    }
}
