//! Monitors that behave, and monitors that don't: silent, sending garbage, endless, busy, of
//! another process.

mod orders;

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use super::fake::{Monitor, polled, qemu};
use super::*;
use memtrace_core::sample::VmState;
use memtrace_core::units::Bytes;

/// Waits until the clients say of `pid` what `wanted` wants.
fn wait_for(clients: &QmpClients, pid: u32, wanted: impl Fn(&GuestAnswer) -> bool) -> GuestAnswer {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = clients.answer(pid);
        if wanted(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "last: {answer:?}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

fn problem_of(target: Target) -> String {
    let mut clients = QmpClients::default();
    clients.follow(1, target);
    let yet = |answer: &GuestAnswer| {
        answer.guest.problem.as_deref().is_some_and(|problem| problem != "QMP: no answer yet")
    };
    wait_for(&clients, 1, yet).guest.problem.unwrap()
}

#[test]
fn a_good_monitor_is_read_and_its_statistics_are_switched_on() {
    let monitor = Monitor::start(qemu);
    let mut clients = QmpClients::default();
    clients.follow(1, monitor.target());
    let answer = wait_for(&clients, 1, |answer| answer.guest.stats.is_some());
    assert_eq!(answer.state, Some(VmState::Running));
    assert_eq!(answer.guest.actual, Some(Bytes(209_715_200)));
    assert_eq!(answer.guest.maximum, Some(Bytes(536_870_912)));
    assert_eq!(answer.guest.stats.unwrap().total, Some(Bytes(500_000_000)));
    assert_eq!(answer.guest.problem, None);
}

#[test]
fn a_guest_that_is_asked_too_seldom_is_asked_more_often() {
    for (before, after) in [(0, 2), (1, 1), (5, 5), (6, 2), (10, 2)] {
        let interval = Arc::new(AtomicU64::new(before));
        let monitor = Monitor::start(polled(&interval));
        let mut clients = QmpClients::default();
        clients.follow(1, monitor.target());
        wait_for(&clients, 1, |answer| answer.guest.actual.is_some());
        assert_eq!(interval.load(Ordering::Relaxed), after, "{before}");
    }
}

#[test]
fn a_monitor_that_never_answers_delays_no_other() {
    let silent = Monitor::start(|stream| {
        // Holds the connection until the client gives up.
        let _ = BufReader::new(stream).lines().count();
    });
    let good = Monitor::start(qemu);
    let mut clients = QmpClients::default();
    let begun = Instant::now();
    clients.follow(1, silent.target());
    clients.follow(2, good.target());
    wait_for(&clients, 2, |answer| answer.guest.actual.is_some());
    assert!(begun.elapsed() < Duration::from_secs(2));
    let given_up = wait_for(&clients, 1, |answer| {
        answer.guest.problem.as_deref().is_some_and(|problem| problem.contains("another client"))
    });
    assert_eq!(given_up.guest.actual, None);
}

#[test]
fn garbage_is_no_qmp() {
    let monitor = Monitor::start(|mut stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH\n");
        let _ = BufReader::new(stream).lines().count();
    });
    assert_eq!(problem_of(monitor.target()), "QMP: invalid JSON from the monitor");
    let monitor = Monitor::start(|mut stream| {
        let _ = stream.write_all(b"[1,2]\n");
        let _ = BufReader::new(stream).lines().count();
    });
    assert_eq!(problem_of(monitor.target()), "QMP: not a QMP monitor");
}

#[test]
fn an_endless_message_is_cut() {
    let monitor = Monitor::start(|mut stream| {
        let _ = stream.write_all(b"{\"");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    assert_eq!(problem_of(monitor.target()), "QMP: answer too long");
    let blank = Monitor::start(|mut stream| while stream.write_all(&[b'\n'; 4096]).is_ok() {});
    assert_eq!(problem_of(blank.target()), "QMP: answer too long");
}

/// As of `-qmp-pretty`, and of `-mon ...,pretty=on`.
#[test]
fn answers_of_several_lines_are_read() {
    let monitor = Monitor::start(|stream| {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut commands = ours.try_clone().unwrap();
        let mut asked = stream.try_clone().unwrap();
        thread::spawn(move || qemu(theirs));
        thread::spawn(move || {
            let _ = std::io::copy(&mut asked, &mut commands);
            let _ = commands.shutdown(std::net::Shutdown::Write);
        });
        let mut out = stream;
        for line in BufReader::new(ours).lines().map_while(Result::ok) {
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            let _ = write!(out, "{}\r\n", serde_json::to_string_pretty(&value).unwrap());
        }
    });
    let mut clients = QmpClients::default();
    clients.follow(1, monitor.target());
    let answer = wait_for(&clients, 1, |answer| answer.guest.stats.is_some());
    assert_eq!(answer.state, Some(VmState::Running));
    assert_eq!(answer.guest.actual, Some(Bytes(209_715_200)));
    assert_eq!(answer.guest.problem, None);
}

#[test]
fn a_flood_of_events_is_not_waited_through() {
    let monitor = Monitor::start(|mut stream| {
        let _ = stream.write_all(b"{\"QMP\":{}}\n");
        while stream.write_all(b"{\"event\":\"X\"}\n").is_ok() {}
    });
    assert!(problem_of(monitor.target()).contains("no answer to qmp_capabilities"));
}

#[test]
fn a_flood_of_long_events_is_not_read_through() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let event = format!("{{\"event\":\"{}\"}}\n", "x".repeat(500 << 10));
    let monitor = Monitor::start(move |mut stream| {
        let _ = stream.write_all(b"{\"QMP\":{}}\n");
        while stream.write_all(event.as_bytes()).is_ok() {
            count.fetch_add(event.len(), Ordering::Relaxed);
        }
    });
    assert_eq!(problem_of(monitor.target()), "QMP: the monitor sends too much");
    assert!(sent.load(Ordering::Relaxed) <= 4 << 20);
}

#[test]
fn a_refusing_monitor_leaves_the_rest() {
    let monitor = Monitor::start(|stream| {
        let mut writer = stream.try_clone().unwrap();
        let _ = writer.write_all(b"{\"QMP\":{}}\n");
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let answer = if line.contains("qmp_capabilities") {
                r#"{"return":{}}"#
            } else if line.contains("query-status") {
                r#"{"return":{"status":"paused"}}"#
            } else {
                r#"{"error":{"class":"DeviceNotActive","desc":"No balloon"}}"#
            };
            let _ = writeln!(writer, "{answer}");
        }
    });
    let mut clients = QmpClients::default();
    clients.follow(1, monitor.target());
    let answer = wait_for(&clients, 1, |answer| answer.state.is_some());
    assert_eq!(answer.state, Some(VmState::Paused));
    assert_eq!(answer.guest.problem.as_deref(), Some("the VM has no balloon device"));
}

#[test]
fn a_socket_that_is_gone_or_another_process_s_is_named() {
    let monitor = Monitor::start(qemu);
    let stranger = Target { peer: Some(1), ..monitor.target() };
    assert!(problem_of(stranger).contains("not of this VM"));
    let missing = Target { path: "/nowhere/q.sock".to_owned(), ..monitor.target() };
    assert_eq!(problem_of(missing), "QMP: /nowhere/q.sock: No such file or directory (os error 2)");
    std::os::unix::fs::symlink(monitor.directory(), monitor.directory().join("cwd")).unwrap();
    let outside = Target { path: "../q.sock".to_owned(), ..monitor.target() };
    assert!(problem_of(outside).starts_with("QMP: ../q.sock: "));
}

#[test]
fn a_daemons_relative_socket_is_found_or_the_reason_said() {
    let monitor = Monitor::start(qemu);
    std::os::unix::fs::symlink("/", monitor.directory().join("cwd")).unwrap();
    let start = Start { daemon: true, ..Start::default() };
    let target = Target { path: "./q.sock".to_owned(), start, ..monitor.target() };
    let problem = problem_of(target.clone());
    assert!(problem.starts_with("QMP: ./q.sock: relative to the directory"), "{problem}");
    let environment = format!("PWD={}\0", monitor.directory().display());
    std::fs::write(monitor.directory().join("environ"), environment).unwrap();
    let mut clients = QmpClients::default();
    clients.follow(1, target);
    wait_for(&clients, 1, |answer| answer.guest.actual.is_some());
}

/// As of a user's process that names the socket of one of root's services.
#[test]
fn a_socket_of_another_user_is_not_connected() {
    let accepted = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&accepted);
    let monitor = Monitor::start(move |_| seen.store(true, Ordering::Relaxed));
    let directory = monitor.directory();
    std::fs::write(directory.join("status"), "Uid:\t4242\t0\t0\t0\n").unwrap();
    let refused = || {
        let problem = problem_of(monitor.target());
        assert!(problem.ends_with("and the VM to user 4242"), "{problem}");
        assert!(!accepted.load(Ordering::Relaxed));
    };
    refused();
    // It holds another listening socket, whose path leads to that one now.
    let own = std::os::unix::net::UnixListener::bind(directory.join("own.sock")).unwrap();
    let held = format!("/proc/self/fd/{}", own.as_raw_fd());
    std::fs::create_dir(directory.join("fd")).unwrap();
    std::os::unix::fs::symlink(std::fs::read_link(held).unwrap(), directory.join("fd/3")).unwrap();
    std::os::unix::fs::symlink("/proc/self/ns", directory.join("ns")).unwrap();
    refused();
    std::fs::remove_file(directory.join("own.sock")).unwrap();
    std::fs::hard_link(directory.join("q.sock"), directory.join("own.sock")).unwrap();
    let path = directory.join("own.sock").to_str().unwrap().to_owned();
    assert!(problem_of(Target { path, ..monitor.target() }).ends_with("and the VM to user 4242"));
    assert!(!accepted.load(Ordering::Relaxed));
}

/// As of `-runas`: QEMU makes it before it changes its user.
#[test]
fn a_socket_that_the_process_itself_listens_on_is_its_own() {
    let monitor = Monitor::start(qemu);
    let directory = monitor.directory();
    std::fs::write(directory.join("status"), "Uid:\t4242\t0\t0\t0\n").unwrap();
    std::os::unix::fs::symlink("/proc/self/fd", directory.join("fd")).unwrap();
    std::os::unix::fs::symlink("/proc/self/ns", directory.join("ns")).unwrap();
    let mut clients = QmpClients::default();
    clients.follow(1, monitor.target());
    wait_for(&clients, 1, |answer| answer.guest.actual.is_some());
}

#[test]
fn sockets_of_one_users_vms_that_hang_keep_no_other_from_being_asked() {
    let hanging = Monitor::start(qemu);
    // As a file system that doesn't answer: opening it waits for a writer.
    let status = hanging.directory().join("status");
    std::fs::remove_file(&status).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &status, rustix::fs::Mode::RWXU).unwrap();
    let good = Monitor::start(qemu);
    let mut clients = QmpClients::default();
    // More than there are threads.
    for pid in 1..=9 * socket::MOST_OF_A_USER as u32 {
        clients.follow(pid, Target { user: Some(7), ..hanging.target() });
    }
    clients.follow(999, Target { user: Some(8), ..good.target() });
    wait_for(&clients, 999, |answer| answer.guest.actual.is_some());
    drop(clients);
    std::fs::File::options().read(true).write(true).open(&status).unwrap();
}

#[test]
fn what_is_no_socket_is_not_connected() {
    let monitor = Monitor::start(qemu);
    let file = monitor.directory().join("file");
    std::fs::write(&file, "").unwrap();
    let target = Target { path: file.to_str().unwrap().to_owned(), ..monitor.target() };
    assert!(problem_of(target).ends_with("it is no socket"));
}

#[test]
fn an_old_answer_stands_for_a_moment_only() {
    let answer = GuestAnswer {
        state: Some(VmState::Running),
        guest: memtrace_core::sample::GuestSample { actual: Some(Bytes(1)), ..Default::default() },
        ..GuestAnswer::default()
    };
    let at = Instant::now();
    let latest =
        Latest { answer: Some((at, answer.clone())), problem: Some("QMP: closed".to_owned()) };
    let soon = latest.answer(at + Duration::from_secs(1));
    assert_eq!(soon.guest.actual, Some(Bytes(1)));
    assert_eq!(soon.guest.problem.as_deref(), Some("QMP: closed"));
    let late = latest.answer(at + Duration::from_secs(60));
    assert_eq!((late.state, late.guest.actual), (None, None));
}

#[test]
fn an_answer_without_numbers_is_none_and_names_the_service() {
    let monitor = Monitor::start(|stream| {
        let mut writer = stream.try_clone().unwrap();
        let _ = writer.write_all(b"{\"QMP\":{}}\n");
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let answer = if line.contains("query-balloon") {
                r#"{"return":{"actual":6291456000}}"#
            } else if line.contains("qom-list") {
                r#"{"return":[{"name":"b","type":"child<virtio-balloon-pci>"}]}"#
            } else if line.contains("guest-stats\"") {
                r#"{"return":{"stats":{"stat-total-memory":18446744073709551615,"stat-free-memory":-1},"last-update":1752300411}}"#
            } else if line.contains("qom-get") {
                r#"{"return":2}"#
            } else {
                r#"{"return":{}}"#
            };
            let _ = writeln!(writer, "{answer}");
        }
    });
    let mut clients = QmpClients::default();
    clients.follow(1, monitor.target());
    let answer = wait_for(&clients, 1, |answer| answer.guest.actual.is_some());
    assert_eq!(answer.guest.stats, None);
    assert!(answer.guest.problem.is_some_and(|problem| problem.contains("blnsvr.exe -i")));
}
