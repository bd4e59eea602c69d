//! The checks of the host's NUMA nodes: a node can be full while the host has memory.

use std::collections::BTreeSet;

use super::facts::{Facts, Node, Owner, VmFacts};
use super::finding::{Answer, Found, Severity, known};
use super::words::{at_next_start, size, virsh};
use memtrace_core::format::several;
use memtrace_core::units::Bytes;

/// Of a node's memory, per cent: with less available it is full, while others have so much.
const FULL: f64 = 5.0;
const ROOM: f64 = 20.0;

/// Whether a full node is reclaimed from while others have memory.
pub fn reclaim(facts: &Facts) -> Answer {
    let mode = *known(&facts.host.zone_reclaim_mode)?;
    if mode == 0 || known(&facts.host.nodes)?.len() < 2 {
        return Ok(None);
    }
    Ok(Some(Found {
        severity: Severity::Warning,
        finding: format!("vm.zone_reclaim_mode is {mode}"),
        consequence:
            "a full node is reclaimed from although others have free memory: VMs stall and \
                      swap on a host that has memory"
                .to_owned(),
        commands: vec![
            "echo vm.zone_reclaim_mode=0 >/etc/sysctl.d/60-memtrace.conf && sysctl -p \
             /etc/sysctl.d/60-memtrace.conf"
                .to_owned(),
        ],
        fix: None,
    }))
}

/// Whether it may use a part of the nodes only, and whether those are full.
pub fn binding(vm: &VmFacts, facts: &Facts) -> Answer {
    let nodes = known(&facts.host.nodes)?;
    if nodes.len() < 2 {
        return Ok(None);
    }
    let nodes = with_cache(nodes, *known(&facts.host.arc)?);
    let allowed = known(&vm.nodes)?;
    let (mine, others): (Vec<&Node>, Vec<&Node>) =
        nodes.iter().partition(|node| allowed.contains(&node.number));
    if others.is_empty() {
        return Ok(None);
    }
    let full = share(&mine) < FULL && share(&others) >= ROOM;
    Ok(Some(Found {
        severity: if full { Severity::Warning } else { Severity::Note },
        finding: format!(
            "its memory is bound to {} of {} ({}), with {} available there and {} elsewhere",
            several(mine.len() as u64, "node"),
            nodes.len(),
            list(allowed),
            size(available(&mine)),
            size(available(&others))
        ),
        consequence:
            "when these nodes are full it is swapped out, however much the host has free: \
                      memtrace's numbers are the whole host's, and memory that it is given makes \
                      it worse"
                .to_owned(),
        commands: match vm.owner {
            Owner::Libvirt => vec![virsh(
                vm,
                "edit",
                "# <memory mode='preferred'/> in <numatune>; takes effect at the next start",
            )],
            // It holds whatever the VM is started with.
            _ if nodes.iter().any(|node| is_outside_cpuset(vm, node)) => vec![
                "# allow more nodes in its cpuset: AllowedMemoryNodes= of its unit, or cpuset.mems \
                 of the cgroup that sets them"
                    .to_owned(),
            ],
            _ => at_next_start(vm, "", "policy=preferred in place of policy=bind", ""),
        },
        fix: None,
    }))
}

fn is_outside_cpuset(vm: &VmFacts, node: &Node) -> bool {
    vm.cpuset.as_ref().is_ok_and(|allowed| !allowed.contains(&node.number))
}

/// Nodes with their shares of ZFS' cache, which tells of itself as a whole and lies on all of them.
fn with_cache(nodes: &[Node], arc: Bytes) -> Vec<Node> {
    let all = nodes.iter().fold(Bytes(0), |sum, node| sum.saturating_add(node.total));
    let with_its_share = |node: &Node| {
        let share = node.total.share_of(all).map_or(0.0, |share| share.0 / 100.0);
        let cache = Bytes((arc.0 as f64 * share) as u64);
        Node { available: node.available.saturating_add(cache), ..*node }
    };
    nodes.iter().map(with_its_share).collect()
}

fn available(nodes: &[&Node]) -> Bytes {
    nodes.iter().fold(Bytes(0), |sum, node| sum.saturating_add(node.available))
}

/// Of the nodes' memory, per cent.
fn share(nodes: &[&Node]) -> f64 {
    let total = nodes.iter().fold(Bytes(0), |sum, node| sum.saturating_add(node.total));
    available(nodes).share_of(total).map_or(0.0, |share| share.0)
}

fn list(nodes: &BTreeSet<u32>) -> String {
    let words: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    words.join(",")
}
