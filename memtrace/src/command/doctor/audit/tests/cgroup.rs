//! The check of cgroup limits: a VM's own, and those above it.

use super::vm::no_socket;
use super::*;

/// The finding for a VM of this size, with these limits from its own cgroup upwards.
fn of_levels(bytes: u64, levels: Vec<Level>) -> Option<Finding> {
    let mut vm = vm("web", 1);
    vm.size = Ok(Bytes(bytes));
    let path = levels.first().map(|level| level.path.clone()).unwrap_or_default();
    vm.cgroup = Ok(Some(Cgroup { path, version: 2, levels }));
    found(&facts(vec![vm]), "cgroup_limit")
}

#[test]
fn a_limit_under_the_size_swaps_or_kills() {
    let limited = |limit| {
        let mut vm = vm("web", 1);
        vm.cgroup = Ok(Some(cgroup("web", Limit::At(Bytes(limit)))));
        vm
    };
    let mut facts = facts(vec![limited(GIB)]);
    let swapped = found(&facts, "cgroup_limit").expect("it is under the size");
    assert_eq!(swapped.severity, Severity::Warning);
    assert!(swapped.commands[0].contains("--hard-limit -1 --live"), "{swapped:?}");
    facts.host.swaps = Ok(vec![]);
    let killed = found(&facts, "cgroup_limit").expect("it is under the size");
    assert_eq!(killed.severity, Severity::Critical);
    facts.vms = vec![limited(4 * GIB + 256 * MIB)];
    assert_eq!(found(&facts, "cgroup_limit"), None);
    facts.vms[0].cgroup = Ok(None);
    assert_eq!(found(&facts, "cgroup_limit"), None, "the root cgroup has no limit");
}

#[test]
fn vms_in_one_cgroup_share_its_limit() {
    let together = |number| {
        let mut vm = vm("pool", number);
        vm.owner = no_socket();
        vm.cgroup = Ok(Some(cgroup("pool", Limit::At(Bytes(6 * GIB)))));
        vm
    };
    let finding = found(&facts(vec![together(1), together(2)]), "cgroup_limit");
    let finding = finding.expect("both don't fit");
    assert_eq!(finding.finding, "6.0G, and the 2 VMs in it may use 8.0G");
    assert_eq!(finding.commands, ["echo max >/sys/fs/cgroup/machine/pool/memory.max"]);
    assert_eq!(found(&facts(vec![together(1)]), "cgroup_limit"), None);
}

#[test]
fn a_limit_without_room_for_qemu_or_swap_kills() {
    let of_limit = |limit: u64, no_swap: bool| {
        let swap = if no_swap { Limit::At(Bytes(0)) } else { Limit::Unlimited };
        of_levels(12 * GIB, vec![Level { swap, ..level("/machine/web", Limit::At(Bytes(limit))) }])
    };
    let equal = of_limit(12 * GIB, true).expect("it leaves nothing");
    assert_eq!(equal.severity, Severity::Critical);
    assert!(equal.finding.contains("leaves 0B beside the memory of the VM"), "{equal:?}");
    assert!(equal.consequence.contains("the kernel kills the VM"), "{equal:?}");
    let swaps = of_limit(12 * GIB + 200 * MIB, false).expect("it leaves too little");
    assert_eq!(swaps.severity, Severity::Warning);
    assert_eq!(of_limit(13 * GIB, true), None);
}

#[test]
fn some_swap_is_no_swap_for_the_rest() {
    let with = |swap: u64| {
        let level = level("/machine/web", Limit::At(Bytes(3 * GIB)));
        of_levels(6 * GIB, vec![Level { swap: Limit::At(Bytes(swap)), ..level }])
    };
    assert_eq!(with(GIB).expect("it doesn't fit").severity, Severity::Critical);
    assert_eq!(with(4 * GIB).expect("it is swapped").severity, Severity::Warning);
}

#[test]
fn a_limit_above_is_for_all_below_it() {
    let mut vms: Vec<VmFacts> = (1..=3).map(|number| vm("web", number)).collect();
    let pool = level("/pool.slice", Limit::At(Bytes(9 * GIB)));
    for (number, vm) in vms.iter_mut().enumerate() {
        let path = format!("/pool.slice/vm{number}.scope");
        let levels = vec![level(&path, Limit::At(Bytes(8 * GIB))), pool.clone()];
        vm.cgroup = Ok(Some(Cgroup { path, version: 2, levels }));
        vm.owner = no_socket();
    }
    let finding = found(&facts(vms), "cgroup_limit").expect("together they don't fit");
    assert_eq!(finding.finding, "9.0G in /pool.slice, and the 3 VMs in it may use 12G");
    assert_eq!(finding.commands, ["echo max >/sys/fs/cgroup/pool.slice/memory.max"]);
}

#[test]
fn a_neighbour_of_unknown_size_hides_no_limit_of_its_own() {
    let mut vms: Vec<VmFacts> = (1..=2).map(|number| vm("web", number)).collect();
    let pool = level("/pool.slice", Limit::At(Bytes(64 * GIB)));
    for (number, vm) in vms.iter_mut().enumerate() {
        let path = format!("/pool.slice/vm{number}.scope");
        let own = if number == 0 { Limit::At(Bytes(GIB)) } else { Limit::Unlimited };
        let levels = vec![level(&path, own), pool.clone()];
        vm.cgroup = Ok(Some(Cgroup { path, version: 2, levels }));
    }
    vms[1].size = nothing_known();
    let finding = found(&facts(vms.clone()), "cgroup_limit").expect("it is under the size");
    assert_eq!(finding.severity, Severity::Warning);
    vms[0].cgroup = vms[1].cgroup.clone();
    let finding = found(&facts(vms), "cgroup_limit").expect("it is told");
    assert_eq!(finding.severity, Severity::Unknown);
}

#[test]
fn no_swap_of_its_own_counts_at_a_limit_above() {
    let own = Level { swap: Limit::At(Bytes(0)), ..level("/a/b", Limit::Unlimited) };
    let finding = of_levels(4 * GIB, vec![own, level("/a", Limit::At(Bytes(4 * GIB)))]);
    assert_eq!(finding.expect("it leaves nothing").severity, Severity::Critical);
}

#[test]
fn beyond_memory_high_it_is_slow_and_not_killed() {
    let high = Level {
        high: Limit::At(Bytes(2 * GIB)),
        swap: Limit::At(Bytes(0)),
        ..level("/machine/web", Limit::Unlimited)
    };
    let finding = of_levels(4 * GIB, vec![high]).expect("it is told");
    assert_eq!(finding.severity, Severity::Warning);
    assert!(finding.consequence.contains("slowed down"), "{finding:?}");
    assert!(finding.commands[0].contains("--soft-limit -1"), "{finding:?}");
}

#[test]
fn what_does_not_fit_into_the_hosts_swap_is_killed() {
    let mut vm = vm("web", 1);
    vm.size = Ok(Bytes(6 * GIB));
    vm.cgroup = Ok(Some(cgroup("web", Limit::At(Bytes(3 * GIB)))));
    let mut facts = facts(vec![vm]);
    let with = |facts: &mut Facts, free: u64, swapped: u64| {
        facts.host.swaps.as_mut().expect("there is one")[0].free = Bytes(free);
        facts.vms[0].memory.as_mut().expect("it is known").swap = Bytes(swapped);
        found(facts, "cgroup_limit").expect("it is under the size").severity
    };
    assert_eq!(with(&mut facts, GIB, 0), Severity::Critical);
    assert_eq!(with(&mut facts, 12 * GIB, 0), Severity::Warning);
    assert_eq!(with(&mut facts, 3 * GIB, 0), Severity::Critical, "QEMU needs more than its guest");
    assert_eq!(with(&mut facts, GIB, 5 * GIB / 2), Severity::Warning, "its own is in swap already");
}

#[test]
fn what_else_is_in_the_cgroup_is_counted() {
    let with = |anon: Option<u64>, own: Option<u64>| {
        let mut vm = vm("web", 1);
        vm.size = Ok(Bytes(GIB));
        let limit = level("/machine/web", Limit::At(Bytes(GIB + 260 * MIB)));
        let levels = vec![Level { anon: anon.map(Bytes), ..limit }];
        vm.cgroup = Ok(Some(Cgroup { path: "/machine/web".to_owned(), version: 1, levels }));
        vm.memory.as_mut().expect("it is known").anon = own.map(Bytes);
        found(&facts(vec![vm]), "cgroup_limit")
    };
    assert_eq!(with(Some(600 * MIB), Some(600 * MIB)), None);
    let launcher = with(Some(830 * MIB), Some(600 * MIB)).expect("it leaves little");
    assert!(
        launcher.finding.contains("leaves 30M beside the memory of the VM and 230M of other"),
        "{launcher:?}"
    );
    for unknown in [with(None, Some(0)), with(Some(0), None)] {
        assert_eq!(unknown.expect("it is told").severity, Severity::Unknown);
    }
}

#[test]
fn the_limit_of_memory_and_swap_is_lifted_before_that_of_memory() {
    let of = |owner: Owner, both: Limit| {
        let mut vm = vm("web", 1);
        vm.owner = owner;
        let limit = Limit::At(Bytes(3 * GIB));
        let levels =
            vec![Level { swap: Limit::At(Bytes(0)), both, ..level("/machine/web", limit) }];
        vm.cgroup = Ok(Some(Cgroup { path: "/machine/web".to_owned(), version: 1, levels }));
        found(&facts(vec![vm]), "cgroup_limit").expect("it is under the size").commands
    };
    let both = Limit::At(Bytes(3 * GIB));
    let file = |name: &str| format!("echo -1 >/sys/fs/cgroup/machine/web/memory.{name}");
    let expected = [file("memsw.limit_in_bytes"), file("limit_in_bytes")];
    assert_eq!(of(no_socket(), both), expected);
    assert_eq!(of(no_socket(), Limit::Unlimited), expected[1..]);
    let libvirt = of(Owner::Libvirt, both);
    assert!(libvirt[0].contains("--swap-hard-limit -1"), "{libvirt:?}");
    assert!(libvirt[1].contains(" --hard-limit -1"), "{libvirt:?}");
}
