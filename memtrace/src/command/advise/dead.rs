//! Unused memory: held by the host, free in the guest; and how to reclaim it.

use serde::Serialize;

use super::basis::Sure;
use super::gather::{Record, VmAccount};
use memtrace_core::units::Bytes;

/// Thresholds from which it is reported: amount, and share of a VM's memory on the host.
const WORTH: Bytes = Bytes(256 << 20);
const SHARE: f64 = 0.05;

/// The fix that reclaims unused memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cure {
    /// There is too little of it.
    None,
    /// Free page reporting for good, and the balloon for now.
    Reporting,
    /// It has no balloon device accessible to memtrace.
    Device,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct DeadAdvice {
    pub(super) name: String,
    /// Its median, and its 95th percentile.
    pub(super) p50: Bytes,
    pub(super) p95: Bytes,
    /// The part of it that is in swap, p50: it lies between these two.
    pub(super) swapped_least: Option<Bytes>,
    pub(super) swapped_most: Option<Bytes>,
    /// p50 of its memory on the host, resident and swapped.
    pub(super) footprint: Option<Bytes>,
    pub(super) cure: Cure,
    pub(super) sure: Sure,
}

/// All VMs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Dead {
    /// Most first; those of which it is known.
    pub(super) vms: Vec<DeadAdvice>,
    /// Number of VMs for which it is unknown.
    pub(super) unknown: usize,
}

pub(super) fn advise(record: &Record) -> Dead {
    let mut vms: Vec<DeadAdvice> = record.vms.values().filter_map(of).collect();
    vms.sort_by(|one, other| other.p50.cmp(&one.p50).then_with(|| one.name.cmp(&other.name)));
    Dead { unknown: record.vms.len() - vms.len(), vms }
}

/// `None`: not known at any time.
fn of(vm: &VmAccount) -> Option<DeadAdvice> {
    let dead = &vm.dead;
    let p50 = dead.amount.quantile(0.5).map(Bytes)?;
    let footprint = vm.footprint.quantile(0.5).map(Bytes);
    let is_much = footprint.is_none_or(|all| p50.0 as f64 >= all.0 as f64 * SHARE);
    let cure = match p50 >= WORTH && is_much {
        false => Cure::None,
        true if vm.has_balloon => Cure::Reporting,
        true => Cure::Device,
    };
    Some(DeadAdvice {
        name: vm.name.clone(),
        p50,
        p95: dead.amount.quantile(0.95).map(Bytes)?,
        swapped_least: dead.swapped_least.quantile(0.5).map(Bytes),
        swapped_most: dead.swapped_most.quantile(0.5).map(Bytes),
        footprint,
        cure,
        sure: Sure::of(dead.amount.seconds(), vm.seconds),
    })
}

impl Cure {
    /// Property: QEMU's hw/virtio/virtio-balloon.c (5.1); guest: mm/page_reporting.c (Linux 5.7);
    /// libvirt's domain format has `freePageReporting` since 6.9.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Reporting => {
                "fix: free page reporting (free-page-reporting=on of its balloon device; libvirt \
                 <memballoon model='virtio' freePageReporting='on'/>; Linux 5.7 in the guest) \
                 gives \
                 it back as it is freed, from the VM's next start on; until then its balloon, down \
                 to what it needs and up again, which drops what is in swap without reading it"
            }
            Self::Device => {
                "fix: a balloon device, which is missing or not accessible, with free \
                 page reporting (libvirt <memballoon model='virtio' freePageReporting='on'/>)"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::advise::tick::{Key, Tick, VmTick};

    fn record(name: &str, change: impl Fn(&mut VmTick)) -> Record {
        let mut record = Record::default();
        let mut vm = VmTick {
            key: Key::Name(name.to_owned()),
            name: name.to_owned(),
            actual: Some(Bytes(8 << 30)),
            // shakenfist/shakenfist#3920.
            resident: Some(Bytes::from_kib(3_396_252)),
            swap: Some(Bytes::from_kib(5_155_624)),
            dead: Some(Bytes::from_kib(5_255_620)),
            ..VmTick::default()
        };
        change(&mut vm);
        for _ in 0..30 {
            record.add(&Tick { seconds: 86_400.0, vms: vec![vm.clone()], ..Tick::default() });
        }
        record
    }

    #[test]
    fn the_numbers_of_the_thread_that_asked_for_it() {
        let dead = advise(&record("vm", |_| {}));
        let [vm] = &dead.vms[..] else { panic!("{dead:?}") };
        assert_eq!(vm.p50, Bytes::from_kib(5_255_620));
        assert_eq!(vm.swapped_least, Some(Bytes::from_kib(1_859_368)));
        assert_eq!(vm.swapped_most, Some(Bytes::from_kib(5_155_624)));
        assert_eq!((vm.cure, vm.sure), (Cure::Reporting, Sure::High));
    }

    #[test]
    fn the_cure_is_for_what_is_worth_it() {
        let cure = |change: &dyn Fn(&mut VmTick)| advise(&record("vm", change)).vms[0].cure;
        assert_eq!(cure(&|vm| vm.actual = None), Cure::Device);
        assert_eq!(cure(&|vm| vm.dead = Some(Bytes(255 << 20))), Cure::None);
        let large = |vm: &mut VmTick| {
            (vm.resident, vm.dead) = (Some(Bytes(64 << 30)), Some(Bytes(1 << 30)));
        };
        assert_eq!(cure(&large), Cure::None);
    }

    #[test]
    fn a_vm_with_unknown_dead_memory_is_counted() {
        let dead = advise(&record("vm", |vm| vm.dead = None));
        assert_eq!((dead.vms.len(), dead.unknown), (0, 1));
    }
}
