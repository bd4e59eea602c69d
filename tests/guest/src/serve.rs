//! The loop: hear a command, touch some memory, hear the next.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{ControlModes, OptionalActions, tcgetattr, tcsetattr};

use crate::command::Command;
use crate::line::Lines;
use crate::meminfo::available_mib;
use crate::programs::Programs;
use crate::work::{Mode, Work};

const PORT: &str = "/dev/ttyS1";
/// What the guest's own kernel must keep, so that a command can't end in its OOM killer.
const RESERVE_MIB: u64 = 16;

/// Obeys until told to power off or the lifetime is over.
///
/// # Errors
/// When the serial port fails.
pub fn serve(lifetime: Duration) -> Result<()> {
    let mut port = open()?;
    let end = Instant::now() + lifetime;
    let mut lines = Lines::default();
    let mut work = Work::new();
    let mut programs = Programs::default();
    port.write_all(b"ready\n")?;
    loop {
        let now = Instant::now();
        let left = end.saturating_duration_since(now);
        if left.is_zero() {
            return Ok(());
        }
        let wait = work.rest(now).map_or(left, |rest| rest.min(left));
        if readable(&port, wait)? {
            let mut bytes = [0; 256];
            let length = port.read(&mut bytes)?;
            for line in lines.push(bytes.get(..length).unwrap_or_default()) {
                let reply = match Command::parse(&line) {
                    Ok(Command::Off) => return Ok(()),
                    Ok(command) => obey(&mut work, &mut programs, command),
                    Err(reply) => Err(reply),
                };
                let reply = match reply {
                    Ok(text) => format!("ok {text}\n"),
                    Err(text) => format!("error {text}\n"),
                };
                port.write_all(reply.as_bytes())?;
            }
        }
        work.step(Instant::now());
    }
}

fn obey(work: &mut Work, programs: &mut Programs, command: Command) -> Result<String, String> {
    match command {
        Command::Plan(line) => return programs.plan(&line).map(|()| "planned".to_owned()),
        Command::Settle => return programs.settle().map(|()| "settling".to_owned()),
        Command::Go => return programs.go().map(|()| "running".to_owned()),
        Command::Report => return Ok(programs.report()),
        Command::Notes => return Ok(programs.notes()),
        Command::Hold(mib) => start(work, Mode::Hold, mib)?,
        Command::Cycle(mib) => start(work, Mode::Cycle, mib)?,
        Command::Idle => work.idle(),
        Command::Resume => work.resume(),
        Command::Free => work.free(),
        Command::Status | Command::Off => {}
    }
    Ok(work.status())
}

fn start(work: &mut Work, mode: Mode, mib: usize) -> Result<(), String> {
    work.free();
    let most = available_mib().unwrap_or(0).saturating_sub(RESERVE_MIB);
    if mib as u64 > most {
        return Err(format!("only {most} MiB can be had in this guest"));
    }
    work.start(mode, mib);
    Ok(())
}

/// The port as a plain byte pipe: no echo, no line editing, no modem lines.
fn open() -> Result<File> {
    let port = OpenOptions::new().read(true).write(true).open(PORT).context(PORT)?;
    let mut attributes = tcgetattr(&port)?;
    attributes.make_raw();
    attributes.control_modes |= ControlModes::CLOCAL;
    tcsetattr(&port, OptionalActions::Now, &attributes)?;
    Ok(port)
}

fn readable(port: &File, wait: Duration) -> Result<bool> {
    let wait = Timespec {
        tv_sec: wait.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: wait.subsec_nanos().into(),
    };
    let mut fds = [PollFd::new(port, PollFlags::IN)];
    Ok(poll(&mut fds, Some(&wait))? > 0)
}
