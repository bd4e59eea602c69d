//! The rule: what makes a VM quiet, and when its turn comes.

use proptest::prelude::*;

use super::*;
use memtrace_core::sample::{Psi, PsiLine};
use memtrace_core::signal::Quality;

const SECOND: u64 = Nanos::SECOND.0;

fn stat() -> Vitals {
    Vitals { minor_faults: 100, threads: 4, resident_pages: Some(50), ..Default::default() }
}

fn signs() -> ActivitySigns {
    ActivitySigns::new(VmCounters::ZERO, &stat(), &GuestSample::default())
}

fn kept() -> LastReading {
    let process = ProcessSample { rss: Some(Bytes(7)), ..Default::default() };
    let cgroup = CgroupSample { usage: Some(Bytes(9)), ..Default::default() };
    LastReading {
        at: Nanos(0),
        moved: Nanos(0),
        signs: Some(signs()),
        process,
        cgroup: Some(cgroup),
    }
}

fn pressure(avg10: f64) -> Option<Psi> {
    let some = PsiLine { avg10, avg60: 1.0, avg300: 1.0, total_us: 5 };
    Some(Psi { some, full: None })
}

#[test]
fn a_vm_is_still_while_no_sign_moves() {
    assert!(kept().is_still(&signs(), || Some(Bytes(9))));
    let cpu = Vitals { cpu_ticks: 999, ..stat() };
    let works = ActivitySigns::new(VmCounters::ZERO, &cpu, &GuestSample::default());
    assert!(kept().is_still(&works, || Some(Bytes(9))), "a guest that only works");
}

#[test]
fn late_kernel_counters_are_waited_for() {
    let read =
        |second| LastReading { at: Nanos(second * SECOND), moved: Nanos(7 * SECOND), ..kept() };
    assert!(!read(9).is_told(), "however long ago that is by now");
    assert!(read(10).is_told());
}

#[test]
fn every_sign_counts() {
    let counters = |counters| ActivitySigns::new(counters, &stat(), &GuestSample::default());
    let of = |stat: Vitals| ActivitySigns::new(VmCounters::ZERO, &stat, &GuestSample::default());
    let balloon = GuestSample { actual: Some(Bytes(1)), ..Default::default() };
    for moved in [
        counters(VmCounters { guest_faults: 1, ..VmCounters::ZERO }),
        counters(VmCounters { swap_out_pages: 1, ..VmCounters::ZERO }),
        counters(VmCounters { memcg_reclaims: 1, ..VmCounters::ZERO }),
        of(Vitals { minor_faults: 101, ..stat() }),
        of(Vitals { major_faults: 1, ..stat() }),
        of(Vitals { threads: 5, ..stat() }),
        of(Vitals { size: Some(1), ..stat() }),
        of(Vitals { resident_pages: Some(49), ..stat() }),
        ActivitySigns::new(VmCounters::ZERO, &stat(), &balloon),
    ] {
        assert!(!kept().is_still(&moved, || Some(Bytes(9))), "{moved:?}");
    }
    assert!(!kept().is_still(&signs(), || Some(Bytes(8))), "its cgroup's usage");
    assert!(!kept().is_still(&signs(), || None), "a usage that can't be read any more");
}

#[test]
fn a_failed_reading_is_retried() {
    let usage = || Some(Bytes(9));
    assert!(!LastReading::default().is_still(&signs(), || None));
    let unread = LastReading { process: ProcessSample::default(), ..kept() };
    assert!(!unread.is_still(&signs(), usage));
    let with = |change: fn(&mut CgroupSample)| {
        let mut kept = kept();
        kept.cgroup.iter_mut().for_each(change);
        kept.is_still(&signs(), usage)
    };
    assert!(with(|_| {}));
    assert!(!with(|cgroup| cgroup.problem = Some("memory.stat: gone".into())));
    assert!(with(|cgroup| cgroup.psi = pressure(0.0)));
    assert!(!with(|cgroup| cgroup.psi = pressure(0.01)), "it fades");
}

#[test]
fn without_a_cgroup_there_is_no_usage_to_wait_for() {
    let kept = LastReading { cgroup: None, ..kept() };
    assert!(kept.is_still(&signs(), || None));
}

#[test]
fn counters_tell_that_nothing_moved_only_where_swap_is_seen() {
    let status =
        |signal, hooked| SignalStatus { signal, source: None, hooked, quality: Quality::Exact };
    assert!(are_seen(&[status(Signal::UserFaults, true), status(Signal::SwapIn, true)]));
    assert!(!are_seen(&[status(Signal::UserFaults, true), status(Signal::SwapIn, false)]));
    assert!(!are_seen(&[]));
}

#[test]
fn turns_are_spread_over_the_ticks() {
    for vms in [0..1000, 4_000_000..4_001_000] {
        for second in 0..5 {
            let [last, now] = [second, second + 1].map(|second| Nanos(second * SECOND));
            let due = vms.clone().filter(|pid| turn_came(*pid, last, now)).count();
            assert!((150..300).contains(&due), "{due} of 1000 in second {second}");
        }
    }
}

proptest! {
    /// Whatever the ticks, nothing is older than the longest time.
    #[test]
    fn nothing_in_a_sample_is_older_than_promised(
        pid in any::<u32>(),
        ticks in proptest::collection::vec(1..12 * SECOND, 1..40),
    ) {
        let (mut now, mut read) = (0, 0);
        for tick in ticks {
            now += tick;
            if turn_came(pid, Nanos(read), Nanos(now)) {
                read = now;
            }
            prop_assert!(now - read < LONGEST.0);
        }
    }

    #[test]
    fn with_ticks_of_five_seconds_everything_is_read_each_time(
        pid in any::<u32>(),
        last in 0..1_u64 << 60,
        early in 0..SECOND / 3,
    ) {
        prop_assert!(turn_came(pid, Nanos(last), Nanos(last + LONGEST.0 - early)));
    }
}
