//! What can be typed after `memtrace explain`.

use std::path::PathBuf;

use clap::Args;

#[derive(Args, Clone, Debug)]
pub struct ExplainArguments {
    /// The VM, by name, UUID or process id; all of them and the host without
    pub vm: Option<String>,
    /// Of a moment in the past, from the journal: 14:05, 2026-11-23 14:05:30, or 5m (ago)
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// The configuration; with a folder beside it, as /etc/memtrace/memtrace.d
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the journal is [default: /var/lib/memtrace, or the configuration's]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Do not ask libvirt, even where it is there
    #[arg(long)]
    pub no_libvirt: bool,
}
