//! The quality of each signal with the attached hooks. Pure.

use super::{Hook, HookKind, deep};
use crate::probe::support::Means;
use memtrace_core::signal::{Quality, Signal, SignalStatus, reason_or};

/// The quality of each signal when `attached` hooks run and `failed` ones don't.
///
/// `means`: as in [`super::Plan`].
pub fn statuses(attached: &[Hook], failed: &[(Hook, String)], means: Means) -> Vec<SignalStatus> {
    Signal::ALL
        .into_iter()
        .map(|signal| {
            let concerns = |hook: &&Hook| hook.signals.contains(&signal);
            let hooks: Vec<_> = attached.iter().filter(concerns).collect();
            let missing = failed.iter().find(|(hook, _)| hook.signals.contains(&signal));
            let source = match hooks.is_empty() {
                true => fallback(signal).map(|(source, _)| source.to_owned()),
                false if signal == Signal::SwapIn && means.swap_ins_need_vmswap => {
                    Some(format!("{} and VmSwap", sources(&hooks)))
                }
                false => Some(sources(&hooks)),
            };
            let quality = match quality(signal, &hooks, missing.map(|(_, why)| why.as_str())) {
                Quality::Exact
                    if matches!(signal, Signal::ReclaimWrites | Signal::ShmemSwap)
                        && !means.folio_sizes =>
                {
                    Quality::approximate("a large folio counts as one page")
                }
                quality => quality,
            };
            SignalStatus { signal, source, hooked: !hooks.is_empty(), quality }
        })
        .collect()
}

/// `raw_tp A, B; fentry C`. A function counts once, with its end.
fn sources(hooks: &[&Hook]) -> String {
    let names = |wanted: fn(HookKind) -> bool| {
        let mut names: Vec<_> =
            hooks.iter().filter(|hook| wanted(hook.kind)).map(|hook| hook.target).collect();
        names.dedup();
        names.join(", ")
    };
    let tracepoints = names(|kind| kind == HookKind::RawTracepoint);
    let functions = names(|kind| kind != HookKind::RawTracepoint);
    match (tracepoints.is_empty(), functions.is_empty()) {
        (_, true) => format!("raw_tp {tracepoints}"),
        (true, false) => format!("fentry {functions}"),
        (false, false) => format!("raw_tp {tracepoints}; fentry {functions}"),
    }
}

/// The fallback source of a signal when its hook is missing.
fn fallback(signal: Signal) -> Option<(&'static str, &'static str)> {
    match signal {
        Signal::MajorFaults => Some((
            "memory.stat, or /proc/PID/stat and kvm:kvm_async_pf_ready",
            "exact for a VM with a cgroup of its own; else from its process and its \
             asynchronous faults, where a fault that is tried again counts as a major one",
        )),
        _ => None,
    }
}

fn quality(signal: Signal, hooks: &[&Hook], missing: Option<&str>) -> Quality {
    match (hooks.is_empty(), missing) {
        (true, reason) => match fallback(signal) {
            Some((_, what)) => Quality::approximate(what),
            None => Quality::absent(reason_or(reason, "no source")),
        },
        // One half of a pair is useless, except where each measures something alone.
        (false, Some(reason)) => match signal {
            Signal::Lifecycle | Signal::Kswapd => Quality::approximate(reason.to_owned()),
            Signal::SwapInWait => deep::partial_swap_in_wait(hooks, reason),
            _ => Quality::absent(reason.to_owned()),
        },
        (false, None) => limits(signal),
    }
}

/// The quality of a signal when all of its hooks run.
fn limits(signal: Signal) -> Quality {
    match signal {
        Signal::GuestFaults => Quality::approximate(
            "counts VM exits for guest faults, including access tracking, write protection and \
             MMIO",
        ),
        Signal::ShmemTaken => Quality::approximate(
            "each process that maps the page counts, and a large folio may count once",
        ),
        Signal::Compaction => Quality::approximate("time within zones only, not between them"),
        Signal::SwapInWait => Quality::approximate(deep::WHOLE_FAULTS),
        Signal::Kswapd => {
            Quality::approximate("active from a wake to the next full sleep, short pauses included")
        }
        _ => Quality::Exact,
    }
}
