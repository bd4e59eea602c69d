//! Arguments of `memtrace selftest`.

use clap::Args;

use crate::cli::ColorChoice;

pub const AFTER_HELP: &str = "\
It starts a temporary guest (96 MiB; a KVM guest, or an ordinary process where KVM is unavailable)
in a temporary cgroup (64 MiB), lets it swap for some seconds, and compares counters. No VM and no
other cgroup is changed. Meanwhile swap use grows by some 40 MiB and kernel.task_delayacct is on;
both are restored at the end, also after Ctrl-C, SIGTERM and SIGHUP.

Required signals: major faults, asynchronous faults, swap-ins, swap-outs, memcg reclaim, reclaim
attribution, and refaults. Asynchronous faults may not occur (synchronous swap such as zram causes
none). The other signals are listed, and affect the exit status only if wrong: some are approximate
on any kernel, some need optional kernel features, and some are not checked because provoking them
would harm this host.

Exit status:
  0    all required signals are exact
  1    degraded: one is approximate, absent, or could not be checked (no swap, no cgroup)
  2    wrong: a counter deviates from the kernel's by more than the tolerance
  77   missing privilege
  129, 130, 143   ended by SIGHUP, Ctrl-C, SIGTERM; no result";

#[derive(Args, Clone, Copy, Debug)]
pub struct SelftestArguments {
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// When to use colours; `auto`: on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}
