//! Which files of a VM are read again, and how old the values shown can be.

use super::*;
use crate::hostfs::process::Charge;
use memtrace_core::sample::CgroupSample;
use memtrace_core::units::Limit;

const SECOND: u64 = Nanos::SECOND.0;

/// Takes the sample of a second with this many guest faults in the kernel side's counters.
fn at(source: &mut LiveSource, remote: &Remote, second: u64, guest_faults: u64) -> VmSample {
    let counters = VmCounters { guest_faults, ..VmCounters::default() };
    let counted = VmReading { counters, from_start: true, ..VmReading::default() };
    let reading =
        Reading { at: Nanos(second * SECOND), vms: [(50, counted)].into(), ..Reading::default() };
    remote.state.lock().unwrap().reading = reading;
    only(&source.sample(None).unwrap()).clone()
}

/// Writes what only a whole reading sees.
fn write(host: &FakeHost, bytes: u64) {
    let kib = bytes / 1024;
    let status = format!("VmRSS:\t 501760 kB\nVmSwap:\t 0 kB\nHugetlbPages:\t {kib} kB\n");
    host.file("proc/50/status", &status);
    host.file("sys/fs/cgroup/pool/vm/memory.max", &format!("{bytes}\n"));
    host.file("sys/fs/cgroup/pool/vm/memory.stat", &format!("anon {bytes}\n"));
}

/// What each of the files said, if it is the same.
fn seen(vm: &VmSample) -> Option<Bytes> {
    let cgroup = vm.cgroup.as_ref()?;
    let all = [vm.process.hugetlb, cgroup.stat.anon];
    let all = all.into_iter().chain([match cgroup.limit? {
        Limit::At(bytes) => Some(bytes),
        Limit::Unlimited => None,
    }]);
    let mut all = all.collect::<Vec<_>>();
    all.dedup();
    assert_eq!(all.len(), 1, "files of different moments: {all:?}");
    all[0]
}

#[test]
fn changed_files_are_read_at_once() {
    let host = host();
    let (mut source, remote) = source(&host);
    for second in 1..40 {
        write(&host, second * 4096);
        assert_eq!(seen(&at(&mut source, &remote, second, second)), Some(Bytes(second * 4096)));
    }
}

/// memory.stat has the last faults two seconds late.
#[test]
fn changed_files_are_read_until_the_kernel_has_flushed() {
    let host = host();
    let (mut source, remote) = source(&host);
    for last in 20..40 {
        at(&mut source, &remote, 5 * last, last);
        write(&host, last * 4096);
        assert_eq!(seen(&at(&mut source, &remote, 5 * last + 2, last)), Some(Bytes(last * 4096)));
    }
}

#[test]
fn readings_of_a_quiet_vm_are_kept_up_to_their_maximum_age() {
    let host = host();
    let (mut source, remote) = source(&host);
    let mut read = 0;
    for second in 1..60 {
        write(&host, second * 4096);
        let seen = seen(&at(&mut source, &remote, second, 7)).unwrap().0 / 4096;
        assert!(Nanos((second - seen) * SECOND) < rereading::LONGEST, "{seen} at {second}");
        read += u64::from(seen == second);
    }
    assert!((11..=20).contains(&read), "read {read} times in a minute");
}

#[test]
fn a_quiet_vms_faults_time_and_threads_are_of_the_moment() {
    let host = host();
    let (mut source, remote) = source(&host);
    at(&mut source, &remote, 1, 7);
    let before = at(&mut source, &remote, 4, 7);
    let stat = std::fs::read_to_string(host.path("proc/50/stat")).unwrap();
    // 300 ticks of user time, and 45 of the system's.
    host.file("proc/50/stat", &stat.replace(" 300 45 ", " 400 45 "));
    write(&host, 4096);
    let after = at(&mut source, &remote, 4, 7);
    assert_eq!(after.process.hugetlb, before.process.hugetlb, "it is quiet");
    assert!(after.process.cpu_time > before.process.cpu_time);
    assert_eq!(after.state, before.state);
}

#[test]
fn memory_that_comes_or_goes_is_seen_at_once() {
    let changes: [(&str, &str, &str); 3] = [
        // A balloon was filled: fewer pages are resident, and no counter moved.
        ("proc/50/stat", " 777 1 2\n", " 777 1 1\n"),
        ("proc/50/stat", "4194560 100 0", "4194560 101 0"),
        ("sys/fs/cgroup/pool/vm/memory.current", "4096", "8192"),
    ];
    for (file, before, now) in changes {
        let host = host();
        let (mut source, remote) = source(&host);
        at(&mut source, &remote, 1, 7);
        at(&mut source, &remote, 4, 7);
        write(&host, 4096);
        let text = std::fs::read_to_string(host.path(file)).unwrap();
        assert!(text.contains(before), "{text:?}");
        host.file(file, &text.replace(before, now));
        assert_eq!(seen(&at(&mut source, &remote, 4, 7)), Some(Bytes(4096)), "{file}");
    }
}

#[test]
fn the_vm_that_a_view_has_in_detail_is_read_each_time() {
    let host = host();
    let (mut source, remote) = source(&host);
    at(&mut source, &remote, 1, 7);
    write(&host, 4096);
    assert_eq!(seen(only(&source.sample(Some(ID)).unwrap())), Some(Bytes(4096)));
}

#[test]
fn without_counters_everything_is_read_each_time() {
    let host = host();
    let kernel = Err("needs CAP_BPF".to_owned());
    let mut source = LiveSource::new(host.root(), kernel, LiveOptions::default());
    for bytes in [4096, 8192] {
        write(&host, bytes);
        assert_eq!(seen(only(&source.sample(None).unwrap())), Some(Bytes(bytes)));
    }
    // Nor of a VM that has no slot.
    let (mut source, _remote) = super::source(&host);
    for bytes in [4096, 8192] {
        write(&host, bytes);
        assert_eq!(seen(only(&source.sample(None).unwrap())), Some(Bytes(bytes)));
    }
}

#[test]
fn kept_readings_have_the_present_sharing_of_the_cgroup() {
    let host = host();
    let (mut source, remote) = source(&host);
    assert_eq!(at(&mut source, &remote, 1, 7).cgroup.unwrap().vms, 1);
    host.process(&FakeProcess { pid: 60, ..QEMU });
    let vms = source.sample(None).unwrap().vms;
    assert!(vms.iter().all(|vm| vm.cgroup.as_ref().unwrap().vms == 2));
    host.end(60);
    remote.send(event(EVENT_EXITED, 60));
    assert_eq!(at(&mut source, &remote, 1, 7).cgroup.unwrap().vms, 1);
    assert_eq!(remote.state.lock().unwrap().tracked[&50].cgroups.len(), 1);
}

/// What the kernel side tells of the VM, which is what its files say.
fn told(usage: u64, host: &FakeHost) -> Vitals {
    let id = |path: &str| std::os::unix::fs::MetadataExt::ino(&host.path(path).metadata().unwrap());
    let (memory, usage) = (id("sys/fs/cgroup/pool/vm"), Bytes(usage));
    let charge = Some(Charge { memory, unified: memory, usage, ..Charge::default() });
    Vitals { charge, ..Vitals::from(crate::hostfs::process::stat(&host.root(), 50).unwrap()) }
}

#[test]
fn what_the_kernel_side_tells_takes_the_place_of_files() {
    let host = host();
    let (mut source, remote) = source(&host);
    at(&mut source, &remote, 1, 7);
    let now = Vitals { minor_faults: 333, cpu_ticks: 400, ..told(8192, &host) };
    remote.state.lock().unwrap().processes = [(50, now.clone())].into();
    host.unreadable("sys/fs/cgroup/pool/vm/memory.current");
    write(&host, 8192);
    let vm = at(&mut source, &remote, 2, 7);
    assert_eq!(
        (vm.process.minor_faults, vm.process.cpu_time),
        (Some(333), Some(Nanos(4 * SECOND)))
    );
    let cgroup = vm.cgroup.unwrap();
    assert_eq!((cgroup.usage, cgroup.problem), (Some(Bytes(8192)), None));
    // It is quiet by these alone, and no longer once one of them moves.
    at(&mut source, &remote, 5, 7);
    write(&host, 4096);
    assert_eq!(seen(&at(&mut source, &remote, 5, 7)), Some(Bytes(8192)));
    let charge = Charge { usage: Bytes(4096), ..now.charge.unwrap() };
    let now = Vitals { charge: Some(charge), ..now };
    remote.state.lock().unwrap().processes = [(50, now)].into();
    assert_eq!(seen(&at(&mut source, &remote, 5, 7)), Some(Bytes(4096)));
}

#[test]
fn each_of_a_cgroups_values_is_told_or_else_in_its_file() {
    let host = host();
    let (mut source, remote) = source(&host);
    let by_files = at(&mut source, &remote, 1, 7).cgroup.unwrap();
    let limit = Limit::At(Bytes(1 << 30));
    let charge = Charge {
        max_events: Some(3),
        oom_kills: Some(2),
        limit: Some(limit),
        swap: Some(Bytes(4096)),
        ..told(8192, &host).charge.unwrap()
    };
    let now = Vitals { charge: Some(charge), ..told(8192, &host) };
    remote.state.lock().unwrap().processes = [(50, now)].into();
    for file in ["memory.events", "memory.max", "memory.swap.current"] {
        host.file(&format!("sys/fs/cgroup/pool/vm/{file}"), "none\n");
        host.unreadable(&format!("sys/fs/cgroup/pool/vm/{file}"));
    }
    let cgroup = at(&mut source, &remote, 2, 8).cgroup.unwrap();
    assert_eq!((cgroup.limit_hits, cgroup.oom_kills), (Some(3), Some(2)));
    assert_eq!((cgroup.limit, cgroup.swap), (Some(limit), Some(Bytes(4096))));
    let left = |cgroup: &CgroupSample| (cgroup.high, cgroup.swap_limit, cgroup.problem.clone());
    assert_eq!(left(&cgroup), left(&by_files));
}

#[test]
fn what_is_told_of_another_process_or_cgroup_is_not_taken() {
    let host = host();
    let (mut source, remote) = source(&host);
    at(&mut source, &remote, 1, 7);
    let other = Vitals { start: 778, minor_faults: 333, ..told(8192, &host) };
    remote.state.lock().unwrap().processes = [(50, other)].into();
    let vm = at(&mut source, &remote, 2, 7);
    assert_eq!(vm.process.minor_faults, Some(100), "the process that had the id before");
    let mut now = told(8192, &host);
    now.charge.as_mut().unwrap().memory += 1;
    remote.state.lock().unwrap().processes = [(50, now)].into();
    let vm = at(&mut source, &remote, 3, 7);
    assert_eq!(vm.cgroup.unwrap().usage, Some(Bytes(4096)), "that of its own cgroup's file");
}

#[test]
fn a_move_to_another_cgroup_is_seen_at_once() {
    let host = host();
    let (mut source, remote) = source(&host);
    for second in [1, 2, 5] {
        remote.state.lock().unwrap().processes = [(50, told(4096, &host))].into();
        assert_eq!(at(&mut source, &remote, second, 7).cgroup.unwrap().path, "/pool/vm");
    }
    let mut now = told(4096, &host);
    now.charge.as_mut().unwrap().memory += 1;
    remote.state.lock().unwrap().processes = [(50, now)].into();
    host.process(&FakeProcess { cgroup: "0::/pool\n", ..QEMU });
    assert_eq!(at(&mut source, &remote, 5, 7).cgroup.unwrap().path, "/pool");
}

#[test]
fn cpu_time_never_runs_backwards_where_its_source_changes() {
    let host = host();
    let (mut source, remote) = source(&host);
    at(&mut source, &remote, 1, 7);
    // The file rounds user and system time down, each by itself: 300 and 45 ticks.
    let now = Vitals { cpu_ticks: 346, ..told(4096, &host) };
    remote.state.lock().unwrap().processes = [(50, now)].into();
    let before = at(&mut source, &remote, 2, 7).process.cpu_time;
    assert_eq!(before, Some(Nanos(346 * SECOND / 100)));
    remote.state.lock().unwrap().processes.clear();
    assert_eq!(at(&mut source, &remote, 3, 7).process.cpu_time, before);
}
