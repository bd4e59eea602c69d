//! Missed runs of eBPF programs. A raw tracepoint's program doesn't nest on a CPU: when
//! it was preempted there and fires again, the kernel skips it and counts the miss.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd};

use aya::Ebpf;

use super::plan::Hook;
use crate::hostfs::{Keeper, read};
use memtrace_core::signal::Signal;

/// Missed runs of each loaded program, from its `/proc/self/fdinfo` (the line is there
/// since 5.12). `None`: not reported by this kernel.
pub(crate) fn by_program<'a>(ebpf: &'a Ebpf, files: &Keeper) -> Option<BTreeMap<&'a str, u64>> {
    let missed: BTreeMap<&str, u64> = ebpf
        .programs()
        .filter_map(|(name, program)| {
            let fd = program.fd().ok()?.as_fd().as_raw_fd();
            let text = files.text(format!("/proc/self/fdinfo/{fd}").as_ref(), read::SMALL).ok()?;
            Some((name, parse(&text)?))
        })
        .collect();
    (!missed.is_empty()).then_some(missed)
}

/// The same by signal. A program may serve several.
pub(crate) fn by_signal(missed: &BTreeMap<&str, u64>, attached: &[Hook]) -> BTreeMap<Signal, u64> {
    let mut by_signal = BTreeMap::new();
    for hook in attached {
        let runs = missed.get(hook.program).copied().unwrap_or(0);
        for signal in hook.signals.iter().filter(|_| runs > 0) {
            *by_signal.entry(*signal).or_default() += runs;
        }
    }
    by_signal
}

fn parse(fdinfo: &str) -> Option<u64> {
    fdinfo.lines().find_map(|line| line.strip_prefix("recursion_misses:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::plan::HookKind;

    #[test]
    fn a_programs_misses_are_those_of_all_its_signals() {
        let hook = |program, signals| Hook {
            program,
            kind: HookKind::RawTracepoint,
            target: "a:b",
            module: false,
            signals,
        };
        let hooks = [
            hook("rss_stat", &[Signal::SwapIn, Signal::SwapOut]),
            hook("direct_reclaim_begin", &[Signal::DirectReclaim]),
            hook("direct_reclaim_end", &[Signal::DirectReclaim]),
            hook("throttled", &[Signal::Throttling]),
        ];
        let missed = [
            ("rss_stat", 3),
            ("direct_reclaim_begin", 1),
            ("direct_reclaim_end", 2),
            ("throttled", 0),
            ("not_attached", 9),
        ];
        let expected =
            [(Signal::SwapIn, 3), (Signal::SwapOut, 3), (Signal::DirectReclaim, 3)].into();
        assert_eq!(by_signal(&missed.into(), &hooks), expected);
    }

    #[test]
    fn the_line_is_found_among_the_others() {
        assert_eq!(
            parse("pos:\t0\nprog_type:\t17\nrun_cnt:\t0\nrecursion_misses:\t12\n"),
            Some(12)
        );
    }

    #[test]
    fn older_kernels_do_not_tell() {
        assert_eq!(parse("pos:\t0\nprog_type:\t17\n"), None);
        assert_eq!(parse("recursion_misses:\tmany\n"), None);
    }
}
