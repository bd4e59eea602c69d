//! Which hooks fire while nobody reclaims, and which of them memtrace does without then. Pure.

use super::{Hook, Plan};
use crate::probe::support::Means;
use memtrace_core::signal::UNASKED;

/// Programs whose hooks fire in each page fault of the host. What they count, files tell as well:
/// a process' faults its stat, major faults its cgroup's memory.stat.
const EACH_FAULT: [&str; 3] = ["user_fault", "kernel_fault", "memcg_event"];
/// Programs that see memory come and go in each page fault, and have something to count only while
/// pages go to swap or come back.
const SWAP: [&str; 2] = ["rss_stat", "rss_stat_count"];

impl Plan {
    /// The same without what fires in each page fault and files tell as well.
    pub(crate) fn at_rest(mut self) -> Self {
        let each_fault = |hook: &mut Hook| EACH_FAULT.contains(&hook.program);
        let left_out = self.hooks.extract_if(.., each_fault);
        self.absent.extend(left_out.map(|hook| (hook, UNASKED.to_owned())));
        self
    }
}

impl Hook {
    /// Whether it may be detached while nothing is swapped. What passes meanwhile has to be known
    /// from VmSwap, which is exact only where swap-ins are told by it all the time.
    pub(crate) fn may_rest(&self, means: Means) -> bool {
        means.swap_ins_need_vmswap && SWAP.contains(&self.program)
    }
}

#[cfg(test)]
mod tests {
    use memtrace_core::signal::{Quality, Signal};

    use super::*;
    use crate::probe::plan::HookKind::RawTracepoint;
    use crate::probe::plan::statuses;

    const MEANS: Means = Means { swap_ins_need_vmswap: true, folio_sizes: true };

    fn hook(program: &'static str, signals: &'static [Signal]) -> Hook {
        Hook { program, kind: RawTracepoint, target: "a:b", module: false, signals }
    }

    #[test]
    fn what_fires_in_each_fault_is_left_out_and_says_how_to_have_it() {
        let hooks = vec![
            hook("user_fault", &[Signal::UserFaults]),
            hook("memcg_event", &[Signal::MajorFaults]),
            hook("rss_stat", &[Signal::SwapOut]),
        ];
        let layout = memtrace_ebpf::KernelLayout::UNKNOWN;
        let plan = Plan { layout, hooks, absent: Vec::new(), means: MEANS }.at_rest();
        let programs: Vec<&str> = plan.hooks.iter().map(|hook| hook.program).collect();
        assert_eq!(programs, ["rss_stat"]);
        let statuses = statuses(&plan.hooks, &plan.absent, MEANS);
        let of = |signal| statuses.iter().find(|status| status.signal == signal).unwrap();
        assert_eq!(of(Signal::UserFaults).quality, Quality::absent(UNASKED));
        assert!(of(Signal::UserFaults).is_spared());
        // The file tells them.
        assert_eq!(of(Signal::MajorFaults).quality.word(), "approximate");
        assert_eq!(of(Signal::SwapOut).quality, Quality::Exact);
    }

    #[test]
    fn only_what_vmswap_makes_up_for_may_rest() {
        let events = Means { swap_ins_need_vmswap: false, ..MEANS };
        let swap = hook("rss_stat", &[Signal::SwapOut]);
        assert!(swap.may_rest(MEANS));
        assert!(!swap.may_rest(events));
        assert!(!hook("reclaim_write", &[Signal::ReclaimWrites]).may_rest(MEANS));
    }
}
