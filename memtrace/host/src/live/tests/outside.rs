//! VMs outside the scope are counted, and their hypervisors are not asked.

use std::os::unix::net::UnixListener;
use std::sync::mpsc::channel;
use std::thread;

use super::*;

/// A VM in this cgroup with a monitor, and the monitor's socket.
fn with_monitor(host: &FakeHost, pid: u32, cgroup: &str) -> (tempfile::TempDir, UnixListener) {
    let directory = tempfile::tempdir().expect("there is room");
    let listener = UnixListener::bind(directory.path().join("qmp")).expect("it listens");
    let socket = format!("unix:{},server=on,wait=off", directory.path().join("qmp").display());
    let arguments = ["qemu-system-x86_64", "-m", "512", "-qmp", &socket];
    host.process(&FakeProcess { pid, arguments: &arguments, cgroup, ..QEMU });
    (directory, listener)
}

#[test]
fn a_vm_outside_the_scope_is_counted_and_not_asked() {
    let host = host();
    for cgroup in ["other", "pool/inside"] {
        host.file(&format!("sys/fs/cgroup/{cgroup}/memory.current"), "4096\n");
        host.file(&format!("sys/fs/cgroup/{cgroup}/cgroup.procs"), "\n");
    }
    let (_inside, asked) = with_monitor(&host, 60, "0::/pool/inside\n");
    let (_outside, not_asked) = with_monitor(&host, 70, "0::/other\n");
    let (mut source, remote) = source(&host);
    source.within("/pool/");
    let sample = source.sample(None).expect("it is read");
    let problem = |sample: &Sample, pid: u32| {
        let vm = sample.vms.iter().find(|vm| vm.pid == pid).expect("it is there");
        vm.guest.problem.clone().expect("it has one")
    };
    assert!(problem(&sample, 70).contains("outside the scope"), "{}", problem(&sample, 70));
    assert!(!problem(&sample, 60).contains("outside"), "{}", problem(&sample, 60));
    let tracked: Vec<u32> = remote.state.lock().unwrap().tracked.keys().copied().collect();
    assert_eq!(tracked, [50, 60, 70], "what it causes counts");

    let (tell, told) = channel();
    thread::spawn(move || drop(tell.send(asked.accept().map(drop))));
    let connected = told.recv_timeout(Duration::from_secs(20)).expect("it is asked in time");
    connected.expect("it is asked");
    not_asked.set_nonblocking(true).expect("it does");
    let error = not_asked.accept().expect_err("nobody connects");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_vm_that_moves_out_of_the_scope_is_no_longer_asked() {
    let host = host();
    let (mut source, _remote) = source(&host);
    source.within("/pool");
    let problem = |source: &mut LiveSource| {
        only(&source.sample(None).expect("it is read")).guest.problem.clone()
    };
    assert_eq!(problem(&mut source).as_deref(), Some("QEMU has no QMP socket"));
    host.file("sys/fs/cgroup/pool-2/memory.current", "4096\n");
    host.file("sys/fs/cgroup/pool-2/cgroup.procs", "50\n");
    host.process(&FakeProcess { cgroup: "0::/pool-2\n", ..QEMU });
    let outside = problem(&mut source).unwrap_or_default();
    assert!(outside.contains("outside the scope"), "{outside}");
}
