//! A host whose right answers are known.

use super::*;
use crate::command::advise::tick::{HostTick, Key, Need, Tick, VmTick};

const GIB: u64 = 1 << 30;

/// A host of 64 GiB with 8 in use of its own; two VMs of 32 GiB which need 16 in turn and 4
/// otherwise.
fn record(days: u64) -> Record {
    let mut record = Record::default();
    for hour in 0..24 * days {
        let vm = |name: &str, needs: bool| {
            let need = Bytes(if needs { 16 } else { 4 } * GIB);
            VmTick {
                key: Key::Name(name.to_owned()),
                name: name.to_owned(),
                allocated: Some(Bytes(32 * GIB)),
                need: Need::Known(need),
                resident: Some(need),
                swap: Some(Bytes(0)),
                ..VmTick::default()
            }
        };
        let is_day = hour % 24 < 12;
        record.add(&Tick {
            wall: WallNanos(hour * 3_600_000_000_000),
            seconds: 3600.0,
            hour: (hour % 24) as usize,
            day: (hour / 24) as i64,
            host: HostTick {
                installed: Some(Bytes(64 * GIB)),
                available: Some(Bytes(36 * GIB)),
                allocated: Some(Bytes(64 * GIB)),
                ..HostTick::default()
            },
            vms: vec![vm("day", is_day), vm("night", !is_day)],
        });
    }
    record
}

fn advice(record: &Record, add: Option<u64>) -> HostAdvice {
    advise(record, |_| Bytes(4 * GIB), add.map(|gib| Bytes(gib * GIB)))
}

#[test]
fn the_need_of_all_is_less_than_the_sum_of_peaks() {
    let advice = advice(&record(20), None);
    assert_eq!(advice.together_peak, Some(Bytes(20 * GIB)));
    assert_eq!(advice.peaks, Bytes(32 * GIB));
    assert_eq!(advice.own, Some(Bytes(8 * GIB)));
    assert_eq!(advice.usable, Some(Bytes(52 * GIB)));
    assert_eq!((advice.ratio, advice.level), (Some(1.0), Some(Level::Fine)));
    assert_eq!((advice.safe_ratio, advice.sure), (Some(2.0), Sure::High));
    assert_eq!(advice.safe_more, Some(64 << 30));
    assert_eq!(advice.spare, Some(Bytes(32 * GIB)));
}

#[test]
fn one_more_vm_fits_surely_or_likely_or_not() {
    let record = record(20);
    for (size, fits) in [(16, Fits::Always), (40, Fits::Likely), (100, Fits::No)] {
        let added = advice(&record, Some(size)).added.expect("one is asked for");
        assert_eq!(added.fits, fits, "{size}: {added:?}");
        assert_eq!(added.worst, Some(Bytes((20 + size) * GIB)));
    }
    let nothing = advice(&Record::default(), Some(16)).added.expect("one is asked for");
    assert_eq!((nothing.fits, nothing.ratio), (Fits::Unknown, None));
}

#[test]
fn the_safe_ratio_falls_with_what_is_used() {
    let mut record = record(20);
    record.host.together_peak = Some((Bytes(52 * GIB), WallNanos(1)));
    let advice = advice(&record, None);
    assert!(advice.safe_ratio.is_some_and(|safe| (safe - 1.0 / 1.2).abs() < 1e-9), "{advice:?}");
    assert!(advice.safe_more.is_some_and(|more| more < 0));
}

#[test]
fn levels_are_the_operators() {
    for (ratio, level) in [
        (1.0, Level::Fine),
        (1.49, Level::Fine),
        (1.5, Level::Warning),
        (2.0, Level::Critical),
        (3.0, Level::Critical),
    ] {
        assert_eq!(Level::of(ratio), level);
    }
}
