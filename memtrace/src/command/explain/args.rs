//! Arguments of `memtrace explain`.

use std::path::PathBuf;

use clap::Args;
use jiff::Zoned;

use memtrace_core::replay::time::{self, Relative};
use memtrace_core::units::WallNanos;

#[derive(Args, Clone, Debug)]
pub struct ExplainArguments {
    /// VM to explain, by name, UUID or process id [default: all VMs and the host]
    pub vm: Option<String>,
    /// Explain a past decision from the journal: 14:05, '2026-11-23 14:05:30', or 5m (ago)
    #[arg(long, value_name = "TIME", value_parser = past)]
    pub at: Option<WallNanos>,
    /// Policy configuration (FILE and FILE's .d/*.toml)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory of the journal [default: journal.directory of the configuration, else
    /// /var/lib/memtrace]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Do not connect to libvirt
    #[arg(long)]
    pub no_libvirt: bool,
}

/// Parses a time of the past.
fn past(text: &str) -> Result<WallNanos, String> {
    let now = Zoned::now();
    let at = u64::try_from(now.timestamp().as_nanosecond()).unwrap_or_default();
    time::parse(text, now.time_zone(), WallNanos(at), Relative::Present)
}
