//! The checks of NUMA nodes, with the numbers of a host whose node 0 is full.

use super::*;

const NODE_0: Node = Node { number: 0, total: Bytes(48 * GIB), available: Bytes(150 * MIB) };
const NODE_1: Node = Node { number: 1, total: Bytes(48 * GIB), available: Bytes(40 * GIB) };

fn of_vm(nodes: &[Node], allowed: &[u32], owner: Owner) -> Option<Finding> {
    let mut vm = vm("web", 1);
    vm.nodes = Ok(allowed.iter().copied().collect());
    vm.owner = owner;
    let mut facts = facts(vec![vm]);
    facts.host.nodes = Ok(nodes.to_vec());
    found(&facts, "numa_binding")
}

#[test]
fn a_vm_that_is_bound_to_a_full_node_is_reported() {
    let full = of_vm(&[NODE_0, NODE_1], &[0], Owner::Libvirt).expect("it is told");
    assert_eq!(full.severity, Severity::Warning);
    assert!(full.finding.contains("bound to 1 node of 2 (0), with 150M available"), "{full:?}");
    assert!(full.commands[0].contains("mode='preferred'"), "{full:?}");
    let roomy = of_vm(&[NODE_0, NODE_1], &[1], Owner::Qmp("/q".to_owned())).expect("it is told");
    assert_eq!(roomy.severity, Severity::Note);
    assert!(roomy.commands[0].contains("policy=preferred"), "{roomy:?}");
}

#[test]
fn who_is_bound_by_a_cpuset_gets_the_cure_for_that() {
    let mut vm = vm("web", 1);
    (vm.nodes, vm.cpuset) = (Ok([0].into()), Ok([0].into()));
    vm.owner = Owner::Qmp("/q".to_owned());
    let mut facts = facts(vec![vm]);
    facts.host.nodes = Ok(vec![NODE_0, NODE_1]);
    let bound = found(&facts, "numa_binding").expect("it is told");
    let cure = &bound.commands[0];
    assert!(cure.contains("AllowedMemoryNodes=") && !cure.contains("policy="), "{bound:?}");
    facts.vms[0].owner = Owner::Libvirt;
    let bound = found(&facts, "numa_binding").expect("it is told");
    assert!(bound.commands[0].contains("mode='preferred'"), "libvirt sets the cpuset: {bound:?}");
}

#[test]
fn a_node_has_its_share_of_zfs_cache() {
    let mut vm = vm("web", 1);
    vm.nodes = Ok([0].into());
    let mut facts = facts(vec![vm]);
    facts.host.nodes = Ok(vec![NODE_0, Node { total: Bytes(16 * GIB), ..NODE_1 }]);
    facts.host.arc = Ok(Bytes(8 * GIB));
    let roomy = found(&facts, "numa_binding").expect("it is told");
    assert_eq!(roomy.severity, Severity::Note);
    assert!(roomy.finding.contains("with 6.1G available there and 42G elsewhere"), "{roomy:?}");
    facts.host.arc = Err("arcstats: damaged".to_owned());
    let unknown = found(&facts, "numa_binding").expect("it is told");
    assert_eq!(unknown.severity, Severity::Unknown);
}

#[test]
fn a_vm_that_may_use_all_nodes_is_fine() {
    for (nodes, allowed) in
        [(&[NODE_0, NODE_1][..], &[0, 1][..]), (&[NODE_0], &[0]), (&[], &[0]), (&[NODE_0], &[])]
    {
        assert_eq!(of_vm(nodes, allowed, Owner::Libvirt), None, "{nodes:?} {allowed:?}");
    }
}

#[test]
fn reclaim_of_a_full_node_is_reported_where_there_are_others() {
    let check = |mode, nodes: &[Node]| {
        let mut facts = facts(vec![]);
        facts.host.zone_reclaim_mode = Ok(mode);
        facts.host.nodes = Ok(nodes.to_vec());
        found(&facts, "numa")
    };
    assert_eq!(check(0, &[NODE_0, NODE_1]), None);
    assert_eq!(check(1, &[NODE_0]), None);
    let finding = check(1, &[NODE_0, NODE_1]).expect("it is told");
    assert_eq!(finding.severity, Severity::Warning);
    assert_eq!(
        finding.commands,
        ["echo vm.zone_reclaim_mode=0 >/etc/sysctl.d/60-memtrace.conf && sysctl -p \
         /etc/sysctl.d/60-memtrace.conf"]
    );
}
