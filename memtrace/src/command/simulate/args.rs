//! Arguments of `memtrace simulate`.

use std::path::PathBuf;

use clap::Args;

pub const AFTER_HELP: &str = "\
Time is virtual and nothing is random: a scenario always gives the same numbers.
  stall s         time that vCPUs stalled on memory, in host and guest, plus downtime of
                  services killed by an OOM killer; * marks the lowest
  swap-in GiB     read from host swap and guest swap
  guest OOMs      processes killed by guests' OOM killers
  kills           VMs killed by the host's OOM killer
  relief s        longest continuous stall of a VM
  oscillations    balloon reversals within 2 minutes of the previous one
  needless GiB s  memory ballooned away while nothing needed it, times seconds
  orders          balloon orders; (N bad): to VMs that are booting, migrating or pinned, or
                  that an operator has just set manually

--replay runs memtrace's policy with another configuration on a recording, and compares with the
recorded decisions. The recording does not react to the replayed decisions: where memtrace acted
while recording, only the start of each episode is comparable.

Examples:
  memtrace simulate                             all scenarios, all policies
  memtrace simulate boot-storm --policy mom     one of each
  memtrace simulate leak --explain leaky --at 500
  memtrace simulate --replay /var/lib/memtrace/recordings --config new.toml

Exit status:
  0   memtrace's policy met all expectations; or the replay finished
  1   an expectation was not met; the table says which
  2   usage error";

#[derive(Args, Clone, Debug, Default)]
pub struct SimulateArguments {
    /// Only these scenarios
    #[arg(value_name = "SCENARIO")]
    pub scenarios: Vec<String>,
    /// Only this policy; repeatable
    #[arg(long, value_name = "NAME")]
    pub policy: Vec<String>,
    /// Explain memtrace's decision for this VM (or `host`) at one second of one scenario
    #[arg(long, value_name = "VM", requires = "at", conflicts_with_all = ["policy", "list", "json"])]
    pub explain: Option<String>,
    /// Second of the scenario to explain
    #[arg(long, value_name = "SECOND", requires = "explain")]
    pub at: Option<u64>,
    /// List scenarios and policies, and exit
    #[arg(long)]
    pub list: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Run memtrace's policy on a recording: a file, or a directory of files
    #[arg(long, value_name = "PATH", conflicts_with_all = ["scenarios", "policy", "explain", "list"])]
    pub replay: Option<PathBuf>,
    /// Configuration for the replayed policy (FILE and FILE's .d/*.toml) [default:
    /// /etc/memtrace/memtrace.toml, else built-in values]
    #[arg(long, value_name = "FILE", requires = "replay")]
    pub config: Option<PathBuf>,
}
