//! What the policy decided by, in sentences. The policy gives values
//! ([`memtrace_core::policy::reason`]); how they read is decided here alone.

mod alert;
mod failure;
mod reason;
mod what_if;

use memtrace_core::format::{seconds, span};
use memtrace_core::policy::reason::{
    Ahead, Distress, FloorTerms, GuestMemory, Standing, Symptom, SymptomKind,
};
use memtrace_core::policy::thought::Term;
use memtrace_core::policy::thought::{Input, Quantity, Seen};
use memtrace_core::policy::{Call, Decision, Reason, RuleId};
use memtrace_core::sample::VmState;
use memtrace_core::units::{Bytes, Nanos};

pub use alert::alert;
pub use failure::failure;
pub use reason::reason;
pub use what_if::what_if;

/// The rule of a decision, as views show it; its key in JSON is [`RuleId::word`].
pub const fn rule(rule: RuleId) -> &'static str {
    match rule {
        RuleId::Dead => "unused",
        RuleId::AtExit => "give back",
        _ => rule.word(),
    }
}

/// Why a decision was made.
pub fn because(decision: &Decision) -> String {
    reason(&decision.reason)
}

/// What would have led to another decision.
pub fn unless(decision: &Decision) -> String {
    match &decision.reason {
        Reason::Short { soft, keeps, .. } => format!(
            "from {soft} % available and without pressure nothing would be taken; at {} or below \
             it would give nothing",
            show(*keeps)
        ),
        Reason::Relief { .. } => "with more available in the guest, or nothing free above the \
                                  reserve, it would get nothing"
            .to_owned(),
        Reason::Undone { .. } => "had the step cost its guest less, or spared the host more, it \
                                  would get its part of what is free"
            .to_owned(),
        Reason::RunsOut { low, .. } => format!(
            "with {low} % available in the guest, or swap nearly full, it would get its part of \
             what is free"
        ),
        Reason::Calm { .. } => "under pressure, or with less free, it would wait".to_owned(),
        Reason::ColdPages { limit, .. } => format!(
            "with PSI some of {limit} % or more in its cgroup, or balloons that give, nothing \
             would be reclaimed"
        ),
        Reason::Ending { .. } => {
            "with less free, or without give_back, it would stay as it is".to_owned()
        }
        _ => "not recorded".to_owned(),
    }
}

/// What a VM suffers from.
pub fn distress(from: &Distress) -> String {
    match from {
        Distress::Symptoms(symptoms) => all(symptoms),
        Distress::Unknown(unknown) => format!("{} unknown", kinds(unknown)),
        Distress::Available(share) => format!("{share:.1} % available in the guest"),
    }
}

/// Why the hook is called.
pub fn call(call: &Call) -> String {
    let unknown = if call.unknown > 0 {
        format!("; what {} of {} VMs could give is not known", call.unknown, call.vms)
    } else {
        String::new()
    };
    format!(
        "{}, and for {} (from {}) balloons and reclaim have not been enough: {}{unknown}",
        standing(&call.host),
        span(call.lasts),
        span(call.after),
        missing(call.missing, call.need, call.balloons, call.reclaim)
    )
}

/// When the hook would not be called.
pub(crate) fn no_call(call: &Call) -> String {
    format!(
        "from {} % available, or with less than {} missing, the hook would not be called",
        call.leave,
        show(call.least)
    )
}

fn standing(host: &Standing) -> String {
    format!("{:.1} % of {} is available ({})", host.share, show(host.total), host.level.word())
}

fn missing(missing: Bytes, need: Bytes, balloons: Bytes, reclaim: Bytes) -> String {
    format!(
        "missing {} = need {} - {} that balloons can still give - {} of cold pages a step",
        show(missing),
        show(need),
        show(balloons),
        show(reclaim)
    )
}

fn terms(floor: &FloorTerms) -> String {
    format!(
        "floor {}: bounds {}, {} x {} used and touched since, burst {}, learnt {}",
        show(floor.floor),
        show(floor.bounds),
        floor.factor,
        show(floor.used),
        show(floor.burst),
        show(floor.learnt)
    )
}

/// A line of the arithmetic.
pub fn term(term: &Term) -> String {
    match term {
        Term::ScopeUnknown => "total or available memory is not known".to_owned(),
        Term::State { available, host, soft, hard, low, leave } => format!(
            "{} of {} available, {:.1} %: {} (soft under {soft}, hard under {hard}, low under \
             {low}; left {leave} points above)",
            show(*available),
            show(host.total),
            host.share,
            host.level.word()
        ),
        Term::Effort { psi, direct, kswapd, effort } => {
            let known = |value: &Option<f64>, show: &dyn Fn(f64) -> String| {
                value.map_or_else(|| "unknown".to_owned(), show)
            };
            format!(
                "PSI some {}, direct reclaims {}, kswapd {}: effort {effort:.2}",
                known(psi, &|psi| format!("{psi:.1} %")),
                known(direct, &|rate| format!("{rate:.0}/s")),
                known(kswapd, &|busy| format!("{busy:.0} %"))
            )
        }
        Term::Trend { fall, ahead } => {
            let coming =
                |ahead: &Ahead| format!("{} in {}", ahead.what.word(), seconds(ahead.seconds));
            let coming: Vec<String> = ahead.iter().map(coming).collect();
            format!("falls by {} a second: {}", show(*fall), coming.join(", "))
        }
        Term::Need { .. } => need(term),
        Term::Budget { relief, calm, kept, promised, beyond } => format!(
            "to give: {} in distress{}, {} when calm; {} are kept, {} promised",
            show(*relief),
            if beyond.0 > 0 { format!(" ({} by swapping)", show(*beyond)) } else { String::new() },
            show(*calm),
            show(*kept),
            show(*promised)
        ),
        Term::Costs { host, guests, swap_wait } => costs(*host, *guests, *swap_wait),
        Term::Share { share, need, part, parts, step, room, gives } => format!(
            "its share {} of {}: part {:.0} of {:.0}; step at most {}, room {}: gives {}",
            show(*share),
            show(*need),
            part / MIB,
            parts / MIB,
            show(*step),
            show(*room),
            show(*gives)
        ),
        Term::Wants { wanted, given } => {
            format!("in distress: demand {}, gets {}", show(*wanted), show(*given))
        }
        Term::WantsNothing { reason: why } => format!("no demand: {}", reason(why)),
        Term::MayWant { reason: why } => format!("demand unknown, gets none: {}", reason(why)),
        Term::Missing { missing: much, need, balloons, reclaim } => {
            missing(*much, *need, *balloons, *reclaim)
        }
        Term::Other => "not recorded".to_owned(),
    }
}

/// What memory costs on both sides.
fn costs(host: Option<f64>, guests: Option<f64>, swap_wait: Option<f64>) -> String {
    let waits = |seconds: Option<f64>| {
        seconds.map_or_else(|| "unknown".to_owned(), |seconds| format!("{seconds:.2} s a second"))
    };
    let page = swap_wait.map_or_else(|| "unknown".to_owned(), seconds);
    format!(
        "VMs wait for the host {}, guests for files that balloons left no room for {}; a page of \
         swap takes {page}",
        waits(host),
        waits(guests)
    )
}

fn need(term: &Term) -> String {
    let Term::Need {
        need,
        short,
        aim,
        soft,
        trend,
        horizon,
        pressure,
        held,
        owed,
        in_flight,
        in_use,
        pays,
        fast_swap,
        enough,
    } = term
    else {
        return String::new();
    };
    format!(
        "need {} = {} to {} available ({soft} %) + {} trend over {} + {} pressure + {} held + \
         {} owed to VMs in distress - {} in flight, {} of it from memory in use{}{}{}",
        show(*need),
        show(*short),
        show(*aim),
        show(*trend),
        span(*horizon),
        show(*pressure),
        show(*held),
        show(*owed),
        show(*in_flight),
        show(*in_use),
        if *pays { "" } else { " (no VM waits for memory)" },
        if *fast_swap { " (swap isn't seen to be slower than guests' disks)" } else { "" },
        if *enough { "" } else { ": too little to act on" }
    )
}

/// What was seen, with what limits it.
pub fn input(input: &Input) -> String {
    let name = seen(input.what);
    match (&input.value, &input.limit) {
        (Some(value), Some(limit)) => format!("{name}: {} (~ {limit})", quantity(*value)),
        (Some(value), None) => format!("{name}: {}", quantity(*value)),
        (None, limit) => format!("{name}: - ({})", limit.as_deref().unwrap_or("not known")),
    }
}

const fn seen(what: Seen) -> &'static str {
    match what {
        Seen::Interval => "interval of rates",
        Seen::Available => "available",
        Seen::SwapFree => "swap free",
        Seen::PsiSome => "PSI some",
        Seen::Kswapd => "kswapd active",
        Seen::DirectReclaims => "direct reclaims",
        Seen::SwappedIn => "swap-ins",
        Seen::SwappedOut => "swap-outs",
        Seen::State => "state",
        Seen::Size => "size",
        Seen::Rss => "RSS",
        Seen::InSwap => "in swap",
        Seen::Dead => "unused",
        Seen::AsyncFaults => "asynchronous faults",
        Seen::Stalled => "stalled",
        Seen::CgroupPsiSome => "PSI some of its cgroup",
        Seen::GuestStatistics => "age of guest statistics",
        Seen::GuestAvailable => "guest available",
        Seen::GuestFree => "guest free",
        Seen::GuestTotal => "guest total",
        Seen::GuestMajorFaults => "guest major faults",
        Seen::GuestSwapsIn => "guest swap-ins",
        Seen::GuestSwapsOut => "guest swap-outs",
        Seen::Other => "other",
    }
}

fn quantity(value: Quantity) -> String {
    match value {
        Quantity::Bytes(bytes) => show(bytes),
        Quantity::Of(part, whole) => format!("{} of {}", show(part), show(whole)),
        Quantity::BytesPerSecond(rate) => format!("{:.1} MiB/s", rate / MIB),
        Quantity::PerSecond(rate) => format!("{rate:.0}/s"),
        Quantity::Share(share) => format!("{share:.1} %"),
        Quantity::Time(time) => span(time),
        Quantity::State(state) => running(state).to_owned(),
    }
}

/// The state of a VM.
pub const fn running(state: VmState) -> &'static str {
    match state {
        VmState::Running => "running",
        VmState::Paused => "paused",
        VmState::Starting => "starting",
        VmState::Migrating => "migrating",
        VmState::ShuttingDown => "shutting down",
        VmState::Crashed => "crashed",
        VmState::Exiting => "exiting",
    }
}

const fn part(what: GuestMemory) -> &'static str {
    match what {
        GuestMemory::Total => "total memory",
        GuestMemory::Free => "free memory",
        GuestMemory::Available => "available memory",
    }
}

fn all(symptoms: &[Symptom]) -> String {
    symptoms.iter().map(symptom).collect::<Vec<String>>().join(", ")
}

fn symptom(symptom: &Symptom) -> String {
    let Symptom { kind, value, limit } = *symptom;
    let name = kind_of(kind);
    match kind {
        SymptomKind::HostSwapIn | SymptomKind::GuestSwap => {
            format!("{name} {:.1} MiB/s (from {:.1})", value / MIB, limit / MIB)
        }
        SymptomKind::Stalled => format!("{name} {value:.1} % (from {limit:.1})"),
        SymptomKind::AsyncFaults | SymptomKind::GuestMajorFaults => {
            format!("{name} {value:.0}/s (from {limit:.0})")
        }
        SymptomKind::GuestAvailable => format!("{name} {value:.1} % (low under {limit})"),
        SymptomKind::GuestOomKill => name.to_owned(),
    }
}

fn kinds(kinds: &[SymptomKind]) -> String {
    kinds.iter().map(|kind| kind_of(*kind)).collect::<Vec<&str>>().join(", ")
}

const fn kind_of(kind: SymptomKind) -> &'static str {
    match kind {
        SymptomKind::HostSwapIn => "swap-ins",
        SymptomKind::AsyncFaults => "asynchronous faults",
        SymptomKind::Stalled => "stalled",
        SymptomKind::GuestSwap => "guest swap traffic",
        SymptomKind::GuestMajorFaults => "guest major faults",
        SymptomKind::GuestAvailable => "guest available",
        SymptomKind::GuestOomKill => "OOM kill in the guest",
    }
}

const MIB: f64 = 1_048_576.0;

/// As text: `345 MiB`, `11.2 GiB`.
fn show(bytes: Bytes) -> String {
    let mib = bytes.0 as f64 / MIB;
    if mib >= 10_240.0 { format!("{:.1} GiB", mib / 1024.0) } else { format!("{mib:.0} MiB") }
}

fn ago(since: Nanos) -> String {
    format!("{} ago", span(since))
}

#[cfg(test)]
mod tests;
