//! What is known where the kernel side counts nothing: what files, hypervisors and guests
//! tell, and no field more.

use std::collections::BTreeSet;

use super::walk::measured;
use crate::fixture::samples::{flow, party, sample, uncounted, vm, without_kernel_side};
use crate::model::{Snapshot, derive};
use crate::sample::{Accelerator, Party, Sample};

/// The numbers of a host that need no kernel side.
const OF_HOST: [&str; 16] = [
    "allocated",
    "direct_reclaims",
    "direct_reclaims_total",
    "kswapd_reclaim",
    "memory_available",
    "memory_cached",
    "memory_free",
    "memory_total",
    "overcommit",
    "psi",
    "swap_in",
    "swap_in_total",
    "swap_out",
    "swap_out_total",
    "swap_total",
    "swap_used",
];
/// Those of a VM. Faults, major ones, swap-ins and swap-outs are from files then, as its OOM kills.
const OF_VM: [&str; 30] = [
    "balloon_actual",
    "balloon_maximum",
    "cgroup_high",
    "cgroup_limit",
    "cgroup_usage",
    "cpu",
    "cpu_time",
    "dead",
    "faults",
    "guest_age",
    "guest_available",
    "guest_stats",
    "guest_total",
    "hugetlb",
    "locked",
    "major_faults",
    "oom_kills",
    "process_faults",
    "process_major_faults",
    "psi",
    "refaults",
    "rss",
    "rss_shmem",
    "state",
    "swap",
    "swap_in",
    "swap_out",
    "threads/0/cpu",
    "threads/0/major_faults",
    "threads/0/minor_faults",
];

/// Two samples in which everything is known, of a VM that KVM runs and of one that it doesn't.
fn known() -> [Sample; 2] {
    [10, 11].map(|second| {
        let (kvm, mut tcg) = (vm("kvm", 1), vm("tcg", 2));
        tcg.accelerator = Some(Accelerator::Tcg);
        let flows = vec![flow(Party::Kswapd, party(&kvm), second)];
        Sample { flows: Some(flows), ..sample(second, vec![kvm, tcg]) }
    })
}

/// The names below `prefix` of the known numbers; each other number has a reason.
fn known_of(snapshot: &Snapshot, prefix: &str) -> BTreeSet<String> {
    let json = serde_json::to_value(snapshot).expect("a snapshot serialises");
    let reasoned = |path: &str| {
        let reason = json.pointer(&format!("{path}/reason"));
        assert!(reason.is_some_and(|reason| reason != ""), "{path} is absent without a reason");
    };
    let all = measured(snapshot).into_iter();
    let (absent, present): (Vec<_>, Vec<_>) =
        all.map(|(path, _, quality)| (path, quality)).partition(|(_, quality)| quality == "absent");
    absent.iter().for_each(|(path, _)| reasoned(path));
    present.iter().filter_map(|(path, _)| path.strip_prefix(prefix)).map(str::to_owned).collect()
}

fn names(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn without_the_kernel_side_there_are_the_numbers_that_need_none() {
    let [before, now] = known().map(|sample| without_kernel_side(sample, "CAP_BPF is missing"));
    let snapshot = derive(Some(&before), &now);
    assert_eq!(known_of(&snapshot, "/host/"), names(&OF_HOST));
    for index in 0..2 {
        assert_eq!(known_of(&snapshot, &format!("/vms/{index}/")), names(&OF_VM));
    }
    assert_eq!(known_of(&snapshot, "/flows"), names(&[]));
    let reason = snapshot.vms[0].caused_pages.quality.reason();
    assert_eq!(reason, Some("CAP_BPF is missing"));
}

#[test]
fn of_a_vm_that_the_kernel_side_does_not_count_there_are_the_same() {
    for from in 0..2 {
        let mut samples = known();
        samples[from..].iter_mut().for_each(|sample| uncounted(&mut sample.vms[1]));
        let [before, now] = samples;
        let snapshot = derive(Some(&before), &now);
        assert_eq!(known_of(&snapshot, "/vms/1/"), names(&OF_VM), "from sample {from} on");
    }
}

#[test]
fn of_a_vm_whose_counting_just_began_no_flows_are_known() {
    let [mut before, now] = known();
    uncounted(&mut before.vms[1]);
    let snapshot = derive(Some(&before), &now);
    let reason = snapshot.vms[1].caused_pages.quality.reason();
    assert_eq!(reason, Some("the kernel side began to count this VM in this interval"));
    assert_eq!(snapshot.vms[1].caused.value, None);
}
