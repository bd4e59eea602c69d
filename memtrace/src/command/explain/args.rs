//! Arguments of `memtrace explain`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::past;
use memtrace_core::units::WallNanos;

#[derive(Args, Clone, Debug)]
pub struct ExplainArguments {
    /// VM to explain, by name, UUID, process id, or as its platform calls it [default: all VMs and
    /// the host]
    pub vm: Option<String>,
    /// Explain a past decision from the journal: 14:05, '2026-11-23 14:05:30', or 5min, 7d (ago)
    #[arg(long, value_name = "TIME", value_parser = past)]
    pub at: Option<WallNanos>,
    /// Configuration, and its .d/*.toml [default: /etc/memtrace/memtrace.toml]
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
