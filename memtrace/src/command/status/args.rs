//! Arguments of `memtrace status`.

use std::path::PathBuf;

use clap::Args;

use crate::command::scraped::MetricsSource;

pub const AFTER_HELP: &str = "\
Who runs and what is taken comes from the journal; VMs and alerts come from the metrics, where a
running memtrace serves them (`metrics.listen` of the configuration, or --source); who measures for
others, and how many read, from the socket for samples (`samples.socket`). What can't be read is told.

Exit status:
  0    memtrace mitigate runs, or a memtrace serves metrics or samples
  1    failure; neither the journal nor metrics can be read, or a memtrace may run that doesn't
       answer
  3    none runs
  78   invalid configuration";

#[derive(Args, Clone, Debug)]
pub struct StatusArguments {
    /// Configuration, and its .d/*.toml [default: /etc/memtrace/memtrace.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory of the journal [default: journal.directory of the configuration, else
    /// /var/lib/memtrace]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Metrics of a running memtrace: the address of `mitigate --listen` (:9435, unix:/PATH), or
    /// the file of `exporter --textfile` (/FILE.prom) [default: metrics.listen of the
    /// configuration]
    #[arg(long, value_name = "PLACE")]
    pub source: Option<MetricsSource>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
