//! Whole samples of fake hosts with a made-up kernel side.

mod demand;
mod oom;
mod outside;
mod process;
mod quiet;

use memtrace_core::sample::Topic;
use std::time::Instant;

use memtrace_ebpf::{
    EVENT_APPEARED, EVENT_DIRECT_RECLAIM, EVENT_EXITED, EVENT_FOUND, EVENT_KSWAPD,
    EVENT_LONG_STALL, EVENT_MEMCG_RECLAIM, EVENT_OOM_KILL, Event, VmCounters,
};

use super::fake::{QEMU, Remote, host, source};
use super::*;
use crate::hostfs::fake::{FakeHost, FakeProcess};
use crate::probe::{FlowReading, Taker, VmReading};
use memtrace_core::sample::VmLabels;
use memtrace_core::sample::{FlowSample, Manager, Party, VmSample, VmState};
use memtrace_core::settings::{VmSettings, VmTable};
use memtrace_core::source::Sign;
use memtrace_core::units::Pages;

const ID: VmId = VmId::Process { pid: 50, start: 777 };

fn event(kind: u32, tgid: u32) -> Event {
    Event { kind, tgid, ..Event::default() }
}

fn only(sample: &Sample) -> &VmSample {
    assert_eq!(sample.vms.len(), 1);
    &sample.vms[0]
}

#[test]
fn everything_comes_together() {
    let host = host();
    let (mut source, remote) = source(&host);
    let counters = VmCounters { swap_in_pages: 5, ..VmCounters::default() };
    let counted = VmReading { counters, from_start: true, ..VmReading::default() };
    remote.state.lock().unwrap().reading =
        Reading { at: Nanos(42), vms: [(50, counted)].into(), ..Reading::default() };
    let sample = source.sample(None).unwrap();
    assert_eq!(sample.at, Nanos(42));
    assert_eq!(sample.host.hostname.as_deref(), Some("näme"));
    assert_eq!(sample.host.meminfo.unwrap().total, Bytes(8192));
    assert_eq!(sample.host.vmstat.unwrap().pswpin, Some(7));
    assert!(sample.host.counters.is_some());
    assert_eq!(sample.signals.len(), 1);
    assert_eq!(sample.notices, []);

    let vm = only(&sample);
    assert_eq!((vm.id, vm.name.as_str()), (ID, "näme with spaces"));
    assert_eq!(vm.allocated, Some(Bytes(512 << 20)));
    assert_eq!(vm.process.rss, Some(Bytes::from_kib(501_760)));
    assert_eq!(vm.process.major_faults, Some(20));
    assert_eq!(vm.cgroup.as_ref().unwrap().limit_hits, Some(3));
    assert_eq!(vm.cgroup.as_ref().unwrap().vms, 1);
    assert_eq!(vm.counters.unwrap().swap_in_pages, 5);
    assert!(vm.counted_from_start);
    assert_eq!(vm.manager, Manager::None);
    assert!(vm.guest.problem.is_some() && vm.threads.is_none());
    // Its cgroup is its alone, and the kernel side knows.
    assert_eq!(remote.state.lock().unwrap().tracked[&50].cgroups.len(), 1);
}

#[test]
fn without_a_kernel_side_vms_are_shown_with_what_files_say() {
    let host = host();
    let kernel = Err("needs CAP_BPF".to_owned());
    let mut source = LiveSource::new(host.root(), kernel, LiveOptions::default());
    let sample = source.sample(None).unwrap();
    assert!(only(&sample).process.rss.is_some());
    assert!(only(&sample).counters.is_none());
    assert!(sample.flows.is_none() && sample.host.counters.is_none());
    assert_eq!(sample.signals.len(), Signal::ALL.len());
    assert!(sample.signals.iter().all(|status| status.quality.reason() == Some("needs CAP_BPF")));
    assert!(sample.at.0 > 0);
    // It waits its time nevertheless, and no longer.
    let begun = Instant::now();
    source.wait(Duration::from_millis(20));
    assert!(begun.elapsed() >= Duration::from_millis(20));
}

#[test]
fn a_shared_cgroup_belongs_to_no_vm() {
    let host = host();
    let (mut source, remote) = source(&host);
    source.sample(None).unwrap();
    assert_eq!(remote.state.lock().unwrap().tracked[&50].cgroups.len(), 1);
    host.process(&FakeProcess { pid: 60, ..QEMU });
    let sample = source.sample(None).unwrap();
    assert!(sample.vms.iter().all(|vm| vm.cgroup.as_ref().unwrap().vms == 2));
    let state = remote.state.lock().unwrap();
    assert_eq!((state.tracked[&50].cgroups.len(), state.tracked[&60].cgroups.len()), (0, 0));
}

#[test]
fn strangers_in_the_cgroup_make_it_shared_and_companions_do_not() {
    let host = host();
    host.file("sys/fs/cgroup/pool/vm/cgroup.procs", "50\n70\n");
    host.process(&FakeProcess { pid: 70, comm: "swtpm", ..FakeProcess::default() });
    let (mut with_companion, remote) = source(&host);
    with_companion.sample(None).unwrap();
    assert_eq!(remote.state.lock().unwrap().tracked[&50].cgroups.len(), 1);
    host.process(&FakeProcess { pid: 70, comm: "mysqld", ..FakeProcess::default() });
    let (mut with_stranger, remote) = source(&host);
    with_stranger.sample(None).unwrap();
    assert_eq!(remote.state.lock().unwrap().tracked[&50].cgroups.len(), 0);
}

#[test]
fn kernel_threads_in_the_cgroup_work_for_the_vm() {
    let host = host();
    host.file("sys/fs/cgroup/pool/vm/cgroup.procs", "50\n71\n");
    host.file(
        "proc/71/stat",
        "71 (kvm-nx-lpage-re) S 2 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 900 0 0\n",
    );
    let (mut source, remote) = source(&host);
    source.sample(None).unwrap();
    assert_eq!(remote.state.lock().unwrap().tracked[&50].cgroups.len(), 1);
}

#[test]
fn a_vm_that_appears_is_known_before_the_next_sample() {
    // By its exec, or by its first KVM fault.
    for kind in [EVENT_APPEARED, EVENT_FOUND] {
        let host = host();
        host.end(50);
        let (mut source, remote) = source(&host);
        assert!(source.sample(None).unwrap().vms.is_empty());
        host.process(&QEMU);
        remote.send(event(kind, 50));
        source.wait(Duration::from_millis(30));
        assert_eq!(source.discovery.vms().count(), 1, "event {kind}");
        assert_eq!(remote.state.lock().unwrap().forgotten, [0_u32; 0]);
    }
}

#[test]
fn a_slot_that_was_given_for_nothing_is_given_back() {
    let host = host();
    let arguments = &["qemu-img", "info"];
    let program = "/usr/bin/qemu-img";
    host.process(&FakeProcess { pid: 61, comm: "qemu-img", arguments, program, ..QEMU });
    let (mut source, remote) = source(&host);
    remote.send(event(EVENT_APPEARED, 61));
    remote.send(event(EVENT_APPEARED, 9999));
    source.wait(Duration::from_millis(30));
    assert_eq!(remote.state.lock().unwrap().forgotten, [61, 9999]);
}

#[test]
fn a_user_of_many_processes_keeps_no_slots_from_others() {
    let host = host();
    let (mut source, remote) = source(&host);
    // Of a process without arguments it isn't known yet whether it is a VM.
    for pid in 100..200 {
        host.process(&FakeProcess { pid, user: 1000, arguments: &[], ..QEMU });
        remote.send(event(EVENT_APPEARED, pid));
    }
    host.process(&FakeProcess { pid: 300, arguments: &[], ..QEMU });
    remote.send(event(EVENT_APPEARED, 300));
    source.wait(Duration::from_millis(30));
    let forgotten = remote.state.lock().unwrap().forgotten.clone();
    assert_eq!((forgotten.len(), forgotten.contains(&300)), (84, false));
}

#[test]
fn a_process_that_becomes_a_vm_later_keeps_its_slot() {
    let host = host();
    let arguments = &["qemu-system-x86_64", "-daemonize"];
    host.process(&FakeProcess { pid: 62, arguments, threads: 1, ..QEMU });
    let (mut source, remote) = source(&host);
    remote.send(event(EVENT_APPEARED, 62));
    let sample = source.sample(None).unwrap();
    assert_eq!(only(&sample).pid, 50);
    assert_eq!(remote.state.lock().unwrap().forgotten, [0_u32; 0]);
    host.process(&FakeProcess { pid: 62, arguments, threads: 3, ..QEMU });
    assert_eq!(source.sample(None).unwrap().vms.len(), 2);
    assert_eq!(source.candidates, Candidates::default());
}

#[test]
fn a_vm_that_ends_is_forgotten_and_its_slot_freed() {
    let host = host();
    let (mut source, remote) = source(&host);
    source.sample(None).unwrap();
    // The event comes while the process gives its memory back.
    remote.send(event(EVENT_EXITED, 50));
    let text = std::fs::read_to_string(host.path("proc/50/stat")).unwrap();
    host.file("proc/50/stat", &text.replace("4194560", "4194564"));
    assert_eq!(only(&source.sample(None).unwrap()).state, Some(VmState::Exiting));
    host.end(50);
    assert!(source.sample(None).unwrap().vms.is_empty());
    let state = remote.state.lock().unwrap();
    assert_eq!((state.forgotten.as_slice(), state.tracked.len()), ([50].as_slice(), 0));
}

/// The last thread frees the memory, which takes seconds; the main thread may have ended before.
#[test]
fn a_vm_keeps_its_slot_until_its_last_thread_has_ended() {
    let host = host();
    let (mut source, remote) = source(&host);
    source.sample(None).unwrap();
    let text = std::fs::read_to_string(host.path("proc/50/stat")).unwrap();
    let ends = text.replace("4194560", "4194564").replace(") S ", ") Z ");
    host.file("proc/50/stat", &ends);
    remote.send(event(EVENT_EXITED, 50));
    assert_eq!(only(&source.sample(None).unwrap()).state, Some(VmState::Exiting));
    assert_eq!(remote.state.lock().unwrap().forgotten, [0_u32; 0]);
    // Not yet reaped by its parent, but nothing of it is left.
    host.file("proc/50/stat", &ends.replace(" 4 0 777 ", " 1 0 777 "));
    assert!(source.sample(None).unwrap().vms.is_empty());
    assert_eq!(remote.state.lock().unwrap().forgotten, [50]);
}

#[test]
fn flows_are_between_vms_and_everything_else_is_other() {
    let host = host();
    let (mut source, remote) = source(&host);
    let flow = |causer, victim, pages| FlowReading { causer, victim, pages: Pages(pages) };
    remote.state.lock().unwrap().reading.flows = vec![
        flow(Taker::Process(50), Taker::Process(99), 1),
        flow(Taker::Process(50), Taker::Other, 2),
        flow(Taker::Kswapd, Taker::Process(50), 3),
    ];
    let (vm, sample) =
        (Party::Vm(ID), |causer, victim, pages| FlowSample { causer, victim, pages: Pages(pages) });
    let flows = source.sample(None).unwrap().flows.unwrap();
    assert_eq!(flows, [sample(vm, Party::Other, 3), sample(Party::Kswapd, vm, 3)]);
}

#[test]
fn a_failure_is_reported_and_the_rest_stays() {
    let host = host();
    host.unreadable("proc/vmstat");
    host.process(&FakeProcess { pid: 60, cgroup: "0::/../x\n", ..QEMU });
    let (mut source, remote) = source(&host);
    {
        let mut state = remote.state.lock().unwrap();
        state.full = true;
        state.reading.problems.push("row 7: gone".to_owned());
    }
    let sample = source.sample(None).unwrap();
    let about = |about: Topic| sample.notices.iter().filter(|n| n.about == about).count();
    assert_eq!((about(Topic::Host), about(Topic::Cgroup), about(Topic::Counters)), (1, 1, 2));
    assert!(sample.host.vmstat.is_none() && sample.host.meminfo.is_some());
    assert_eq!(sample.vms.len(), 2);
    // Once there is room again, it is counted.
    remote.state.lock().unwrap().full = false;
    source.sample(None).unwrap();
    assert_eq!(remote.state.lock().unwrap().tracked.len(), 2);
}

#[test]
fn pressure_ends_the_wait() {
    let host = host();
    let (mut source, remote) = source(&host);
    for (kind, sign) in [
        (EVENT_KSWAPD, Sign::Kswapd),
        (EVENT_DIRECT_RECLAIM, Sign::DirectReclaim),
        (EVENT_MEMCG_RECLAIM, Sign::MemcgReclaim),
        (EVENT_LONG_STALL, Sign::LongStall),
        (EVENT_OOM_KILL, Sign::OomKill),
    ] {
        remote.send(event(EVENT_EXITED, 9999));
        remote.send(Event { at_ns: 7, ..event(kind, 50) });
        // Would take an hour.
        let pressure = source.wait(Duration::from_secs(3600));
        assert_eq!(pressure, Some(Pressure { sign, at: Nanos(7) }));
    }
    // What a sample shows is not told again.
    remote.send(event(EVENT_KSWAPD, 0));
    source.sample(None).unwrap();
    assert_eq!(source.wait(Duration::from_millis(20)), None);
}

#[test]
fn a_platforms_number_and_bounds_are_for_the_vm_that_has_its_scope() {
    let host = host();
    let arguments = &["kvm", "-id", "2207", "-name", "billing"];
    host.process(&FakeProcess { arguments, cgroup: "0::/qemu.slice/2207.scope\n", ..QEMU });
    // In a container, where root is somebody.
    host.process(&FakeProcess { pid: 62, start: 900, arguments, cgroup: "0::/pod\n", ..QEMU });
    host.file("proc/62/status", "Uid: 0 0 0 0\nVmRSS: 5 kB\nNSpid: 62 7\n");
    host.file("etc/pve/qemu-server/2207.conf", "balloon: 256\nmemory: 512\nshares: 500\n");
    let (mut source, _remote) = source(&host);
    let table = VmTable {
        which: memtrace_core::settings::Which::Name("billing".to_owned()),
        settings: VmSettings { weight: Some(7), ..VmSettings::default() },
        labels: VmLabels { name: Some("Billing".to_owned()), ..VmLabels::default() },
    };
    source.configure(&[table]);
    let deadline = Instant::now() + Duration::from_secs(20);
    let sample = loop {
        let sample = source.sample(None).unwrap();
        if sample.vms[0].guest.settings.minimum.is_some() {
            break sample;
        }
        assert!(Instant::now() < deadline, "its file is not read");
    };
    let [vm, other] = &sample.vms[..] else { panic!("{:?}", sample.vms) };
    assert_eq!(vm.guest.settings.minimum, Some(Bytes(256 << 20)));
    assert_eq!(vm.guest.settings.weight, Some(500));
    assert_eq!(
        (vm.labels.id.as_deref(), vm.labels.name.as_deref()),
        (Some("2207"), Some("Billing"))
    );
    assert_eq!((other.labels.id.as_deref(), other.guest.settings), (None, VmSettings::default()));
    // As a reloaded configuration does.
    source.tables().set(&[]);
    let renamed = source.sample(None).unwrap();
    assert_eq!(renamed.vms[0].labels.name.as_deref(), Some("billing"));
    let told = sample.notices.iter().any(|notice| notice.text.contains("claims the number 2207"));
    assert!(told, "{:?}", sample.notices);
}

#[test]
fn a_libvirt_in_a_container_is_asked_there() {
    let host = host();
    let key =
        "secret,id=masterKey0,file=/var/run/kubevirt-private/libvirt/qemu/lib/d/master-key.aes";
    let uuid = "5c1ae5d5-7b2e-4b6e-9f31-4ab8a6a9a111";
    let arguments =
        &["qemu-kvm", "-name", "guest=shop_vm-cart", "-uuid", uuid, "-object", key, "-m", "512"];
    host.process(&FakeProcess { arguments, ..QEMU });
    let (mut source, _remote) = source(&host);
    let sample = source.sample(None).unwrap();
    let handle = only(&sample).labels.handle();
    assert_eq!(handle.as_deref(), Some("shop/vm-cart"));
    let deadline = Instant::now() + Duration::from_secs(20);
    let sample = loop {
        let sample = source.sample(None).unwrap();
        let vm = only(&sample);
        assert_eq!(vm.manager, Manager::Libvirt);
        let problem = vm.guest.problem.as_ref().unwrap();
        // There is no such process.
        if problem.starts_with("libvirt: ") && !problem.ends_with("no answer yet") {
            break sample;
        }
        assert!(Instant::now() < deadline, "{problem}");
    };
    assert_eq!(sample.notices, []);
}
