//! Arguments of `memtrace record`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::cli::{duration, size};
use memtrace_core::interval;
use memtrace_core::units::Bytes;

pub const AFTER_HELP: &str = "\
Each file covers an hour, and is named after its start time in UTC. Raw samples are recorded, not
derived values. Ctrl-C and SIGTERM finish the file. After a crash or power loss at most the last
10 s are lost; everything before is readable. Recording stops when the disk is full. Only one
instance records into a directory.";

/// Limits of `--max-size`.
const LEAST: Bytes = Bytes(8 << 20);
const MOST: Bytes = Bytes(1 << 50);

#[derive(Args, Clone, Debug)]
pub struct RecordArguments {
    /// Duration of the recording [default: until interrupted]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Directory of the recording; created if missing
    #[arg(default_value = memtrace_store::recording::DIRECTORY)]
    pub path: PathBuf,
    /// Directory of the recording, as it was given once
    #[arg(long, value_name = "DIR", hide = true, conflicts_with = "path")]
    pub dir: Option<PathBuf>,
    /// Sampling interval, 100ms to 1min
    #[arg(short, long, value_name = "DURATION", default_value = "1s", value_parser = interval::parse)]
    pub interval: Duration,
    /// Maximum total size of the files in PATH, from 8MiB; the oldest are deleted first
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = total)]
    pub max_size: Bytes,
    /// Do not connect to libvirt
    #[arg(long)]
    pub no_libvirt: bool,
    /// Keep all hooks attached all the time, those that fire in each page fault too
    #[arg(long)]
    pub always: bool,
}

impl RecordArguments {
    /// The directory that is written to.
    pub fn directory(&self) -> &Path {
        self.dir.as_ref().unwrap_or(&self.path)
    }
}

/// A number alone is one of MiB, as it was before sizes had units.
fn total(text: &str) -> Result<Bytes, String> {
    let mib = text.parse::<u64>().ok().and_then(|mib| mib.checked_mul(1 << 20));
    let total = mib.map_or_else(|| size(text), |bytes| Ok(Bytes(bytes)))?;
    if (LEAST..=MOST).contains(&total) {
        Ok(total)
    } else {
        Err("must be 8MiB to 1024TiB".to_owned())
    }
}
