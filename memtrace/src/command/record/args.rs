//! Arguments of `memtrace record`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::duration;
use memtrace_core::interval;

pub const AFTER_HELP: &str = "\
Each file covers an hour, and is named after its start time in UTC. Raw samples are recorded, not
derived values. Ctrl-C and SIGTERM finish the file. After a crash or power loss at most the last
10 s are lost; everything before is readable. Recording stops when the disk is full. Only one
instance records into a directory.";

#[derive(Args, Clone, Debug)]
pub struct RecordArguments {
    /// Duration of the recording: 90s, 30min, 24h [default: until interrupted]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Output directory; created if missing
    #[arg(long, value_name = "DIR", default_value = memtrace_store::recording::DIRECTORY)]
    pub dir: PathBuf,
    /// Sampling interval, 100ms to 1min
    #[arg(short, long, value_name = "DURATION", default_value = "1s", value_parser = interval::parse)]
    pub interval: Duration,
    /// Maximum total size of the files in DIR, in MiB; the oldest are deleted first
    #[arg(long, value_name = "MIB", default_value = "1024")]
    #[arg(value_parser = clap::value_parser!(u64).range(8..=1 << 30))]
    pub max_size: u64,
    /// Do not connect to libvirt
    #[arg(long)]
    pub no_libvirt: bool,
}
