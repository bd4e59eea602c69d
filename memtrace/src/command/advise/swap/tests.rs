//! Hosts whose swap has a right answer.

use super::*;
use crate::command::advise::gather::VmAccount;
use crate::command::advise::host;
use crate::command::advise::tick::{HostTick, Key, Need, Tick, VmTick};
use memtrace_core::sample::SwapDevice;
use memtrace_core::settings::{VmTable, Which};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// What a record is of: GiB that are needed by night and day, MiB/s that come back from swap,
/// GiB in swap and GiB that are dead.
#[derive(Clone, Copy)]
struct Case {
    needs: [u64; 2],
    reads: u64,
    swap: u64,
    dead: u64,
    device: Option<&'static str>,
}

const CALM: Case = Case { needs: [20, 20], reads: 0, swap: 0, dead: 0, device: Some("/dev/sda2") };

/// Twenty days of a host of 64 GiB with a swap of 16 GiB and one VM.
fn advice(case: Case, rules: &Rules) -> SwapAdvice {
    let mut record = Record::default();
    for hour in 0..480_u64 {
        let need = case.needs[usize::from(hour % 24 >= 12)] * GIB;
        let vm = VmTick {
            key: Key::Name("db".to_owned()),
            name: "db".to_owned(),
            need: Need::Known(Bytes(need)),
            resident: Some(Bytes(need)),
            swap: Some(Bytes(case.swap * GIB)),
            dead: Some(Bytes(case.dead * GIB)),
            ..VmTick::default()
        };
        let device = |path: &str| SwapDevice {
            path: path.to_owned(),
            kind: "partition".to_owned(),
            size: Bytes(16 * GIB),
            used: Bytes(case.swap * GIB),
            priority: 0,
        };
        let total = if case.device.is_some() { 16 } else { 0 };
        record.add(&Tick {
            seconds: 3600.0,
            hour: (hour % 24) as usize,
            host: HostTick {
                installed: Some(Bytes(64 * GIB)),
                swap_total: Some(Bytes(total * GIB)),
                swap_used: Some(Bytes(case.swap * GIB)),
                swap_in: Some((case.reads * MIB) as f64),
                swaps: case.device.map(device).into_iter().collect(),
                ..HostTick::default()
            },
            vms: vec![vm],
            ..Tick::default()
        });
    }
    let host = host::advise(&record, |_| Bytes(4 * GIB), None);
    advise(&record, &host, rules)
}

fn critical() -> Rules {
    let settings = VmSettings { priority: Some(Priority::High), ..VmSettings::default() };
    let which = Which::Name("db".to_owned());
    Rules { vms: vec![VmTable { which, settings, labels: Default::default() }], ..Rules::default() }
}

#[test]
fn a_host_with_enough_memory_needs_none() {
    let advice = advice(CALM, &critical());
    assert_eq!((advice.advice, advice.size), (Swap::NotNeeded, None));
    assert_eq!((advice.steady, advice.short), (Some(true), Some(Bytes(0))));
    assert_eq!(advice.critical, ["db"]);
    assert!(advice.why.iter().any(|why| why.contains("memory.swap.max=0")), "{advice:?}");
}

#[test]
fn there_is_room_for_what_is_dead_and_for_what_peaks_lack() {
    let rules = Rules::default();
    let dead = advice(Case { swap: 10, dead: 10, ..CALM }, &rules);
    assert_eq!((dead.advice, dead.size), (Swap::Enough, Some(Bytes(12 * GIB))));
    assert_eq!((dead.dead_least, dead.dead_most), (Some(Bytes(0)), Some(Bytes(10 * GIB))));
    // 1.2 times 70 GiB are 24 more than the 60 that can be used.
    let peaks = advice(Case { needs: [20, 70], ..CALM }, &rules);
    assert_eq!((peaks.advice, peaks.size), (Swap::More, Some(Bytes(24 * GIB))));
    assert_eq!(peaks.steady, Some(false));
    let short = advice(Case { needs: [20, 70], ..CALM }, &critical());
    assert!(
        short.why.iter().any(|why| why.contains("not known whether the host has enough")),
        "{short:?}"
    );
}

#[test]
fn swap_that_is_full_is_too_small() {
    let full = advice(Case { swap: 15, ..CALM }, &Rules::default());
    assert_eq!((full.advice, full.size), (Swap::Enough, Some(Bytes(18 * GIB + 3 * GIB / 4))));
}

#[test]
fn swap_that_is_read_back_calls_for_zswap() {
    let rules = Rules::default();
    let leant = Case { reads: 20, swap: 4, ..CALM };
    let disk = advice(leant, &rules);
    assert_eq!((disk.leant, disk.compression), (Some(Percent(100.0)), Compression::Zswap));
    assert!(disk.why[0].contains("add memory, not swap"), "{disk:?}");
    let zram = advice(Case { device: Some("/dev/zram0"), ..leant }, &rules);
    assert_eq!(zram.compression, Compression::None);
    let dead = Case { device: Some("/dev/zram0"), swap: 4, dead: 22, ..CALM };
    assert_eq!(advice(dead, &rules).compression, Compression::Disk);
    let none = advice(Case { device: None, needs: [20, 70], ..CALM }, &rules);
    assert_eq!((none.advice, none.compression), (Swap::More, Compression::Zram));
}

#[test]
fn too_little_data_gives_no_size() {
    let record = Record::default();
    let host = host::advise(&record, |_| Bytes(GIB), None);
    let advice = advise(&record, &host, &Rules::default());
    assert_eq!((advice.advice, advice.size, advice.leant), (Swap::TooLittle, None, None));
}

#[test]
fn a_uuid_makes_a_vm_critical_too() {
    let uuid = uuid::Uuid::from_u128(7);
    let mut record = Record::default();
    let account = VmAccount { name: "db".to_owned(), ..VmAccount::default() };
    record.vms.insert(Key::Uuid(uuid), account);
    let mut rules = critical();
    rules.vms[0].which = Which::Uuid(uuid);
    assert_eq!(super::critical(&record, &rules), ["db"]);
}
