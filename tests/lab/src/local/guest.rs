//! A running guest: telling its PID 1 what to do, and its hypervisor to stop, go on, or
//! move the balloon.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::libvirt;
use super::plan::GuestPlan;
use super::process::Process;
use super::socket::Socket;
use crate::wait;

const PATIENCE: Duration = Duration::from_secs(30);
/// A TCG guest boots in about 3 s on an idle machine.
const BOOT: Duration = Duration::from_secs(120);
/// Filling a guest's memory takes a second or two.
const FIRST_WALK: Duration = Duration::from_secs(60);
const PROMPT: &str = "(qemu) ";

/// The interface for actions that the guest itself can't take.
#[derive(Clone, Debug)]
pub enum Hypervisor {
    /// The human monitor's socket.
    Monitor(PathBuf),
    Libvirt,
}

#[derive(Debug)]
pub struct Guest {
    pub plan: GuestPlan,
    pub process: Process,
    /// Its memory cgroup.
    pub cgroup: PathBuf,
    hypervisor: Hypervisor,
    agent: Socket,
}

impl Guest {
    /// Connects to the PID 1 of a guest that has just been started.
    ///
    /// # Errors
    /// When its serial port's socket isn't there.
    pub fn connect(
        plan: GuestPlan,
        process: Process,
        cgroup: PathBuf,
        hypervisor: Hypervisor,
        agent: &Path,
    ) -> Result<Self> {
        let agent = Socket::connect(agent)?;
        Ok(Self { plan, process, cgroup, hypervisor, agent })
    }

    /// Waits until the guest has booted.
    ///
    /// # Errors
    /// When it doesn't in time.
    pub fn wait_ready(&mut self) -> Result<()> {
        let name = self.plan.name;
        self.agent.read_until("ready\n", BOOT).with_context(|| format!("{name} doesn't boot"))?;
        Ok(())
    }

    /// Gives PID 1 a command and returns its answer.
    ///
    /// # Errors
    /// When it refuses or doesn't answer.
    pub fn tell(&mut self, command: &str) -> Result<String> {
        let name = self.plan.name;
        tell(&mut self.agent, command).with_context(|| format!("{name}: {command}"))
    }

    /// Has it power itself off, and waits until it has.
    ///
    /// # Errors
    /// When it is too slow.
    pub fn off(&mut self) -> Result<()> {
        self.agent.send("off\n")?;
        wait::until("its end", PATIENCE, || {
            ensure!(!self.process.alive(), "{} doesn't power off", self.plan.name);
            Ok(())
        })
    }

    /// Waits until it has walked over all its memory once.
    ///
    /// # Errors
    /// When it is too slow.
    pub fn wait_walked(&mut self) -> Result<()> {
        let what = format!("{}'s first walk", self.plan.name);
        wait::answer(&what, FIRST_WALK, || {
            let status = self.tell("status")?;
            let walks = parse_walks(&status).with_context(|| format!("no walks in: {status}"))?;
            Ok((walks > 0).then_some(()))
        })
    }

    /// Stops the guest's CPUs.
    ///
    /// # Errors
    /// When the hypervisor refuses.
    pub fn pause(&self) -> Result<()> {
        self.ask("stop", &["suspend", self.plan.name]).map(drop)
    }

    /// Lets them run again.
    ///
    /// # Errors
    /// When the hypervisor refuses.
    pub fn resume(&self) -> Result<()> {
        self.ask("cont", &["resume", self.plan.name]).map(drop)
    }

    /// What its balloon leaves it, in MiB, as its hypervisor says.
    ///
    /// # Errors
    /// When that doesn't answer.
    pub fn size_mib(&self) -> Result<u64> {
        let answer = self.ask("info balloon", &["dommemstat", self.plan.name])?;
        parse_size(&answer).with_context(|| format!("no size in: {answer}"))
    }

    /// Sets its balloon to leave it this much.
    ///
    /// # Errors
    /// When its hypervisor refuses.
    pub fn resize(&self, mib: u32) -> Result<()> {
        let (name, size) = (self.plan.name, format!("{mib}M"));
        self.ask(&format!("balloon {mib}"), &["setmem", name, &size, "--live"]).map(drop)
    }

    fn ask(&self, monitor: &str, virsh: &[&str]) -> Result<String> {
        match &self.hypervisor {
            Hypervisor::Monitor(path) => ask_monitor(path, monitor),
            Hypervisor::Libvirt => libvirt::virsh(virsh),
        }
    }
}

/// One command to PID 1 over a connection to its port.
///
/// # Errors
/// When it refuses or doesn't answer.
pub fn tell(agent: &mut Socket, command: &str) -> Result<String> {
    agent.send(&format!("{command}\n"))?;
    loop {
        let line = agent.read_until("\n", PATIENCE)?;
        match line.trim().split_once(' ') {
            Some(("ok", answer)) => return Ok(answer.to_owned()),
            Some(("error", why)) => bail!("refused: {why}"),
            // "ready", of a boot before this connection.
            _ => {}
        }
    }
}

/// One command to the human monitor, and what it answers.
///
/// # Errors
/// When it doesn't answer.
pub fn ask_monitor(path: &Path, command: &str) -> Result<String> {
    let mut monitor = Socket::connect(path)?;
    monitor.read_until(PROMPT, PATIENCE)?;
    monitor.send(&format!("{command}\n"))?;
    monitor.read_until(PROMPT, PATIENCE).with_context(|| format!("monitor: {command}"))
}

/// Sets the balloon of a domain or of a plain guest.
///
/// # Errors
/// When the hypervisor refuses.
pub fn balloon(name: &str, is_domain: bool, monitor: &Path, mib: u32) -> Result<()> {
    if is_domain {
        return libvirt::virsh(&["setmem", name, &format!("{mib}M"), "--live"]).map(drop);
    }
    ask_monitor(monitor, &format!("balloon {mib}")).map(drop)
}

/// `balloon: actual=256` in MiB, or `actual 262144` in KiB.
fn parse_size(answer: &str) -> Option<u64> {
    let mut lines = answer.lines();
    lines.find_map(|line| {
        let line = line.trim();
        match line.strip_prefix("balloon: actual=") {
            Some(mib) => mib.trim().parse().ok(),
            None => Some(line.strip_prefix("actual ")?.trim().parse::<u64>().ok()? / 1024),
        }
    })
}

fn parse_walks(status: &str) -> Option<u64> {
    status.split_whitespace().find_map(|word| word.strip_prefix("walks="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_from_either_hypervisor() {
        let echoed = "info balloon\x1b[K\r\nballoon: actual=256\r\n(qemu) ";
        assert_eq!(parse_size(echoed), Some(256));
        assert_eq!(parse_size("actual 262144\nswap_in 0\n"), Some(256));
        assert_eq!(parse_size("(qemu) "), None);
    }

    #[test]
    fn walks_are_read_from_the_status() {
        assert_eq!(parse_walks("mode=cycle mib=300 walks=12"), Some(12));
        assert_eq!(parse_walks("mode=cycle"), None);
    }
}
