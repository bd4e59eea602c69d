//! What was seen, beside what was made of it: each number with its age where that
//! is known, and what limits it.

use std::collections::BTreeMap;

use super::decision::Decisions;
use super::observation::{GuestObservation, Observation, ScopeObservation, VmObservation};
use super::reason::Uncounted;
use super::thought::{Input, Quantity, Seen};
use crate::model::Snapshot;
use crate::model::snapshot::{HostView, VmView};
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

fn of_scope(seen: &ScopeObservation, view: &HostView, interval: Option<Nanos>) -> Vec<Input> {
    let of = |free: Option<Bytes>, total: Option<Bytes>| Some(Quantity::Of(free?, total?));
    let first = Quality::absent("the first sample has no rates");
    let exact = if interval.is_some() { &Quality::Exact } else { &first };
    vec![
        input(Seen::Interval, interval.map(Quantity::Time), exact),
        input(Seen::Available, of(seen.available, seen.total), &view.memory_available.quality),
        input(Seen::SwapFree, of(seen.swap_free, seen.swap_total), &view.swap_used.quality),
        input(Seen::PsiSome, seen.psi_some.map(share), &view.psi.quality),
        input(Seen::Kswapd, seen.kswapd.map(share), &view.kswapd_active.quality),
        input(Seen::DirectReclaims, seen.direct_reclaims.map(count), &view.direct_reclaims.quality),
        input(Seen::SwappedIn, seen.swap_in.map(flow), &view.swap_in.quality),
        input(Seen::SwappedOut, seen.swap_out.map(flow), &view.swap_out.quality),
    ]
}

fn of_vm(seen: &VmObservation, view: &VmView) -> Vec<Input> {
    let size = seen.actual.zip(seen.maximum).map(|(size, most)| Quantity::Of(size, most));
    let of_balloon = view.balloon_actual.quality.clone().and(view.balloon_maximum.quality.clone());
    let bytes = |value: Option<Bytes>| value.map(Quantity::Bytes);
    let of_swap = match seen.uncounted {
        Some(Uncounted::Shared) => Quality::approximate("without shared guest memory"),
        _ => view.swap.quality.clone(),
    };
    let mut inputs = vec![
        input(Seen::State, seen.state.map(Quantity::State), &view.state.quality),
        input(Seen::Size, size, &of_balloon),
        input(Seen::Rss, bytes(seen.rss), &view.rss.quality),
        input(Seen::InSwap, bytes(seen.swap), &of_swap),
        input(Seen::Dead, bytes(seen.dead), &view.dead.quality),
        input(Seen::SwappedIn, seen.swap_in.map(flow), &view.swap_in.quality),
        input(Seen::AsyncFaults, seen.async_faults.map(count), &view.async_faults.quality),
        input(Seen::Stalled, seen.stalled.map(share), &view.stalled.quality),
        input(Seen::CgroupPsiSome, seen.psi_some.map(share), &view.psi.quality),
    ];
    inputs.extend(of_guest(seen.guest.as_ref(), view));
    inputs
}

/// What the guest says, and how long ago it said so.
fn of_guest(seen: Option<&GuestObservation>, view: &VmView) -> Vec<Input> {
    let Some(guest) = seen else {
        return vec![input(Seen::GuestStatistics, None, &view.guest_stats.quality)];
    };
    let bytes = |value: Option<Bytes>| value.map(Quantity::Bytes);
    let rate = |what: Seen, value: Option<Quantity>| {
        input(what, value, &Quality::absent("needs two guest statistics that have it"))
    };
    let of_available = &view.guest_available.quality;
    vec![
        input(Seen::GuestStatistics, guest.age.map(Quantity::Time), &view.guest_age.quality),
        input(Seen::GuestAvailable, bytes(guest.available), of_available),
        input(Seen::GuestFree, bytes(guest.free), of_available),
        input(Seen::GuestTotal, bytes(guest.total), &view.guest_total.quality),
        rate(Seen::GuestMajorFaults, guest.major_faults.map(count)),
        rate(Seen::GuestSwapsIn, guest.swap_in.map(flow)),
        rate(Seen::GuestSwapsOut, guest.swap_out.map(flow)),
    ]
}

/// `quality` limits a value that there is, and says why there is none.
fn input(what: Seen, value: Option<Quantity>, quality: &Quality) -> Input {
    let reason = match (&value, quality) {
        (Some(_), Quality::Approximate(reason)) => Some(reason.to_string()),
        (Some(_), _) => None,
        (None, quality) => quality.reason().map(str::to_owned),
    };
    Input { what, value, limit: reason }
}

const fn share(value: Percent) -> Quantity {
    Quantity::Share(value.0)
}

const fn count(value: Rate) -> Quantity {
    Quantity::PerSecond(value.0)
}

const fn flow(value: ByteRate) -> Quantity {
    Quantity::BytesPerSecond(value.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::model::Measured;
    use crate::policy::thought::Thought;

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
        let thought = &attached(view, None)[1];
        let of = |what| thought.inputs.iter().find(|input| input.what == what).expect("seen");
        assert_eq!(of(Seen::Rss).value, Some(Quantity::Bytes(Bytes(1843 << 20))));
        assert_eq!(of(Seen::Rss).limit, None);
        assert_eq!(of(Seen::SwappedIn).value, Some(Quantity::BytesPerSecond(2_097_152.0)));
        assert_eq!(of(Seen::SwappedIn).limit.as_deref(), Some("without memory.stat"));
        let psi = of(Seen::CgroupPsiSome);
        assert_eq!(psi.value, None);
        assert_eq!(psi.limit.as_deref(), Some("this kernel has no PSI for cgroup v1"));
        assert_eq!(of(Seen::GuestStatistics).value, None);
    }

    #[test]
    fn swap_of_a_process_is_without_shared_guest_memory() {
        let mut view = fixture::vm("web", 7);
        view.swap = Measured::absent("guest memory is shared");
        let uncounted = Some(Uncounted::Shared);
        let swap = Some(Bytes(65_536));
        let seen = VmObservation { swap, uncounted, ..VmObservation::unknown(view.id, "web") };
        let inputs = of_vm(&seen, &view);
        let input = inputs.iter().find(|input| input.what == Seen::InSwap).expect("seen");
        assert_eq!(input.value, Some(Quantity::Bytes(Bytes(65_536))));
        assert_eq!(input.limit.as_deref(), Some("without shared guest memory"));
    }

    #[test]
    fn what_a_guest_says_has_its_age() {
        let guest = GuestObservation {
            age: Some(Nanos(1_500_000_000)),
            available: Some(Bytes(900 << 20)),
            ..GuestObservation::default()
        };
        let thought = &attached(fixture::vm("web", 7), Some(guest))[1];
        let of = |what| thought.inputs.iter().find(|input| input.what == what).expect("seen");
        let age = of(Seen::GuestStatistics).value;
        assert_eq!(age, Some(Quantity::Time(Nanos(1_500_000_000))));
        assert_eq!(of(Seen::GuestAvailable).value, Some(Quantity::Bytes(Bytes(900 << 20))));
        let faults = of(Seen::GuestMajorFaults);
        assert!(
            faults.limit.as_ref().is_some_and(|why| why.starts_with("needs two guest statistics"))
        );
    }

    #[test]
    fn rates_of_the_host_say_over_what() {
        let inputs = &attached(fixture::vm("web", 7), None)[0].inputs;
        let interval = Quantity::Time(Nanos(1_000_000_000));
        assert_eq!((inputs[0].what, inputs[0].value), (Seen::Interval, Some(interval)));
        assert_eq!((inputs[1].what, inputs[1].value), (Seen::Available, None));
    }
}
