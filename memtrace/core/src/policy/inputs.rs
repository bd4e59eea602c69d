//! What was seen, in words, beside what was made of it: each number with its age where that
//! is known, and what limits it.

use std::collections::BTreeMap;

use super::decision::Decisions;
use super::observation::{GuestObservation, Observation, ScopeObservation, VmObservation};
use crate::model::Snapshot;
use crate::model::snapshot::{HostView, VmView};
use crate::policy::tri_state::show;
use crate::sample::VmId;
use crate::signal::Quality;
use crate::units::{ByteRate, Bytes, Nanos, Percent, Rate};

/// Gives each thought what it was thought of. `seen` was made of `snapshot`.
pub fn attach(decisions: &mut Decisions, seen: &Observation, snapshot: &Snapshot) {
    let vms: BTreeMap<VmId, (&VmObservation, &VmView)> =
        seen.vms.iter().zip(&snapshot.vms).map(|(vm, view)| (vm.id, (vm, view))).collect();
    for thought in &mut decisions.thoughts {
        thought.inputs = match thought.vm {
            None => of_scope(&seen.scope, &snapshot.host, snapshot.interval),
            Some(id) => vms.get(&id).map(|(vm, view)| of_vm(vm, view)).unwrap_or_default(),
        };
    }
}

fn of_scope(seen: &ScopeObservation, view: &HostView, interval: Option<Nanos>) -> Vec<String> {
    let over = match interval {
        Some(interval) => format!("rates are over the last {:.1} s", interval.seconds()),
        None => "a first look: there are no rates yet".to_owned(),
    };
    let free = |free: Option<Bytes>, total: Option<Bytes>| {
        Some(format!("{} of {}", show(free?), show(total?)))
    };
    vec![
        over,
        line("available", free(seen.available, seen.total), &view.memory_available.quality),
        line("swap free", free(seen.swap_free, seen.swap_total), &view.swap_used.quality),
        line("PSI some", seen.psi_some.map(share), &view.psi.quality),
        line("kswapd at work", seen.kswapd.map(share), &view.kswapd_active.quality),
        line("direct reclaims", seen.direct_reclaims.map(count), &view.direct_reclaims.quality),
        line("swapped in", seen.swap_in.map(flow), &view.swap_in.quality),
        line("swapped out", seen.swap_out.map(flow), &view.swap_out.quality),
    ]
}

fn of_vm(seen: &VmObservation, view: &VmView) -> Vec<String> {
    let running = seen.state.map(|state| format!("{state:?}").to_lowercase());
    let size = |size: Option<Bytes>, most: Option<Bytes>| {
        Some(format!("{} of at most {}", show(size?), show(most?)))
    };
    let of_balloon = view.balloon_actual.quality.clone().and(view.balloon_maximum.quality.clone());
    let mut lines = vec![
        line("state", running, &view.state.quality),
        line("size", size(seen.actual, seen.maximum), &of_balloon),
        line("RSS", seen.rss.map(show), &view.rss.quality),
        line("in swap", seen.swap.map(show), &view.swap.quality),
        line("dead", seen.dead.map(show), &view.dead.quality),
        line("swapped in", seen.swap_in.map(flow), &view.swap_in.quality),
        line("asynchronous faults", seen.async_faults.map(count), &view.async_faults.quality),
        line("stalled", seen.stalled.map(share), &view.stalled.quality),
        line("PSI some of its cgroup", seen.psi_some.map(share), &view.psi.quality),
    ];
    lines.extend(of_guest(seen.guest.as_ref(), view));
    lines
}

/// What the guest says, and how long ago it said so.
fn of_guest(seen: Option<&GuestObservation>, view: &VmView) -> Vec<String> {
    let Some(guest) = seen else {
        return vec![line("guest statistics", None, &view.guest_stats.quality)];
    };
    let age = guest.age.map(|age| format!("{:.1} s old", age.seconds()));
    let rate = |name: &str, value: Option<String>| {
        line(name, value, &Quality::absent("takes two answers of the guest, which tell it"))
    };
    vec![
        line("guest statistics", age, &view.guest_age.quality),
        line("guest available", guest.available.map(show), &view.guest_available.quality),
        line("guest free", guest.free.map(show), &view.guest_available.quality),
        line("guest total", guest.total.map(show), &view.guest_total.quality),
        rate("guest major faults", guest.major_faults.map(count)),
        rate("guest swaps in", guest.swap_in.map(flow)),
        rate("guest swaps out", guest.swap_out.map(flow)),
    ]
}

/// `quality` limits a value that there is, and says why there is none.
fn line(name: &str, value: Option<String>, quality: &Quality) -> String {
    match (value, quality) {
        (Some(value), Quality::Approximate(reason)) => format!("{name}: {value} (~ {reason})"),
        (Some(value), _) => format!("{name}: {value}"),
        (None, quality) => format!("{name}: - ({})", quality.reason().unwrap_or("not known")),
    }
}

fn share(value: Percent) -> String {
    format!("{:.1} %", value.0)
}

fn count(value: Rate) -> String {
    format!("{:.0}/s", value.0)
}

fn flow(value: ByteRate) -> String {
    format!("{:.1} MiB/s", value.0 / 1_048_576.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::model::Measured;
    use crate::policy::decision::Thought;

    /// Of a VM and the host, for which this was seen.
    fn attached(view: VmView, guest: Option<GuestObservation>) -> Vec<Thought> {
        let vm = VmObservation { guest, ..VmObservation::unknown(view.id, &view.name) };
        let vm = VmObservation { swap_in: view.swap_in.value, rss: view.rss.value, ..vm };
        let thoughts = [None, Some(view.id)].map(|vm| Thought { vm, ..Thought::default() });
        let mut decisions = Decisions { thoughts: thoughts.to_vec(), ..Decisions::default() };
        let seen = Observation { vms: vec![vm], ..Observation::default() };
        attach(&mut decisions, &seen, &fixture::snapshot(vec![view]));
        decisions.thoughts
    }

    #[test]
    fn each_number_says_what_limits_it() {
        let mut view = fixture::vm("web", 7);
        view.swap_in = Measured::approximate(ByteRate(2_097_152.0), "without memory.stat");
        view.psi = Measured::absent("this kernel has no PSI for cgroup v1");
        let lines = &attached(view, None)[1].inputs;
        for expected in [
            "RSS: 1843 MiB",
            "swapped in: 2.0 MiB/s (~ without memory.stat)",
            "PSI some of its cgroup: - (this kernel has no PSI for cgroup v1)",
            "guest statistics: - (not known)",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:?}");
        }
    }

    #[test]
    fn what_a_guest_says_has_its_age() {
        let guest = GuestObservation {
            age: Some(Nanos(1_500_000_000)),
            available: Some(Bytes(900 << 20)),
            ..GuestObservation::default()
        };
        let lines = &attached(fixture::vm("web", 7), Some(guest))[1].inputs;
        for expected in ["guest statistics: 1.5 s old", "guest available: 900 MiB"] {
            assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:?}");
        }
        assert!(lines.iter().any(|line| line.starts_with("guest major faults: - (takes two")));
    }

    #[test]
    fn rates_of_the_host_say_over_what() {
        let lines = &attached(fixture::vm("web", 7), None)[0].inputs;
        assert_eq!(lines[0], "rates are over the last 1.0 s");
        assert_eq!(lines[1], "available: - (not known)");
    }
}
