//! What can be typed after `memtrace record`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::interval;

pub const AFTER_HELP: &str = "\
Files have an hour each, and are named after their beginning, in UTC. What is recorded is what
memtrace reads, not what it makes of it. Ctrl-C and SIGTERM end it in order. After a kill or a
power cut the last ten seconds are missing, and everything before can be read. When the disk is
full, the recording ends. One memtrace records into a directory at a time.";

#[derive(Args, Clone, Debug)]
pub struct RecordArguments {
    /// End after this time: 90s, 30m, 24h
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Where the files go; it is made if it isn't there
    #[arg(long, value_name = "DIR", default_value = memtrace_store::recording::DIRECTORY)]
    pub dir: PathBuf,
    /// Seconds between two samples, 0.1 to 60
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub interval: Duration,
    /// Most that the files in DIR may take together, in MiB; the oldest go first
    #[arg(long, value_name = "MIB", default_value = "1024")]
    #[arg(value_parser = clap::value_parser!(u64).range(8..=1 << 30))]
    pub max_size: u64,
    /// Do not ask libvirt, even where it is there
    #[arg(long)]
    pub no_libvirt: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok();
    let duration = parsed.and_then(|duration| Duration::try_from(duration).ok());
    duration
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "not a time, as 90s, 30m and 24h are".to_owned())
}
