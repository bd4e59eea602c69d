//! Gathers the audit's facts about one VM: command line, files, and hypervisor.

use std::collections::BTreeSet;

use crate::command::doctor::audit::facts::{
    Balloon, BalloonDriver, Cgroup, Known, Memory, Owner, Statistics, VmFacts,
};
use memtrace_core::model::without_balloon;
use memtrace_core::sample::GuestStats;
use memtrace_core::settings::{VmSettings, VmTable};
use memtrace_core::units::{Bytes, Nanos, WallNanos};
use memtrace_host::hostfs::{HostRoot, Keeper, cgroup, numa, process};
use memtrace_host::vmm::discover::FoundVm;
use memtrace_host::vmm::inspection::{BalloonDevice, Inspection, Unanswered};
use memtrace_host::vmm::name;
use memtrace_host::vmm::naming::NamedVm;
use memtrace_host::vmm::qemu::{Libvirt, no_monitor};

const SILENT: &str = "not reported by QEMU";

/// `said`: the hypervisor's answer, or why there is none.
pub(super) fn facts(
    root: &HostRoot,
    keeper: &Keeper,
    vm: &FoundVm,
    said: Result<Inspection, Unanswered>,
    settings: &Known<Vec<VmTable>>,
    named: NamedVm,
    now: WallNanos,
) -> VmFacts {
    let description = &vm.description;
    let qemu = description.qemu.as_ref();
    let memory = || match qemu {
        Some(qemu) => qemu.size(),
        None => Err("only QEMU's command line says a size".to_owned()),
    };
    let owner = owner(vm, &said);
    let (passed, encrypted) = (description.vfio, description.is_encrypted());
    let labels = named.labels.clone();
    let cpuset =
        numa::allowed(root, vm.pid).map_err(|error| format!("/proc/{}/status: {error}", vm.pid));
    VmFacts {
        id: vm.id,
        name: description.name.clone(),
        pid: vm.pid,
        size: match &said {
            Ok(inspection) => inspection.maximum.map_or_else(memory, Ok),
            Err(reason) => memory().map_err(|unsaid| both(&reason.to_string(), &unsaid)),
        },
        vfio: match (&said, passed) {
            (Ok(inspection), _) => Ok(inspection.vfio || passed == Some(true)),
            (Err(_), Some(passed)) => Ok(passed),
            (Err(reason), None) => Err(reason.to_string()),
        },
        encrypted: match encrypted {
            Some(encrypted) => Ok(encrypted),
            None if qemu.is_some() => Err(unread(vm)),
            // Others say it where they do it.
            None => Ok(false),
        },
        labels,
        balloon: balloon(vm, &said, now),
        balloon_driver: qemu.map(|qemu| qemu.balloon_driver).unwrap_or_default(),
        memory: memory_of(root, keeper, vm.pid),
        nodes: nodes_of(cpuset.clone(), vm),
        cpuset,
        settings: settings_of(vm, &said, settings).map(|settings| settings.or(named.settings)),
        cgroup: cgroup_of(root, keeper, vm.pid),
        owner,
    }
}

fn owner(vm: &FoundVm, said: &Result<Inspection, Unanswered>) -> Owner {
    let Some(qemu) = &vm.description.qemu else {
        return Owner::Other(vm.description.vmm.clone());
    };
    match (qemu.libvirt, qemu.qmp_sockets.first()) {
        (Some(Libvirt::System), _) => match said {
            Ok(_) => Owner::Libvirt,
            Err(Unanswered::OtherLibvirt) => Owner::Elsewhere(
                "its libvirt isn't this host's, which doesn't know the VM".to_owned(),
            ),
            // Whether there is such a domain isn't known, so neither are commands for it.
            Err(Unanswered::Failed(reason)) => Owner::Elsewhere(reason.clone()),
        },
        (Some(Libvirt::Session | Libvirt::Contained), _) => match said {
            Ok(_) => Owner::OtherLibvirt,
            Err(reason) => Owner::Elsewhere(reason.to_string()),
        },
        (None, Some(path)) => Owner::Qmp(name::display(path)),
        (None, None) if qemu.unread.is_some() => Owner::Unknown(no_monitor(Some(qemu))),
        (None, None) => Owner::None(no_monitor(Some(qemu))),
    }
}

/// Two reasons for which the same is unknown. Why there is no monitor may be why nothing else is.
fn both(reason: &str, other: &str) -> String {
    if reason.contains(other) { reason.to_owned() } else { format!("{reason}; {other}") }
}

fn unread(vm: &FoundVm) -> String {
    let qemu = vm.description.qemu.as_ref();
    qemu.and_then(|qemu| qemu.unread.clone()).unwrap_or_else(|| SILENT.to_owned())
}

/// From the hypervisor; else from the command line, which lacks hot-plugged devices.
fn balloon(
    vm: &FoundVm,
    said: &Result<Inspection, Unanswered>,
    now: WallNanos,
) -> Known<Option<Balloon>> {
    let options = vm.description.qemu.as_ref().and_then(|qemu| qemu.balloon);
    let driver = options.unwrap_or_default().driver;
    let reason = match said {
        Ok(inspection) => {
            let device = inspection.balloon.as_ref();
            return Ok(device.map(|device| asked(device, driver, inspection, now)));
        }
        Err(reason) => reason.to_string(),
    };
    let options = options.ok_or_else(|| reason.clone())?;
    Ok(Some(Balloon {
        path: None,
        driver,
        deflate_on_oom: Ok(options.deflate_on_oom),
        free_page_reporting: Ok(options.free_page_reporting),
        actual: Err(reason.clone()),
        statistics: Err(reason),
    }))
}

fn asked(
    device: &BalloonDevice,
    driver: BalloonDriver,
    inspection: &Inspection,
    now: WallNanos,
) -> Balloon {
    let (actual, maximum) = (inspection.actual, inspection.maximum);
    let told = |flag: Option<bool>| flag.ok_or_else(|| SILENT.to_owned());
    let period = device.period.ok_or_else(|| SILENT.to_owned());
    Balloon {
        path: device.path.as_deref().map(name::display),
        driver,
        deflate_on_oom: told(device.deflate_on_oom),
        free_page_reporting: told(device.free_page_reporting),
        actual: actual.ok_or_else(|| SILENT.to_owned()),
        statistics: period.map(|period| {
            let total = device.stats.total;
            let total =
                total.map(|total| without_balloon(total, device.deflate_on_oom, actual, maximum));
            statistics(period, &GuestStats { total, ..device.stats }, now)
        }),
    }
}

fn statistics(period: u64, stats: &GuestStats, now: WallNanos) -> Statistics {
    // A guest's time stamp in the future counts as now.
    let age = stats.updated.map(|updated| now.0.saturating_sub(updated.0) / Nanos::SECOND.0);
    let live = stats
        .total
        .zip(stats.free)
        .and_then(|(total, free)| Some(Bytes(total.0.checked_sub(free.0)?)));
    let told = [stats.total, stats.free, stats.available].iter().any(Option::is_some);
    Statistics { period, age, live, empty: age.is_some() && !told }
}

fn memory_of(root: &HostRoot, keeper: &Keeper, pid: u32) -> Known<Memory> {
    let read = process::memory(keeper, root, pid);
    let whole = (read.rss, read.swap, read.locked);
    let (Some(rss), Some(swap), Some(locked)) = whole else {
        return Err(format!("no VmLck in /proc/{pid}/status"));
    };
    // Kernels without CONFIG_HUGETLB_PAGE have no such line.
    let (anon, huge) = (read.rss_anon, read.hugetlb.unwrap_or_default());
    Ok(Memory { rss, anon, swap, locked, huge })
}

/// As its cpuset allows, and its command line binds.
fn nodes_of(cpuset: Known<BTreeSet<u32>>, vm: &FoundVm) -> Known<BTreeSet<u32>> {
    let allowed = cpuset?;
    let Some(qemu) = &vm.description.qemu else { return Ok(allowed) };
    let bound = qemu.nodes()?;
    if bound.is_empty() {
        return Ok(allowed);
    }
    Ok(allowed.intersection(bound).copied().collect())
}

fn settings_of(
    vm: &FoundVm,
    said: &Result<Inspection, Unanswered>,
    settings: &Known<Vec<VmTable>>,
) -> Known<VmSettings> {
    let tables = settings.as_ref().map_err(Clone::clone)?;
    let name = &vm.description.name;
    let mut configured = VmSettings::of(tables, name, vm.identity());
    if VmSettings::excludes(tables, &vm.claims(name)) {
        configured.exclude = Some(true);
    }
    match (vm.description.qemu.as_ref().and_then(|qemu| qemu.libvirt), said) {
        (_, Ok(inspection)) => Ok(inspection.settings.or(configured)),
        // Its metadata could have more.
        (Some(Libvirt::System), Err(reason @ Unanswered::Failed(_)))
            if configured.minimum.is_none() =>
        {
            Err(reason.to_string())
        }
        (_, Err(_)) => Ok(configured),
    }
}

fn cgroup_of(root: &HostRoot, keeper: &Keeper, pid: u32) -> Known<Option<Cgroup>> {
    let found = cgroup::find(root, pid)?;
    if found.is_root() {
        return Ok(None);
    }
    let levels = cgroup::levels::read(keeper, &found).map_err(|error| format!("limit: {error}"))?;
    Ok(Some(Cgroup { path: found.path, version: found.version.number(), levels }))
}
