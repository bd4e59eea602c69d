//! What can be typed after commands that look at the host again and again.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{filter, interval};
use memtrace_core::filter::Filter;

/// What is looked at, and how often.
#[derive(Args, Clone, Debug)]
pub struct LookArguments {
    /// Seconds between two samples, 0.1 to 60
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub interval: Duration,
    /// Show only VMs whose name matches; case counts if there is a capital letter
    #[arg(short, long, value_name = "REGEX", value_parser = filter)]
    pub filter: Option<Filter>,
    /// Do not ask libvirt, even where it is there
    #[arg(long)]
    pub no_libvirt: bool,
    /// What to decide by; with a folder beside it, as /etc/memtrace/memtrace.d. Nothing is done
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where a memtrace that mitigates here has its journal [default: /var/lib/memtrace, or the
    /// configuration's]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

impl Default for LookArguments {
    /// As if nothing was typed.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            filter: None,
            no_libvirt: false,
            config: None,
            state_dir: None,
        }
    }
}
