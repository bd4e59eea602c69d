//! Hooks that are attached on demand, and what passes while they are not.

use super::*;
use crate::live::fake;

const VMSTAT: &str = "pgscan_anon 5\npswpin 7\npswpout 3\n";

/// A source whose hooks are detached, after its first sample.
fn resting(host: &FakeHost) -> (LiveSource, Remote) {
    host.file("proc/vmstat", VMSTAT);
    let (kernel, remote) = fake::kernel();
    remote.state.lock().unwrap().can_rest = true;
    let mut source = LiveSource::new(host.root(), Ok(kernel), LiveOptions::default());
    let hooks = source.sample(None).unwrap().host.hooks.unwrap();
    assert!(hooks.attached && hooks.on_demand, "they are attached at first");
    source.detach_hooks().unwrap();
    assert!(rests(&remote));
    (source, remote)
}

fn rests(remote: &Remote) -> bool {
    remote.state.lock().unwrap().rests
}

fn missed(sample: &Sample, signal: Signal) -> Option<u64> {
    sample.host.counters.as_ref().unwrap().missed_by_signal.get(&signal).copied()
}

#[test]
fn pressure_attaches_them_at_once_and_nothing_is_missed_where_nothing_was_taken() {
    for kind in [EVENT_KSWAPD, EVENT_DIRECT_RECLAIM, EVENT_MEMCG_RECLAIM, EVENT_LONG_STALL] {
        let host = host();
        let (mut source, remote) = resting(&host);
        remote.send(event(kind, 50));
        source.wait(Duration::from_secs(10)).unwrap();
        assert!(!rests(&remote), "{kind}");
        let sample = source.sample(None).unwrap();
        assert!(sample.host.hooks.unwrap().attached);
        assert_eq!(missed(&sample, Signal::Flows), None);
    }
}

#[test]
fn a_host_at_rest_keeps_them_detached() {
    let host = host();
    let (mut source, remote) = resting(&host);
    let sample = source.sample(None).unwrap();
    assert!(rests(&remote));
    assert!(!sample.host.hooks.unwrap().attached);
    remote.send(event(EVENT_EXITED, 999));
    source.wait(Duration::from_millis(20));
    assert!(rests(&remote));
}

#[test]
fn totals_of_the_host_that_move_attach_them_and_tell_what_was_missed() {
    let host = host();
    let (mut source, remote) = resting(&host);
    host.file("proc/vmstat", "pgscan_anon 105\npswpin 7\npswpout 3\n");
    let sample = source.sample(None).unwrap();
    assert!(!rests(&remote) && sample.host.hooks.unwrap().attached);
    for signal in [Signal::SwapIn, Signal::SwapOut, Signal::ShmemTaken, Signal::Flows] {
        assert_eq!(missed(&sample, signal), Some(100), "{signal:?}");
    }
    assert_eq!(missed(&sample, Signal::DirectReclaim), None);
    // What moves while they are attached is seen.
    host.file("proc/vmstat", "pgscan_anon 5105\npswpin 7\npswpout 900\n");
    assert_eq!(missed(&source.sample(None).unwrap(), Signal::Flows), Some(100));
}

#[test]
fn what_went_to_swap_without_them_is_the_rise_of_vmswap() {
    let host = host();
    let (mut source, remote) = resting(&host);
    remote.state.lock().unwrap().swap_ins_need_vmswap = true;
    let counted = VmReading { from_start: true, ..VmReading::default() };
    remote.state.lock().unwrap().reading =
        Reading { at: Nanos(1), vms: [(50, counted.clone())].into(), ..Reading::default() };
    remote.state.lock().unwrap().fresh = [(50, VmCounters::ZERO)].into();
    let vm = |sample: &Sample| {
        let vm = only(sample);
        let pages = vm.process.swap.unwrap().0 / 4096;
        (vm.counters.unwrap().swap_out_pages, vm.swap_base, pages)
    };
    // All that it has in swap went there without the hook.
    let (out, base, swapped) = vm(&source.sample(None).unwrap());
    assert!(swapped > 0);
    assert_eq!((out, base), (swapped, Some(0)));
    // The same is not counted again, and the hook goes on from there.
    let (again, ..) = vm(&source.sample(None).unwrap());
    assert_eq!(again, swapped);
}

#[test]
fn hooks_that_cannot_be_attached_again_are_told_and_tried_again() {
    let host = host();
    let (mut source, remote) = resting(&host);
    remote.state.lock().unwrap().refuses = true;
    host.file("proc/vmstat", "pgscan_anon 6\npswpin 7\npswpout 3\n");
    let sample = source.sample(None).unwrap();
    let told = |sample: &Sample| {
        sample.notices.iter().any(|notice| notice.text.contains("attached again"))
    };
    assert!(told(&sample) && rests(&remote));
    host.file("proc/vmstat", "pgscan_anon 60\npswpin 7\npswpout 3\n");
    remote.state.lock().unwrap().refuses = false;
    let sample = source.sample(None).unwrap();
    assert!(!told(&sample) && !rests(&remote));
    assert_eq!(missed(&sample, Signal::SwapOut), Some(55));
}

#[test]
fn without_such_hooks_all_are_attached_all_the_time() {
    let host = host();
    let (mut source, _) = source(&host);
    let hooks = source.sample(None).unwrap().host.hooks.unwrap();
    assert!(hooks.attached && !hooks.on_demand);
    assert!(source.detach_hooks().is_err());
}
