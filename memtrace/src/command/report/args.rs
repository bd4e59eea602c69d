//! What can be typed after `memtrace report`.

use std::path::PathBuf;

use clap::Args;

pub const AFTER_HELP: &str = "\
The page is one file without scripts that loads nothing from anywhere: it can be mailed, and
kept. It has what was recorded and what is missing, the host's pressure over time, a lane for
each VM, decisions and alerts, who took from whom, how long waits took, the worst minutes, and
how far each signal could be trusted. What isn't known is a gap or a dash, and never zero.
Alerts are found by the rules of the configuration. Times are in the zone of this machine (TZ).

Examples:
  memtrace report /var/lib/memtrace/recordings -o report.html
  memtrace report 20261123T140000Z.mtrec -o - | gzip > report.html.gz
  TZ=Europe/Berlin memtrace report recordings --config memtrace.toml -o report.html";

#[derive(Args, Clone, Debug)]
pub struct ReportArguments {
    /// A file of a recording, or a directory of them
    pub path: PathBuf,
    /// Where the page goes; a file that is there is replaced once all is read; `-`: standard
    /// output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Whose rules for alerts count [default: /etc/memtrace/memtrace.toml, or the usual ones]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}
