//! Arguments of `memtrace report`.

use std::path::PathBuf;

use clap::Args;

pub const AFTER_HELP: &str = "\
The report is one self-contained HTML file without scripts or external resources. Contents:
coverage and gaps, host pressure over time, a lane per VM, decisions and alerts, reclaim
attribution (which VM took memory from which), stall latencies, the worst minutes, and the quality
of each signal. Unknown values are gaps or dashes, never 0. Alerts are evaluated with the rules of
the configuration. Times are in the local time zone (TZ).

Examples:
  memtrace report -o report.html
  memtrace report 20261123T140000Z.mtrec -o - | gzip > report.html.gz
  TZ=Europe/Berlin memtrace report recordings --config memtrace.toml -o report.html";

#[derive(Args, Clone, Debug)]
pub struct ReportArguments {
    /// Recording: a file, or a directory of files
    #[arg(default_value = memtrace_store::recording::DIRECTORY)]
    pub path: PathBuf,
    /// Output file, replaced atomically; `-`: standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Configuration, and its .d/*.toml, with the alert rules [default:
    /// /etc/memtrace/memtrace.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}
