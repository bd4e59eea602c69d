//! Dead memory, with the numbers of the thread that asked for it (shakenfist#3920).

use crate::fixture::samples::{MIB, after};
use crate::model::Measured;
use crate::sample::VmSample;
use crate::units::{Bytes, WallNanos};

fn shakenfist(vm: &mut VmSample) {
    vm.process.rss = Some(Bytes::from_kib(3_396_252));
    vm.process.swap = Some(Bytes::from_kib(5_155_624));
    vm.guest.maximum = Some(Bytes(8192 * MIB));
    vm.guest.actual = vm.guest.maximum;
    if let Some(stats) = &mut vm.guest.stats {
        stats.total = Some(Bytes(7940 * MIB));
        stats.free = Some(Bytes(4721 * MIB));
    }
}

#[test]
fn dead_memory_is_what_the_host_keeps_beyond_what_the_guest_uses() {
    assert_eq!(after(shakenfist).dead, Measured::exact(Bytes::from_kib(5_255_620)));
}

#[test]
fn a_guest_that_uses_more_than_the_host_keeps_has_none() {
    let vm = after(|vm| vm.process.rss = Some(Bytes(MIB)));
    assert_eq!(vm.dead, Measured::exact(Bytes(0)));
}

#[test]
fn what_a_process_keeps_beyond_its_vms_size_is_no_guests() {
    let vm = after(|vm| {
        shakenfist(vm);
        vm.process.swap = Some(Bytes::from_kib(9_155_624));
    });
    assert_eq!(vm.dead.value, Some(Bytes((8192 + 256 - 7940 + 4721) * MIB)));
    let reason = vm.dead.quality.reason().expect("there is one");
    assert!(reason.contains("beyond its size"), "{reason}");
}

#[test]
fn huge_pages_are_part_of_the_footprint() {
    let vm = after(|vm| {
        shakenfist(vm);
        vm.process.hugetlb = Some(Bytes(MIB));
    });
    assert_eq!(vm.dead.value, Some(Bytes::from_kib(5_256_644)));
}

#[test]
fn an_old_answer_of_the_guest_makes_it_approximate() {
    let vm = after(|vm| {
        shakenfist(vm);
        if let Some(stats) = &mut vm.guest.stats {
            stats.updated = stats.updated.map(|at| WallNanos(at.0 - 60_000_000_000));
        }
    });
    assert_eq!(vm.dead.value, Some(Bytes::from_kib(5_255_620)));
    assert_eq!(vm.dead.quality.reason(), Some("stale: the guest last answered 61 s ago"));
}

#[test]
fn without_the_guests_numbers_it_is_unknown_with_the_reason() {
    let silent = after(|vm| {
        vm.guest.stats = None;
        vm.guest.problem = Some("no balloon device".into());
    });
    assert_eq!(silent.dead, Measured::absent("no balloon device"));
    let partial = after(|vm| {
        if let Some(stats) = &mut vm.guest.stats {
            stats.free = None;
        }
    });
    assert_eq!(partial.dead.value, None);
}

#[test]
fn a_guest_that_claims_more_free_memory_than_it_has_is_not_believed() {
    let vm = after(|vm| {
        if let Some(stats) = &mut vm.guest.stats {
            stats.free = Some(Bytes(u64::MAX));
        }
    });
    assert_eq!(vm.dead.value, None);
}

/// The same guest, measured with and without deflate-on-oom, with 600 of 1024 MiB left to it.
#[test]
fn a_guest_that_counts_its_balloon_as_its_own_has_the_same() {
    let guest = |total: u64, deflates| {
        after(|vm| {
            vm.process.rss = Some(Bytes::from_kib(415_600));
            vm.process.swap = Some(Bytes(0));
            vm.guest.deflate_on_oom = deflates;
            (vm.guest.actual, vm.guest.maximum) = (Some(Bytes(600 * MIB)), Some(Bytes(1024 * MIB)));
            if let Some(stats) = &mut vm.guest.stats {
                stats.total = Some(Bytes(total));
                stats.free = Some(Bytes(326_750_208));
                stats.available = Some(Bytes(258_260_992));
            }
        })
    };
    let off = guest(574_910_464, Some(false));
    let on = guest(1_019_506_688, Some(true));
    assert_eq!(off.dead.value, Some(Bytes(177_414_144)));
    assert_eq!((on.dead.value, on.guest_total.value), (off.dead.value, off.guest_total.value));
    // Without a word of it the guest is taken as it says.
    assert_eq!(guest(574_910_464, None).dead, off.dead);
    let empty = after(|vm| {
        (vm.guest.actual, vm.guest.maximum) = (Some(Bytes(8192 * MIB)), Some(Bytes(8192 * MIB)));
        vm.guest.deflate_on_oom = Some(true);
        shakenfist(vm);
    });
    assert_eq!(empty.guest_total.value, Some(Bytes(7940 * MIB)));
}
