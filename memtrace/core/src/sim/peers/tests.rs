//! Each rule does what its description says, on hosts made up by hand.

use super::common::MIB;
use super::*;
use crate::policy::{
    Action, Decision, GuestObservation, Observation, ScopeObservation, VmObservation,
};
use crate::sample::VmId;
use crate::units::{Bytes, Nanos, Percent};

const GIB: u64 = 1 << 30;

fn vm(pid: u32, actual: u64, free: u64) -> VmObservation {
    let guest = GuestObservation { free: Some(Bytes(free)), ..GuestObservation::default() };
    VmObservation {
        actual: Some(Bytes(actual)),
        maximum: Some(Bytes(4 * GIB)),
        guest: Some(guest),
        rss: Some(Bytes(actual)),
        ..VmObservation::unknown(VmId::Process { pid, start: 1 }, "vm")
    }
}

/// A host of 10 GiB.
fn host(second: u64, available: u64, psi: f64, vms: Vec<VmObservation>) -> Observation {
    let scope = ScopeObservation {
        total: Some(Bytes(10 * GIB)),
        available: Some(Bytes(available)),
        psi_some: Some(Percent(psi)),
        ..ScopeObservation::default()
    };
    Observation { at: Nanos(second * Nanos::SECOND.0), scope, vms }
}

/// Where the orders of a step go, in MiB, by pid.
fn sizes(policy: &mut impl Policy, observation: &Observation) -> Vec<(u32, u64)> {
    let size = |decision: Decision| match (decision.vm, decision.action) {
        (VmId::Process { pid, .. }, Action::Balloon { to, .. }) => (pid, to.0 / MIB),
        other => panic!("no balloon: {other:?}"),
    };
    policy.step(observation).actions.into_iter().map(size).collect()
}

fn first(mut policy: impl Policy, observation: &Observation) -> Vec<(u32, u64)> {
    sizes(&mut policy, observation)
}

#[test]
fn nothing_is_nothing() {
    assert_eq!(first(nothing::Nothing, &host(1, 0, 100.0, vec![vm(1, 4 * GIB, GIB)])), []);
}

#[test]
fn mom_shrinks_by_5_percent_down_to_what_is_used_and_below_when_it_is_critical() {
    let mom = |available, free| {
        first(mom::Mom::default(), &host(1, available, 0.0, vec![vm(1, 4 * GIB, free)]))
    };
    assert_eq!(mom(GIB, 2 * GIB), [(1, 3891)]);
    // 3.5 GiB are used, and a tenth of 4 GiB stays free.
    assert_eq!(mom(GIB, GIB / 2), [(1, 3993)]);
    assert_eq!(mom(GIB, 0), []);
    assert_eq!(mom(0, 0), [(1, 3891)]);
    let grown = first(mom::Mom::default(), &host(1, 3 * GIB, 0.0, vec![vm(1, 2 * GIB, 0)]));
    assert_eq!(grown, [(1, 2150)]);
}

#[test]
fn mom_acts_every_ten_seconds() {
    let mut mom = mom::Mom::default();
    let mut acts = |second: &u64| {
        let host = host(*second, GIB, 0.0, vec![vm(1, 4 * GIB, 2 * GIB)]);
        !sizes(&mut mom, &host).is_empty()
    };
    let seconds: Vec<u64> = (1..22).filter(|second| acts(second)).collect();
    assert_eq!(seconds, [1, 11, 21]);
}

#[test]
fn proxmox_takes_100_mib_from_those_with_a_quarter_free_and_then_from_all() {
    let used = |missing: u64| {
        let vms = vec![vm(1, 4 * GIB, 2 * GIB), vm(2, 4 * GIB, 0)];
        first(proxmox::Proxmox::default(), &host(1, 2 * GIB - missing, 0.0, vms))
    };
    assert_eq!(used(50 * MIB), [(1, 4046)]);
    assert_eq!(used(GIB), [(1, 3996), (2, 3996)]);
    assert_eq!(used(9 * MIB), []);
    let small = host(1, 4 * GIB, 0.0, vec![vm(1, 3 * GIB, 0)]);
    assert_eq!(first(proxmox::Proxmox::default(), &small), [(1, 3172)]);
}

#[test]
fn squeezed_gives_everybody_the_same_share() {
    let vms = vec![vm(1, 4 * GIB, 0), vm(2, 4 * GIB, 0)];
    // 8 GiB are held, and half a GiB is missing to the reserve.
    let sizes = first(squeezed::Squeezed::default(), &host(1, 0, 0.0, vms));
    assert_eq!(sizes, [(1, 3840), (2, 3840)]);
}

#[test]
fn squeezed_leaves_an_inactive_balloon_to_the_others() {
    let mut policy = squeezed::Squeezed::default();
    let mut step = |second, size| {
        sizes(&mut policy, &host(second, 0, 0.0, vec![vm(1, 4 * GIB, 0), vm(2, size, 0)]))
    };
    assert_eq!(step(1, 4 * GIB).len(), 2);
    // The second went where it was told, the first didn't.
    let seconds = (2..=10).map(|second| step(second, 3840 * MIB));
    assert_eq!(seconds.flatten().collect::<Vec<_>>(), []);
    assert_eq!(step(11, 3840 * MIB), [(2, 3328)]);
}

#[test]
fn hypeman_takes_what_is_missing_by_headroom_and_cools_down() {
    let mut policy = hypeman::Hypeman::default();
    let mut step = |second, available| {
        let vms = vec![vm(1, 4 * GIB, 0), vm(2, 3 * GIB, 0)];
        sizes(&mut policy, &host(second, available, 0.0, vms))
    };
    assert_eq!(step(1, GIB * 14 / 10), []);
    assert_eq!(step(3, GIB), [(1, 3840), (2, 2901)]);
    assert_eq!(step(5, GIB), []);
    // Between 10 and 15 % it goes on.
    assert_eq!(step(9, GIB * 14 / 10), [(1, 4027), (2, 3008)]);
    assert_eq!(step(15, 2 * GIB), [(2, 3328)]);
}

#[test]
fn pi_begins_at_10_and_ends_at_a_third() {
    let sizes_at = |psi| first(pi::Pi::default(), &host(1, 0, psi, vec![vm(1, 4 * GIB, 0)]));
    assert_eq!(sizes_at(9.0), []);
    assert_eq!(sizes_at(50.0), [(1, 2586)]);
    let mut policy = pi::Pi::default();
    let last = (0..100)
        .map(|round| sizes(&mut policy, &host(5 * round, 0, 100.0, vec![vm(1, 4 * GIB, 0)])))
        .last();
    assert_eq!(last, Some(vec![(1, 1351)]));
}
