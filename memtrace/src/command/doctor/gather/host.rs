//! Gathers the audit's facts about the host.

use std::io;
use std::path::Path;

use crate::command::doctor::audit::facts::{
    HostFacts, HugePages, Known, Ksm, Reactor, ReactorKind, SWAP_FILE, Swap,
};
use memtrace_core::units::{Bytes, Pages};
use memtrace_host::hostfs::{
    HostRoot, arc, backing, block, filesystem, meminfo, merging, numa, process, swaps,
};
use memtrace_host::vmm;

/// Maximum number reported.
const MOST_SWAPS: usize = 64;
const MOST_REACTORS: usize = 16;

pub(super) fn facts(root: &HostRoot) -> HostFacts {
    HostFacts {
        memory: meminfo::read(root)
            .map(|meminfo| meminfo.total)
            .map_err(|error| format!("/proc/meminfo: {error}")),
        swaps: devices(root),
        ksm: ksm(root),
        huge_pages: huge_pages(root),
        reactors: reactors(root),
        swap_file_system: filesystem::kind(root, Path::new(SWAP_FILE))
            .map_err(|error| format!("/proc/self/mountinfo: {error}")),
        nodes: nodes(root),
        arc: arc::read(root).map_err(|error| format!("arcstats: {error}")),
        zone_reclaim_mode: zone_reclaim_mode(root),
    }
}

fn devices(root: &HostRoot) -> Known<Vec<Swap>> {
    let devices = match swaps::read(root) {
        // A kernel without swap has no such file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        devices => devices.map_err(|error| format!("/proc/swaps: {error}"))?,
    };
    let devices = devices.into_iter().take(MOST_SWAPS).map(|device| Swap {
        rotational: block::rotational(root, &device),
        backing: backing::of(root, &device),
        free: device.size.saturating_sub(device.used),
        path: device.path,
        priority: device.priority,
    });
    Ok(devices.collect())
}

/// None on a kernel without NUMA.
fn nodes(root: &HostRoot) -> Known<Vec<numa::Node>> {
    let nodes = there(numa::nodes(root)).map(Option::unwrap_or_default);
    nodes.map_err(|error| format!("/sys/devices/system/node: {error}"))
}

fn zone_reclaim_mode(root: &HostRoot) -> Known<u64> {
    let mode = there(numa::zone_reclaim_mode(root)).map(Option::unwrap_or_default);
    mode.map_err(|error| format!("vm.zone_reclaim_mode: {error}"))
}

fn ksm(root: &HostRoot) -> Known<Option<Ksm>> {
    let page = Bytes(u64::try_from(rustix::param::page_size()).unwrap_or(4096));
    let known = there(merging::ksm(root)).map_err(|error| format!("/sys/kernel/mm/ksm: {error}"));
    known.map(|ksm| ksm.map(|ksm| Ksm { run: ksm.run, saved: Pages(ksm.saved_pages).bytes(page) }))
}

fn huge_pages(root: &HostRoot) -> Known<Option<HugePages>> {
    let known = there(merging::huge_pages(root))
        .map_err(|error| format!("/sys/kernel/mm/transparent_hugepage: {error}"))?;
    Ok(known.map(|huge| HugePages {
        enabled: huge.enabled,
        defrag: huge.defrag,
        fills: huge.max_ptes_none,
    }))
}

/// A missing file means an unsupported feature: `None`.
fn there<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// By their commands, which are untrusted; used in messages only.
fn reactors(root: &HostRoot) -> Known<Vec<Reactor>> {
    let pids = process::ids(root).map_err(|error| format!("/proc: {error}"))?;
    let found = pids.into_iter().filter_map(|pid| {
        let stat = process::stat(root, pid).ok().filter(|stat| !stat.is_zombie())?;
        Some(Reactor { kind: kind(root, pid, &stat.comm)?, pid })
    });
    let mut found: Vec<Reactor> = found.take(MOST_REACTORS).collect();
    found.sort_by_key(|reactor| (reactor.kind, reactor.pid));
    Ok(found)
}

fn kind(root: &HostRoot, pid: u32, command: &str) -> Option<ReactorKind> {
    Some(match command {
        "momd" => ReactorKind::Mom,
        "vdsmd" | "vdsm" => ReactorKind::Vdsm,
        "pvestatd" => ReactorKind::Pvestatd,
        "ksmtuned" => ReactorKind::Ksmtuned,
        "memtrace" => {
            let arguments = vmm::arguments(root, pid).ok()?;
            let mitigates = arguments.list.iter().skip(1).any(|argument| argument == "mitigate");
            mitigates.then_some(ReactorKind::Memtrace)?
        }
        _ => return None,
    })
}
