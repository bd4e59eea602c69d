//! A helper's life: it answers, hangs, crashes, floods, grows, isn't there. The stand-ins are shell
//! scripts; each writes a line into a file beside it when it is started.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::super::daemon::{Place, Target};
use super::super::helper::Limits;
use super::super::{Libvirt, Program};
use super::daemon::{Host, me};
use crate::vmm::guest::GuestAnswer;
use crate::vmm::order::{Reply, SetBalloon};
use crate::vmm::qemu::Libvirt as Kind;
use memtrace_core::units::Bytes;

const WEB: Uuid = Uuid::from_u128(0x11);
const LAZY: Uuid = Uuid::from_u128(0x22);
const PID: u32 = 50;
const PATIENCE: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(500);

/// For a stand-in's answers: `answer` says one to the request in `line`, `list` and `look` are
/// those about a VM `$1` of 2 MiB.
const HANDS: &str = r#"#!/bin/sh
echo $$ >> "$0.starts"
answer() { id=${line#*:}; printf '{"id":%s,"said":%s}\n' "${id%%,*}" "$1" >&0; }
web=00000000-0000-0000-0000-000000000011
lazy=00000000-0000-0000-0000-000000000022
domain() { printf '{"uuid":"%s","state":1,"maximum":4096,"memory":2048,"pid":50}' "$1"; }
list() { answer "{\"domains\":[$(domain $web),$(domain $lazy)]}"; }
look() { answer "{\"look\":{\"domain\":$(domain $1),\"stats\":[[6,1024],[5,900]]}}"; }
"#;
/// Answers all that it is asked.
const GOOD: &str = r#"
while read -r line; do case $line in
*'"list"'*) list;;
*'"look":{"uuid":"'$web*) look $web;;
*'"look":{"uuid":"'$lazy*) look $lazy;;
*'"kib":7}'*) answer '{"failed":"too\u001b little"}';;
*) answer '"done"';;
esac; done
"#;

struct Stand {
    folder: tempfile::TempDir,
    libvirt: Libvirt,
}

fn target(uuid: Uuid) -> Target {
    Target { uuid, pid: PID, place: Place::System }
}

fn limits() -> Limits {
    let (pause, longest_pause) = (Duration::from_millis(10), Duration::from_millis(100));
    let size = Bytes(1 << 40);
    Limits { list: PATIENCE, domain: PATIENCE, pause, longest_pause, size, find: pause }
}

impl Stand {
    fn new(script: &str, limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("helper");
        // Written by another process: none that this one forks meanwhile has it open for writing.
        let written = std::process::Command::new("/bin/sh")
            .args(["-c", "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\""])
            .arg(&path)
            .arg(format!("{HANDS}{script}"))
            .status();
        assert!(written.unwrap().success());
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, libvirt: Libvirt::new(Program::at(path), limits) }
    }

    fn following(script: &str, limits: Limits) -> Self {
        let mut stand = Self::new(script, limits);
        stand.libvirt.follow(&target(WEB));
        stand.libvirt.follow(&target(LAZY));
        stand
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The processes that were started.
    fn starts(&self) -> Vec<u32> {
        let text = fs::read_to_string(self.file("helper.starts")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    fn answer(&self) -> GuestAnswer {
        self.libvirt.answer(&target(WEB))
    }

    /// Waits for an answer that is `wanted`.
    fn until(&self, wanted: impl Fn(&GuestAnswer) -> bool) -> GuestAnswer {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.answer();
            if wanted(&answer) {
                return answer;
            }
            assert!(Instant::now() < until, "last: {answer:?}");
            thread::yield_now();
        }
    }

    fn until_problem(&self, text: &str) -> GuestAnswer {
        let says = |problem: &String| problem.contains(text);
        self.until(|answer| answer.guest.problem.as_ref().is_some_and(says))
    }

    fn until_started(&self, times: usize) {
        self.until(|_| self.starts().len() >= times);
    }

    fn order(&self, to: Bytes) -> Result<(), String> {
        let (send, answer) = channel();
        let reply = Reply::new(move |result| send.send(result).unwrap());
        self.libvirt.orders().send(WEB, PID, SetBalloon { to, reply });
        answer.recv_timeout(PATIENCE).unwrap()
    }
}

#[test]
fn answers_come_and_orders_are_carried_out() {
    let stand = Stand::following(GOOD, limits());
    let answer = stand.until(|answer| answer.guest.stats.is_some());
    assert_eq!(answer.guest.actual, Some(Bytes(1 << 20)));
    assert_eq!(answer.guest.maximum, Some(Bytes(4 << 20)));
    assert_eq!(stand.order(Bytes(1 << 30)), Ok(()));
    let refused = "libvirt: too\u{fffd} little".to_owned();
    assert_eq!(stand.order(Bytes(6 * 1024 + 1)), Err(refused));
    assert_eq!(stand.starts().len(), 1);
    let other = Target { pid: 51, ..target(WEB) };
    let problem = stand.libvirt.answer(&other).guest.problem.unwrap();
    assert!(problem.contains("is process 50, not this one"), "{problem}");
}

#[test]
fn it_has_nothing_of_memtraces() {
    let script = "env > \"$0.env\"\nls /proc/self/fd > \"$0.fds\"\n: > \"$0.done\"\nread -r line\n";
    let stand = Stand::following(script, limits());
    stand.until(|_| stand.file("helper.done").exists());
    let environment = fs::read_to_string(stand.file("helper.env")).unwrap();
    assert!(environment.contains("LIBVIRT_AUTOSTART=0"), "{environment}");
    assert!(environment.contains("HOME=/nonexistent"), "{environment}");
    assert!(!environment.contains("CARGO"), "{environment}");
    let open = fs::read_to_string(stand.file("helper.fds")).unwrap();
    let open: Vec<u32> = open.lines().filter_map(|line| line.parse().ok()).collect();
    // One is the listing's own. What memtrace was started with by a careless program isn't its.
    let ours = |fd: &&u32| **fd > 3 && is_closed_on_exec(**fd);
    assert_eq!(open.iter().find(ours), None, "{open:?}");
}

/// Whether this process has that descriptor for itself, or not at all.
fn is_closed_on_exec(fd: u32) -> bool {
    let Ok(said) = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")) else { return true };
    let flags = said.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_none_or(|flags| flags & 0o2_000_000 != 0)
}

#[test]
fn one_that_is_not_there_is_said() {
    let mut libvirt = Libvirt::new(Program::at("/nonexistent/helper".into()), limits());
    libvirt.follow(&target(WEB));
    let until = Instant::now() + PATIENCE;
    let expected = Some("libvirt: memtrace-libvirt is not installed".to_owned());
    while libvirt.answer(&target(WEB)).guest.problem != expected {
        assert!(Instant::now() < until, "{:?}", libvirt.answer(&target(WEB)));
        thread::yield_now();
    }
    assert_eq!(libvirt.problem().as_deref(), Some("memtrace-libvirt is not installed"));
}

#[test]
fn a_host_without_libvirt_has_that_reason() {
    let script = "echo \"$0: error while loading shared libraries: libvirt.so.0: cannot open shared \
                  object file: No such file or directory\" >&2\nexit 127\n";
    let stand = Stand::following(script, limits());
    let answer = stand.until_problem("libvirt.so.0");
    let expected =
        "libvirt: libvirt.so.0: cannot open shared object file: No such file or directory";
    assert_eq!(answer.guest.problem.as_deref(), Some(expected));
    stand.until_started(2);
}

#[test]
fn one_that_hangs_is_killed_and_started_again() {
    let stand = Stand::following("exec cat > /dev/null\n", Limits { list: SHORT, ..limits() });
    stand.until_problem("memtrace-libvirt did not answer in time (the list of domains)");
    stand.until_started(3);
    let refused = stand.order(Bytes(1)).unwrap_err();
    assert!(refused.contains("did not answer"), "{refused}");
}

#[test]
fn what_was_answered_before_a_crash_stays() {
    let script = "read -r line; list; read -r line; look $web; read -r line\n\
                  echo 'it broke' >&2; kill -9 $$\n";
    let stand = Stand::following(script, limits());
    let answer = stand.until_problem("it broke");
    let expected = "libvirt: memtrace-libvirt was ended by signal 9: it broke";
    assert_eq!(answer.guest.problem.as_deref(), Some(expected));
    assert_eq!(answer.guest.maximum, Some(Bytes(4 << 20)));
    assert_eq!(answer.state, None);
    stand.until_started(2);
}

#[test]
fn floods_and_nonsense_end_it() {
    for (script, why) in [
        ("exec 3>&0; yes 1234567 | tr -d '\\n' >&3\n", "sent a line of more than 1024 KiB"),
        ("echo hello >&0; read -r line\n", "sent no answer"),
        ("echo '{\"id\":99,\"said\":\"done\"}' >&0; read -r line\n", "was not asked"),
        ("exit 3\n", "exited with 3"),
        ("exec 0>&-; exec sleep 600\n", "closed its connection"),
    ] {
        let stand = Stand::following(script, limits());
        stand.until_problem(why);
        stand.until_started(2);
    }
}

#[test]
fn one_that_grows_is_started_again() {
    let stand = Stand::following(GOOD, Limits { size: Bytes(1), ..limits() });
    stand.until_problem("MiB of memory");
    stand.until_started(2);
    stand.until(|answer| answer.guest.stats.is_some());
}

#[test]
fn a_domain_that_hangs_holds_up_no_other_for_long() {
    // Not answered: looks at one domain.
    let script = GOOD.replace("look $lazy;;", ":;;");
    let stand = Stand::following(&script, Limits { domain: SHORT, ..limits() });
    stand.until(|answer| answer.guest.stats.is_some());
    stand.until_problem("did not answer in time (a domain)");
    stand.until_started(2);
    let answered = |answer: &GuestAnswer| answer.state.is_some() && answer.guest.problem.is_none();
    stand.until(answered);
}

#[test]
fn an_order_that_is_under_way_fails_with_it() {
    let script = GOOD.replace("*'\"kib\":7}'*) ", "*'\"kib\":'*) kill -9 $$;; *none*) ");
    let stand = Stand::following(&script, limits());
    stand.until(|answer| answer.guest.stats.is_some());
    let failed = stand.order(Bytes(1 << 30)).unwrap_err();
    assert_eq!(failed, "libvirt: memtrace-libvirt was ended by signal 9");
}

/// Its socket is found, handed over, and found anew when the daemon is lost.
#[test]
fn a_daemon_in_a_container_is_asked_by_a_helper_of_its_users() {
    let host = Host::new(me());
    let script = GOOD.replace(
        "*'\"list\"'*) list;;",
        "*'\"list\"'*) [ -e \"$0.lost\" ] || list;
        [ -e \"$0.lost\" ] && answer '{\"failed\":\"lost\"}';;",
    );
    let script = script.replace("case $line in", "echo \"$line\" >> \"$0.asked\"; case $line in");
    let mut stand = Stand::new(&script, limits());
    let place = Place::Own(host.own(Kind::Contained));
    let own = Target { uuid: WEB, pid: PID, place };
    stand.libvirt.follow(&own);
    let until = |wanted: &dyn Fn(&GuestAnswer) -> bool| {
        stand.until(|_| wanted(&stand.libvirt.answer(&own)));
        stand.libvirt.answer(&own).guest.problem
    };
    let problem = |text| {
        move |answer: &GuestAnswer| {
            answer.guest.problem.as_ref().is_some_and(|it| it.contains(text))
        }
    };
    until(&problem("its libvirt is in a container, and isn't reached"));
    assert!(stand.starts().is_empty());
    host.socket("pod/var/run/libvirt/virtqemud-sock");
    assert_eq!(until(&|answer| answer.guest.stats.is_some()), None);
    assert_eq!(stand.order(Bytes(1 << 30)), Ok(()));
    let asked = fs::read_to_string(stand.file("helper.asked")).unwrap();
    let session = me() != 0;
    let open =
        format!("{{\"id\":1,\"daemon\":1,\"ask\":{{\"open\":{{\"session\":{session}}}}}}}\n");
    assert!(asked.starts_with(&open), "{asked}");
    fs::write(stand.file("helper.lost"), "").unwrap();
    until(&problem("libvirt: lost"));
    fs::remove_file(stand.file("helper.lost")).unwrap();
    until(&|answer| answer.guest.problem.is_none());
}

#[test]
fn it_ends_with_its_reader() {
    let Stand { folder, libvirt } = Stand::following(GOOD, limits());
    let starts = folder.path().join("helper.starts");
    let until = Instant::now() + PATIENCE;
    let pid: u32 = loop {
        let text = fs::read_to_string(&starts).unwrap_or_default();
        if let Ok(pid) = text.trim().parse() {
            break pid;
        }
        assert!(Instant::now() < until, "it isn't started");
        thread::yield_now();
    };
    drop(libvirt);
    while fs::exists(format!("/proc/{pid}")).unwrap() {
        assert!(Instant::now() < until, "process {pid} lives on");
        thread::yield_now();
    }
}
