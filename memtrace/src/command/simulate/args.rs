//! What can be typed after `memtrace simulate`.

use std::path::PathBuf;

use clap::Args;

pub const AFTER_HELP: &str = "\
Time is virtual and nothing is random, so every run of a scenario gives the same numbers:
  stall s         time that vCPUs waited for memory, in the host and in their guest, and
                  that services were down which an OOM killer ended; the least has a star
  swap-in GiB     read back from the host's swap, and from the guests' own
  guest OOMs      processes that guests' OOM killers ended
  kills           VMs that the host's OOM killer ended
  relief s        longest time that somebody went on waiting
  oscillations    turns of a balloon within two minutes of its turn before
  needless GiB s  what balloons held while nobody needed it, times seconds
  orders          to balloons; (N bad): to VMs that boot, migrate, are pinned, or that
                  an operator has just set by hand

With --replay a recording takes the place of scenarios: what memtrace's policy would do with
another configuration, beside what was decided then. What was recorded doesn't react to that,
so that, where memtrace acted then, only how each of the two begins an episode can be compared.

Examples:
  memtrace simulate                             all scenarios, all policies
  memtrace simulate boot-storm --policy mom     one of each
  memtrace simulate leak --explain leaky --at 500
  memtrace simulate --replay /var/lib/memtrace/recordings --config new.toml

Exit status:
  0   memtrace's policy did in each scenario what is expected of it; the replay ended
  1   it did not; the table says where
  2   the command line is wrong";

#[derive(Args, Clone, Debug, Default)]
pub struct SimulateArguments {
    /// Only these scenarios
    #[arg(value_name = "SCENARIO")]
    pub scenarios: Vec<String>,
    /// Only this policy; may be given more than once
    #[arg(long, value_name = "NAME")]
    pub policy: Vec<String>,
    /// What memtrace's policy thinks of this VM in one second of one scenario; or of the host
    #[arg(long, value_name = "VM", requires = "at", conflicts_with_all = ["policy", "list", "json"])]
    pub explain: Option<String>,
    /// The second
    #[arg(long, value_name = "SECOND", requires = "explain")]
    pub at: Option<u64>,
    /// List scenarios and policies, and run nothing
    #[arg(long)]
    pub list: bool,
    /// Print JSON, one document
    #[arg(long)]
    pub json: bool,
    /// Run memtrace's policy on a recording (`memtrace record`): a file, or a directory of them
    #[arg(long, value_name = "PATH", conflicts_with_all = ["scenarios", "policy", "explain", "list"])]
    pub replay: Option<PathBuf>,
    /// What it goes by there, with a folder beside it [default: /etc/memtrace/memtrace.toml, or
    /// the usual]
    #[arg(long, value_name = "FILE", requires = "replay")]
    pub config: Option<PathBuf>,
}
