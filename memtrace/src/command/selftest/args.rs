//! What can be typed after `memtrace selftest`.

use clap::Args;

use crate::cli::ColorChoice;

pub const AFTER_HELP: &str = "\
It starts a guest of its own (96 MiB; a KVM guest, or an ordinary process where KVM can't run
it) in a cgroup of its own (64 MiB), lets it swap for some seconds, and compares. It changes
no VM and no other cgroup. Swap gets some 40 MiB more to hold, and kernel.task_delayacct is
on for as long; both are as before at the end, after Ctrl-C, SIGTERM and SIGHUP too.

Required are: major faults, asynchronous faults, swap-ins, swap-outs, memcg reclaim, who takes
from whom, and refaults. Asynchronous faults may fail to happen (swap that answers at once, as
zram, leads to none). The other signals are listed and don't count for the exit status unless
they are wrong: some are approximate on any kernel, some are an extra that not every kernel
allows, and some are not checked because provoking them would harm this host.

Exit status:
  0    every required signal is exact
  1    degraded: one is approximate, absent, or could not be checked (no swap, no cgroup)
  2    wrong: a number is further from the kernel's than it may be
  77   a privilege is missing
  129, 130, 143   ended by SIGHUP, Ctrl-C, SIGTERM; there is no result";

#[derive(Args, Clone, Copy, Debug)]
pub struct SelftestArguments {
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// Use colours; `auto` honours NO_COLOR and asks whether the output is a terminal
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}
