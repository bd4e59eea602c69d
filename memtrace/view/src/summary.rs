//! The summary of the host above the table: a line of [`Part`]s per subject, for the live header
//! and the plain table. Pure; independent of the medium.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::columns::marked;
use crate::emphasis::{Emphasis, Part};
use memtrace_core::filter::Filter;
use memtrace_core::format::{self, UNKNOWN};
use memtrace_core::model::Measured;
use memtrace_core::model::Snapshot;
use memtrace_core::model::snapshot::HostView;
use memtrace_core::policy::{FAR, Level};
use memtrace_core::reactor::{Author, Decided, Reaction};
use memtrace_core::sample::{Notice, PsiLine};
use memtrace_core::signal::Quality;
use memtrace_core::text;
use memtrace_core::units::{Bytes, Percent, WallNanos};

/// Allocated / host memory: the usual warning and critical thresholds for overcommitting KVM hosts.
pub const OVERCOMMIT: [f64; 2] = [1.5, 2.0];
/// PSI some avg10, in per cent: warning and critical thresholds.
const PSI_HEAT: [f64; 2] = [10.0, 50.0];
/// Share of host memory in use.
const MEMORY_HEAT: [f64; 2] = [90.0, 95.0];

/// Host memory in use: total less available.
pub(crate) fn memory_used(host: &HostView) -> Option<(Bytes, Percent)> {
    let total = host.memory_total.value?;
    let used = total.saturating_sub(host.memory_available.value?);
    Some((used, used.share_of(total)?))
}

/// Swap in use and its share.
pub fn swap_used(host: &HostView) -> Option<(Bytes, Percent)> {
    let used = host.swap_used.value?;
    Some((used, used.share_of(host.swap_total.value?)?))
}

/// The emphasis of a share of memory in use.
pub(crate) fn memory_tone(share: Percent) -> Emphasis {
    Emphasis::of(share.0, MEMORY_HEAT)
}

/// `9.2G used  3.0G available  16G total`.
pub fn memory(host: &HostView) -> Vec<Part> {
    let used = memory_used(host);
    let emphasis = used.map_or(Emphasis::Dim, |(_, share)| memory_tone(share));
    let used = used.map_or(UNKNOWN.to_owned(), |(used, _)| format::bytes(used, 5));
    vec![
        Part::new(format!("{used} used"), emphasis),
        part(&host.memory_available, "", " available", format::bytes),
        part(&host.memory_total, "", " total", format::bytes),
    ]
}

/// `940M of 8.0G  in 20M/s  out 25M/s  kswapd 7.5%`.
pub fn swap(host: &HostView) -> Vec<Part> {
    let used = marked(&host.swap_used, 5, format::bytes);
    let total = marked(&host.swap_total, 5, format::bytes);
    let amount = if host.swap_total.value == Some(Bytes(0)) {
        Part::new("none", Emphasis::Dim)
    } else {
        Part::plain(format!("{used} of {total}"))
    };
    vec![
        amount,
        part(&host.swap_in, "in ", "/s", format::byte_rate),
        part(&host.swap_out, "out ", "/s", format::byte_rate),
        part(&host.kswapd_active, "kswapd ", "", format::percent),
    ]
}

/// `PSI some 12.5 6.2 2.5  full 3.1 1.6 0.6  direct 3/s  memcg 120/s`.
pub fn pressure(host: &HostView) -> Vec<Part> {
    let mut parts = psi(host);
    parts.push(part(&host.direct_reclaims, "direct ", "/s", format::rate));
    parts.push(part(&host.memcg_reclaims, "memcg ", "/s", format::rate));
    parts
}

fn psi(host: &HostView) -> Vec<Part> {
    let Some(psi) = host.psi.value else {
        let reason = host.psi.quality.reason().unwrap_or("unknown");
        return vec![Part::new(format!("PSI {UNKNOWN} ({})", text::clean(reason)), Emphasis::Dim)];
    };
    let line = |title: &str, line: PsiLine| {
        let [ten, sixty, long] =
            [line.avg10, line.avg60, line.avg300].map(|share| format::count(share, 4));
        Part::new(format!("{title} {ten} {sixty} {long}"), Emphasis::of(line.avg10, PSI_HEAT))
    };
    let mut parts = vec![line("PSI some", psi.some)];
    parts.extend(psi.full.map(|full| line("full", full)));
    parts
}

/// `3 VMs  26G allocated / 16G host = 1.62x`.
pub fn vms(snapshot: &Snapshot) -> Vec<Part> {
    let host = &snapshot.host;
    let count = snapshot.vms.len();
    let allocated = marked(&host.allocated, 5, format::bytes);
    let total = marked(&host.memory_total, 5, format::bytes);
    let ratio = match host.overcommit.value {
        Some(ratio) => format!("{ratio:.2}x"),
        None => UNKNOWN.to_owned(),
    };
    let emphasis =
        host.overcommit.value.map_or(Emphasis::Dim, |ratio| Emphasis::of(ratio, OVERCOMMIT));
    vec![
        Part::plain(format!("{count} VM{}", if count == 1 { "" } else { "s" })),
        Part::new(format!("{allocated} allocated / {total} host = {ratio}"), emphasis),
    ]
}

/// `signals: 14 exact 2 approx 1 absent  hooks attached 12s`.
pub fn signals(snapshot: &Snapshot) -> Vec<Part> {
    std::iter::once(qualities(snapshot)).chain(hooks(&snapshot.host)).collect()
}

/// Whether the hooks that come and go with pressure are there, and since when.
fn hooks(host: &HostView) -> Option<Part> {
    let hooks = host.hooks.value.filter(|hooks| hooks.on_demand)?;
    let state = if hooks.attached { "attached" } else { "at rest" };
    Some(Part::plain(format!("hooks {state} {}", format::duration(hooks.since, 5))))
}

fn qualities(snapshot: &Snapshot) -> Part {
    let [mut exact, mut approximate, mut absent] = [0_usize; 3];
    for status in snapshot.signals.iter().filter(|status| !status.is_spared()) {
        match status.quality {
            Quality::Exact => exact += 1,
            Quality::Approximate(_) => approximate += 1,
            Quality::Absent(_) => absent += 1,
        }
    }
    let emphasis = if absent > 0 { Emphasis::Warm } else { Emphasis::Plain };
    Part::new(format!("signals: {exact} exact {approximate} approx {absent} absent"), emphasis)
}

/// How a state stands out.
pub const fn urgency_of(state: Level) -> Emphasis {
    match state {
        Level::Calm => Emphasis::Plain,
        Level::Soft => Emphasis::Warm,
        Level::Hard | Level::Low => Emphasis::Hot,
    }
}

/// The state of the scope, as a word.
pub fn state(state: Option<Level>) -> &'static str {
    state.map_or("unknown", Level::word)
}

/// `policy soft, observe  hard in 12s  swap in 40s`: the policy's state, and the deciding instance.
pub fn policy(decided: &Decided) -> Vec<Part> {
    let report = match decided {
        Decided::Not(reason) => {
            let reason = in_a_line(reason);
            return vec![Part::new(format!("policy {UNKNOWN}  {reason}"), Emphasis::Dim)];
        }
        Decided::Report(report) => report,
    };
    let Reaction { mode, problem, decisions, .. } = &report.reaction;
    let emphasis = decisions.state.map_or(Emphasis::Dim, urgency_of);
    let state = decisions.state.map_or(UNKNOWN, Level::word);
    let mut parts = vec![Part::new(format!("policy {state}, {}", mode.word()), emphasis)];
    parts.extend(
        problem.as_ref().map(|problem| {
            Part::new(format!("can't act: {}", text::clean(problem)), Emphasis::Hot)
        }),
    );
    if let Some(author) = author(report.author) {
        // Its forecast is as old as its last journal entry.
        parts.push(Part::plain(author));
        return parts;
    }
    // Recordings of older versions have longer forecasts.
    let near = decisions.ahead.iter().filter(|ahead| ahead.seconds < FAR);
    parts.extend(near.map(|ahead| {
        Part::new(format!("{} in {:.0}s", ahead.what.word(), ahead.seconds), Emphasis::Warm)
    }));
    parts
}

/// Text of several lines as one line, sanitised.
pub(crate) fn in_a_line(text: &str) -> String {
    text::clean(&text.replace('\n', " ")).into_owned()
}

/// The deciding instance, if it isn't this one.
pub fn author(author: Author) -> Option<String> {
    match author {
        Author::Ourselves => None,
        Author::Another { pid: Some(pid) } => Some(format!("by another memtrace (process {pid})")),
        Author::Another { pid: None } => Some("by another memtrace".to_owned()),
    }
}

/// Events that the eBPF programs could not count, if any.
pub fn losses(snapshot: &Snapshot) -> Option<Part> {
    let losses = snapshot.host.losses.value.filter(|losses| losses.any())?;
    let kinds = [
        (losses.events, "event", "events"),
        (losses.slots, "VM without a slot", "VMs without a slot"),
        (losses.stalls, "stall", "stalls"),
        (losses.async_faults, "async fault", "async faults"),
        (losses.flow_pages, "flow page", "flow pages"),
        (losses.address_spaces, "address space", "address spaces"),
        (losses.failed_reads, "failed read", "failed reads"),
        (losses.missed_runs.unwrap_or(0), "missed run", "missed runs"),
    ];
    let lost: Vec<_> = kinds
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| {
            let what = if count == 1 { one } else { many };
            format!("{} {what}", format::count(count as f64, 5))
        })
        .collect();
    Some(Part::new(format!("lost since start: {}", lost.join(", ")), Emphasis::Hot))
}

/// One notice on one line.
pub fn notice(notice: &Notice) -> Part {
    let line = format!("{}: {}", notice.about.word(), text::clean(&notice.text));
    Part::new(line, Emphasis::Warm)
}

/// The text shown instead of an empty table.
pub(crate) fn empty_table(snapshot: &Snapshot, filter: Option<&Filter>) -> String {
    match filter {
        Some(filter) if !snapshot.vms.is_empty() => {
            let expression = text::clean(filter.expression());
            format!("no VM matches /{expression}/; {} not shown", snapshot.vms.len())
        }
        _ => "no VM is running: start a qemu/KVM guest and it appears within a second \
              (`memtrace doctor` checks what can be measured)"
            .to_owned(),
    }
}

/// The time of a snapshot in a strftime format; empty outside of jiff's range.
pub fn local_time(wall: WallNanos, zone: &TimeZone, format: &str) -> String {
    Timestamp::from_nanosecond(i128::from(wall.0))
        .map(|at| at.to_zoned(zone.clone()).strftime(format).to_string())
        .unwrap_or_default()
}

/// Name of the host, or a placeholder.
pub fn hostname(host: &HostView) -> String {
    host.hostname.as_deref().map_or("this host".to_owned(), |name| text::clean(name).into_owned())
}

fn part<T: Copy>(
    measured: &Measured<T>,
    before: &str,
    after: &str,
    show: impl Fn(T, usize) -> String,
) -> Part {
    if measured.quality.is_absent() {
        return Part::new(format!("{before}{UNKNOWN}"), Emphasis::Dim);
    }
    let value = marked(measured, 5, show);
    Part::plain(format!("{before}{value}{after}"))
}
