//! How long it takes from the hook that sees pressure in one VM until another one's
//! hypervisor has the command that moves its balloon. Everything between is memtrace's own:
//! loop, source, policy, journal (synced to a disk), QMP client.

use std::fs;
use std::io::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use memtrace::service::sampling::{self, Handle};
use memtrace_core::live::Control;
use memtrace_core::policy::{
    Action, Decision, Decisions, Memtrace, Observation, Policy, Reason, RuleId, Rules,
};
use memtrace_core::reactor::Reactor;
use memtrace_core::units::Bytes;
use memtrace_ebpf::{EVENT_DIRECT_RECLAIM, EVENT_KSWAPD, EVENT_LONG_STALL, EVENT_MEMCG_RECLAIM};
use memtrace_host::actuate::host::HostActuator;
use memtrace_host::hostfs::HostRoot;
use memtrace_host::live::{LiveOptions, LiveSource};
use memtrace_host::probe::{self, Hooking};
use memtrace_measure::measured::Latency;
use memtrace_store::journal::{Journal, Limits};
use memtrace_tests::wait;

use crate::herd::sleeper;
use crate::latency::{in_both, latency};
use crate::monitor::MEMORY_MIB;
use crate::watched::{Seen, Watched};

/// Nothing happens by itself.
const NEVER: Duration = Duration::from_secs(24 * 3600);
/// Of a balloon.
const STEP: Bytes = Bytes(64 << 20);
/// Longest that a command is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the pressed one holds, in a cgroup that is smaller.
const HELD_MIB: u32 = 80;
/// A disk that survives a restart (Filesystem Hierarchy Standard, 5.15).
const DISK: &str = "/var/tmp";
/// The files that report pressure.
const SIGNS: [u32; 4] = [EVENT_KSWAPD, EVENT_DIRECT_RECLAIM, EVENT_MEMCG_RECLAIM, EVENT_LONG_STALL];

/// Presses so often on the host as it is, and as often with every CPU busy. `pool`: a cgroup
/// with too small a limit.
pub fn measure(pool: &Path, times: usize) -> Result<[Latency; 2]> {
    in_both(|load| run(pool, load, times))
}

fn run(pool: &Path, load: &str, times: usize) -> Result<Latency> {
    let (dir, disk) = (tempfile::tempdir()?, tempfile::tempdir_in(DISK)?);
    let program = sleeper(dir.path())?;
    let socket = dir.path().join("qmp");
    let socket = socket.to_str().context("a path that can be written")?;
    let memory = MEMORY_MIB.to_string();
    let qmp = format!("unix:{socket},server=on,wait=off");
    let donor = Puppet::start(Command::new(&program).args([
        "monitor", socket, "-accel", "tcg", "-name", "donor", "-m", &memory, "-qmp", &qmp,
    ]))?;
    let mut pressed = Pressed::start(&program, pool)?;
    let seen = Seen::default();
    let handle = start(&seen, disk.path())?;
    let measured = press(&donor, &mut pressed, &seen, times)
        .with_context(|| format!("last thought: {:?}", handle.step.borrow()));
    handle.control.send_modify(|control| control.stop = true);
    Ok(latency(load, measured?))
}

/// memtrace as it enforces.
fn start(seen: &Seen, disk: &Path) -> Result<Handle> {
    let root = HostRoot::live().context("reading the table of mounts")?;
    let kernel = Watched::new(probe::open(&root.sys, false, Hooking::OnDemand)?, seen.clone());
    let options = LiveOptions { libvirt: false, qmp: true };
    let source = LiveSource::new(root.clone(), Ok(Box::new(kernel)), options);
    let actuator = HostActuator::new(root, source.hypervisors());
    let (journal, recovered) = Journal::open(disk, Limits::default())?;
    let ledger = (Box::new(journal) as Box<_>, recovered.in_flight);
    let policy = Box::new(Prompt(Memtrace::new(Rules::default())));
    let reactor = Reactor::new(policy, ledger, Some(Box::new(actuator)));
    let control = Control { interval: NEVER, detail: None, stop: false };
    Ok(sampling::spawn_with(Box::new(source), Some(reactor), control))
}

/// Runs memtrace's policy for its cost and replaces its decisions by a small step each time: the
/// donor is a made-up VM without memory, from which the policy would rightly take nothing.
struct Prompt(Memtrace);

impl Policy for Prompt {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn step(&mut self, observation: &Observation) -> Decisions {
        let mut decisions = self.0.step(observation);
        let donor = observation.vms.iter().find(|vm| vm.name == "donor");
        let size = donor.and_then(|vm| Some((vm.id, vm.actual?)));
        decisions.actions = size
            .map(|(vm, from)| Decision {
                vm,
                action: Action::Balloon { from, to: from.saturating_sub(STEP) },
                rule: RuleId::Other,
                reason: Reason::Unrecorded,
            })
            .into_iter()
            .collect();
        decisions
    }
}

/// Nanoseconds from the hook to the command, each time.
fn press(donor: &Puppet, pressed: &mut Pressed, seen: &Seen, times: usize) -> Result<Vec<u64>> {
    // Until its size is known and the policy has looked twice.
    wait::until("the first command", || {
        pressed.press().ok()?;
        std::thread::park_timeout(Duration::from_millis(500));
        donor.lines.try_iter().find(|line| line.starts_with("balloon")).map(drop)
    })?;
    let (mut measured, mut failed, mut idle, mut pause) = (Vec::new(), 0, 0, 5);
    while measured.len() < times {
        ensure!(failed <= times / 20, "no command after {failed} of {times} presses");
        pause = (pause * 7 + 3) % 131;
        // The policy looks at most four times a second.
        std::thread::park_timeout(Duration::from_millis(260 + pause));
        // The host pressed by itself.
        if donor.lines.try_iter().any(|line| line.starts_with("balloon")) {
            continue;
        }
        seen.take();
        pressed.press()?;
        let at = donor.wait("balloon");
        let signs = seen.take().into_iter().filter(|sign| SIGNS.contains(&sign.event.kind));
        let hook = signs.map(|sign| sign.event.at_ns).min();
        let (at, hook) = match (at, hook) {
            (Ok(at), Some(hook)) => (at, hook),
            // What it touched was there, and nothing had to be reclaimed.
            (Err(_), None) if idle < times => {
                idle += 1;
                continue;
            }
            (Err(_), _) => {
                failed += 1;
                continue;
            }
            (Ok(_), None) => bail!("a command for no reason"),
        };
        let at: u64 = at.trim().parse()?;
        measured.push(at.saturating_sub(hook));
    }
    Ok(measured)
}

/// A process that does as it is told, and says so, a line each. Ended when this is dropped.
struct Puppet {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Puppet {
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take().context("a child without input")?;
        let stdout = child.stdout.take().context("a child without output")?;
        let (send, lines) = channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.try_for_each(|line| send.send(line))
        });
        let puppet = Self { child, stdin, lines };
        puppet.wait("")?;
        Ok(puppet)
    }

    /// The rest of the next line that begins like this.
    fn wait(&self, begin: &str) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.starts_with(begin) => {
                    return Ok(line.get(begin.len()..).unwrap_or_default().to_owned());
                }
                Ok(_) => {}
                Err(_) => bail!("no {begin:?} within {PATIENCE:?}"),
            }
        }
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        // Our own child; it may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A VM that has more than fits into its cgroup.
struct Pressed {
    puppet: Option<Puppet>,
    cgroup: std::path::PathBuf,
}

impl Pressed {
    fn start(program: &Path, pool: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        let puppet = Puppet::start(command.args(["load", "-accel", "tcg", "-name", "pressed"]))?;
        let cgroup = pool.join("pressed");
        fs::create_dir(&cgroup).with_context(|| format!("make {}", cgroup.display()))?;
        let pid = puppet.child.id().to_string();
        let mut pressed = Self { puppet: Some(puppet), cgroup };
        fs::write(pressed.cgroup.join("cgroup.procs"), pid).context("move a stand-in")?;
        pressed.tell(&format!("hold {HELD_MIB}"))?;
        Ok(pressed)
    }

    /// Some of what it holds is in swap, and has to come back.
    fn press(&mut self) -> Result<()> {
        self.tell("nudge 8")
    }

    fn tell(&mut self, order: &str) -> Result<()> {
        let puppet = self.puppet.as_mut().context("it is gone")?;
        writeln!(puppet.stdin, "{order}").context("tell a stand-in")?;
        puppet.wait("").map(drop)
    }
}

impl Drop for Pressed {
    fn drop(&mut self) {
        self.puppet = None;
        let gone = wait::until("an empty cgroup", || fs::remove_dir(&self.cgroup).ok());
        if let Err(error) = gone {
            eprintln!("{} stays: {error:#}", self.cgroup.display());
        }
    }
}
