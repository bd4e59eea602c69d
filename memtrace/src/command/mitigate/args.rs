//! What can be typed after `memtrace mitigate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::interval;
use crate::sys::address::Address;

pub const AFTER_HELP: &str = "\
What it does to a VM is moving its balloon, through libvirt or QMP, and winning back cold pages
through its cgroup. It never kills. Each decision is printed with its reasons, and kept in the
journal; `memtrace explain` says why nothing is done as well.

Ctrl-C and SIGTERM end it: balloons stay as they are, or with `give_back = true` go back as far
as memory is free, for 30 s at most (a second Ctrl-C ends that at once). SIGHUP reads the
configuration again. One memtrace mitigates at a time.

Examples:
  memtrace mitigate                   observe: say what it would do, and touch nothing
  memtrace mitigate --enforce         act
  memtrace mitigate --listen :9435    and tell Prometheus at http://127.0.0.1:9435/metrics
  memtrace mitigate --json            everything it sees and decides, a document a second";

#[derive(Args, Clone, Debug)]
pub struct MitigateArguments {
    /// Act, whatever the configuration says. Without both memtrace decides, explains and
    /// writes the journal, and touches nothing
    #[arg(long)]
    pub enforce: bool,
    /// The configuration; with a folder beside it, as /etc/memtrace/memtrace.d
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Seconds between two samples, 0.1 to 60 [default: 1, or the configuration's]
    #[arg(short, long, value_name = "SECONDS", value_parser = interval)]
    pub interval: Option<Duration>,
    /// Where the journal is [default: /var/lib/memtrace, or the configuration's]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Tell scrapers (Prometheus) at /metrics what it sees and decides: 127.0.0.1:9435, :9435 (of
    /// this host alone), or unix:/run/memtrace/metrics.sock. It asks nobody who they are
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub listen: Option<Address>,
    /// Print JSON, one document a line for each interval: the snapshot and what was made of it
    #[arg(long)]
    pub json: bool,
    /// End after N intervals
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Do not ask libvirt, even where it is there
    #[arg(long)]
    pub no_libvirt: bool,
}

// clap shows no more than the outermost message of an error.
fn address(text: &str) -> Result<Address, String> {
    text.parse().map_err(|error| format!("must be {error:#}"))
}
