//! How it is shown. Pure.

use std::fmt::Write;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::samples::Serving;
use super::served::{Firing, Served};
use memtrace_core::format::{self, several};
use memtrace_core::reactor::Mode;
use memtrace_core::reactor::entry::{Followed, Holding};
use memtrace_core::text::clean;
use memtrace_core::units::{Bytes, Nanos, WallNanos};
use memtrace_view::export::reaction::action;
use memtrace_view::summary;

/// Version of the JSON schema. Incremented when a field is removed or changes its meaning.
const SCHEMA_VERSION: u32 = 1;
/// Columns of an amount.
const AMOUNT: usize = 5;

/// Who runs on this host.
#[derive(Debug)]
pub(super) struct Status {
    /// `None`: nobody, as far as the journal tells.
    pub(super) running: Option<Running>,
    /// Who acts and isn't the one of the journal.
    pub(super) enforcer: Option<Enforcer>,
    /// `None`: nothing that is served is known.
    pub(super) served: Option<Served>,
    /// Who measures for others. `None`: nobody, as far as that can be read.
    pub(super) serving: Option<Serving>,
    /// Whether there is a socket for samples that doesn't tell who serves: it hangs, or is for
    /// others' eyes.
    pub(super) untold: bool,
    /// What can't be read.
    pub(super) problems: Vec<String>,
}

/// One that acts on VMs, by the lock that it holds.
#[derive(Debug)]
pub(super) struct Enforcer {
    pub(super) pid: Option<u32>,
    pub(super) lock: PathBuf,
    /// Where its journal isn't.
    pub(super) other: PathBuf,
}

/// The `memtrace mitigate` that runs.
#[derive(Debug)]
pub(super) struct Running {
    /// Of its journal.
    pub(super) directory: PathBuf,
    /// When its process was started.
    pub(super) since: Option<WallNanos>,
    pub(super) followed: Followed,
}

impl Status {
    pub(super) const fn runs(&self) -> bool {
        self.running.is_some()
            || self.enforcer.is_some()
            || self.served.is_some()
            || self.serving.is_some()
    }

    /// `None`: nobody shows, and somebody may.
    pub(super) const fn known(&self) -> Option<bool> {
        match (self.runs(), self.untold) {
            (false, true) => None,
            (runs, _) => Some(runs),
        }
    }

    fn mode(&self) -> Option<Mode> {
        let of = |enforces: bool| if enforces { Mode::Enforce } else { Mode::Observe };
        let noted = self.running.as_ref().and_then(|one| one.followed.noted.as_ref());
        let served = || self.served.as_ref().and_then(|served| served.enforcing);
        let acts = || self.enforcer.as_ref().map(|_| true);
        noted.map(|noted| noted.acting).or_else(acts).or_else(served).map(of)
    }

    fn vms(&self) -> Option<u64> {
        let noted = self.running.as_ref().and_then(|one| one.followed.noted.as_ref());
        let served = self.served.as_ref().and_then(|served| served.vms);
        served.or_else(|| noted.map(|noted| noted.names.len() as u64))
    }

    fn state(&self) -> Option<String> {
        let noted = self.running.as_ref().and_then(|one| one.followed.noted.as_ref());
        let noted =
            noted.and_then(|noted| noted.decisions.state).map(|state| state.word().to_owned());
        noted.or_else(|| self.served.as_ref().and_then(|served| served.state.clone()))
    }

    fn taken(&self) -> &[Holding] {
        self.running.as_ref().map_or(&[], |running| &running.followed.holdings)
    }

    pub(super) fn text(&self, now: WallNanos, zone: &TimeZone) -> String {
        let mut text = String::new();
        // Writing to a string doesn't fail.
        let _ = writeln!(text, "{}", self.who(now, zone));
        for problem in &self.problems {
            let _ = writeln!(text, "{}", clean(problem));
        }
        if !self.runs() {
            return text;
        }
        if let Some(serving) = &self.serving {
            let _ = writeln!(text, "{}", samples(serving));
        }
        if let Some(state) = self.state() {
            let _ = writeln!(text, "host state: {}", clean(&state));
        }
        if let Some(vms) = self.vms() {
            let _ = writeln!(text, "VMs: {vms}");
        }
        if self.running.is_some() {
            text.push_str(&self.holdings());
        }
        match &self.served {
            Some(served) => text.push_str(&alerts(&served.alerts)),
            None => {
                text.push_str("alerts: unknown; no metrics are served (metrics.listen, --source)\n")
            }
        }
        if let Some(last) = self.running.as_ref().and_then(|one| one.followed.orders.back()) {
            let order = &last.begun.order;
            let at = summary::local_time(last.begun.at, zone, "%Y-%m-%d %H:%M:%S");
            let _ =
                writeln!(text, "last order: {at} {}: {}", clean(&order.name), action(order.action));
        }
        text
    }

    fn who(&self, now: WallNanos, zone: &TimeZone) -> String {
        let mode = self.mode().map_or("mode unknown", Mode::word);
        let Some(Running { since, followed, directory }) = &self.running else {
            if let Some(Enforcer { pid, lock, other }) = &self.enforcer {
                let pid = pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
                return format!(
                    "memtrace mitigate runs: {mode}{pid}, which holds {}; its journal is not in {}",
                    lock.display(),
                    other.display()
                );
            }
            return match (&self.served, &self.serving) {
                (_, Some(Serving { command, pid, since, .. })) => {
                    let (command, since) = (clean(command), began(*since, now, zone));
                    format!("memtrace {command} runs: process {pid}{since}")
                }
                (Some(_), None) => format!("memtrace runs: {mode}"),
                (None, None) if self.untold => "whether a memtrace runs isn't known".to_owned(),
                (None, None) => "memtrace mitigate doesn't run".to_owned(),
            };
        };
        let pid = followed.pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
        let since = since.map(|since| began(since, now, zone)).unwrap_or_default();
        format!("memtrace mitigate runs: {mode}{pid}{since}, journal in {}", directory.display())
    }

    /// What is taken, and from whom.
    fn holdings(&self) -> String {
        let taken = self.taken();
        if taken.is_empty() {
            return "taken: nothing\n".to_owned();
        }
        let sum = taken.iter().fold(Bytes(0), |sum, one| sum.saturating_add(amount(one)));
        let vms = several(taken.len() as u64, "VM");
        let mut text = format!("taken: {} from {vms}\n", format::bytes(sum, AMOUNT).trim());
        for one in taken {
            let size = |size| format::bytes(size, AMOUNT).trim().to_owned();
            let now = one.now.map_or("size unknown".to_owned(), size);
            let _ = writeln!(text, "  {}: {} -> {now}", clean(&one.name), size(one.before));
        }
        text
    }

    pub(super) fn json(&self) -> String {
        let running = self.running.as_ref();
        let enforcer = self.enforcer.as_ref().and_then(|one| one.pid);
        let serving = self.serving.as_ref().map(|one| one.pid);
        let taken = self.taken().iter().map(|one| {
            json!({
                "vm": one.vm, "name": one.name, "before_bytes": one.before, "now_bytes": one.now,
                "taken_bytes": one.now.map(|_| amount(one)),
            })
        });
        let last = running.and_then(|one| one.followed.orders.back()).map(|told| json!(told.begun));
        let document = json!({
            "schema_version": SCHEMA_VERSION,
            "running": self.known(),
            "pid": running.and_then(|one| one.followed.pid).or(enforcer).or(serving),
            "since": running.and_then(|one| one.since),
            "journal": running.map(|one| &one.directory),
            "mode": self.mode().map(Mode::word),
            "host_state": self.state(),
            "vms": self.vms(),
            "taken": running.map(|_| taken.collect::<Vec<Value>>()),
            "alerts": self.served.as_ref().map(|served| &served.alerts),
            "last_order": last,
            "samples": self.serving.as_ref().map(|one| json!({
                "socket": one.socket, "command": one.command, "pid": one.pid,
                "since": one.since, "readers": one.readers,
            })),
            "version": self.served.as_ref().and_then(|served| served.version.as_ref()),
            "problems": self.problems,
        });
        format!("{document}\n")
    }
}

fn began(since: WallNanos, now: WallNanos, zone: &TimeZone) -> String {
    let at = summary::local_time(since, zone, "%Y-%m-%d %H:%M:%S");
    let age = format::span(Nanos(now.0.saturating_sub(since.0)));
    format!(", since {at} ({age})")
}

/// Who measures, where others read it, and how many do.
fn samples(Serving { socket, command, pid, readers, .. }: &Serving) -> String {
    let readers = readers.map(|count| format!("; {}", several(count, "reader")));
    let socket = socket.to_string_lossy();
    let (socket, command) = (clean(&socket), clean(command));
    let readers = readers.unwrap_or_default();
    format!("samples: {socket}, of memtrace {command} (process {pid}){readers}")
}

/// What is held of a VM; nothing where its size isn't known.
fn amount(holding: &Holding) -> Bytes {
    holding.now.map_or(Bytes(0), |now| holding.before.saturating_sub(now))
}

fn alerts(alerts: &[Firing]) -> String {
    if alerts.is_empty() {
        return "alerts: none\n".to_owned();
    }
    let mut text = format!("alerts: {}\n", alerts.len());
    for Firing { rule, severity, vm } in alerts {
        let of = vm.as_ref().map_or("the host", |vm| vm);
        let _ = writeln!(text, "  {}: {} of {}", clean(severity), clean(rule), clean(of));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::policy::{Decisions, Level};
    use memtrace_core::reactor::entry::Noted;
    use memtrace_core::sample::VmId;

    fn status() -> Status {
        let holding = |name: &str, now| Holding {
            vm: VmId::Process { pid: 7, start: 1 },
            name: name.to_owned(),
            pid: Some(7),
            before: Bytes(4 << 30),
            now,
        };
        let noted = Noted {
            at: WallNanos(0),
            acting: true,
            decisions: Decisions { state: Some(Level::Hard), ..Decisions::default() },
            names: Vec::new(),
        };
        let followed = Followed {
            pid: Some(42),
            noted: Some(noted),
            holdings: vec![holding("we\x1bb", Some(Bytes(3 << 30))), holding("db", None)],
            ..Followed::default()
        };
        let since = Some(WallNanos(1_700_000_000_000_000_000));
        let running = Running { directory: "/j".into(), since, followed };
        let vm = Some("web".to_owned());
        let firing = Firing { rule: "vm_stalled".into(), severity: "warning".into(), vm };
        let served = Served { vms: Some(3), alerts: vec![firing], ..Served::default() };
        Status {
            running: Some(running),
            enforcer: None,
            served: Some(served),
            serving: Some(Serving {
                socket: "/run/s.sock".into(),
                command: "mitigate".to_owned(),
                pid: 42,
                since: WallNanos(0),
                readers: Some(2),
            }),
            untold: false,
            problems: Vec::new(),
        }
    }

    #[test]
    fn it_says_who_runs_and_what_is_taken() {
        let text = status().text(WallNanos(1_700_000_600_000_000_000), &TimeZone::UTC);
        let expected = "\
memtrace mitigate runs: enforce, process 42, since 2023-11-14 22:13:20 (10 min), journal in /j
samples: /run/s.sock, of memtrace mitigate (process 42); 2 readers
host state: hard
VMs: 3
taken: 1.0G from 2 VMs
  we\u{fffd}b: 4.0G -> 3.0G
  db: 4.0G -> size unknown
alerts: 1
  warning: vm_stalled of web
";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_document_says_the_same() {
        let document: Value = serde_json::from_str(&status().json()).expect("it is JSON");
        assert_eq!((&document["mode"], &document["pid"]), (&"enforce".into(), &42.into()));
        assert_eq!(document["taken"][0]["taken_bytes"], 1_u64 << 30);
        assert_eq!(document["taken"][1]["taken_bytes"], Value::Null);
        assert_eq!(document["alerts"][0]["rule"], "vm_stalled");
        assert_eq!(
            (&document["samples"]["pid"], &document["samples"]["readers"]),
            (&42.into(), &2.into())
        );
    }

    #[test]
    fn where_nobody_runs_it_says_so() {
        let (running, enforcer, served, serving) = (None, None, None, None);
        let (untold, problems) = (false, Vec::new());
        let nobody = Status { running, enforcer, served, serving, untold, problems };
        assert_eq!(nobody.text(WallNanos(0), &TimeZone::UTC), "memtrace mitigate doesn't run\n");
        let document: Value = serde_json::from_str(&nobody.json()).expect("it is JSON");
        assert_eq!((&document["running"], &document["taken"]), (&false.into(), &Value::Null));
    }
}
