//! What can be typed after `memtrace simulate`.

use clap::Args;

pub(super) const AFTER_HELP: &str = "\
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

Exit status:
  0   memtrace's policy did in each scenario what is expected of it
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
}
