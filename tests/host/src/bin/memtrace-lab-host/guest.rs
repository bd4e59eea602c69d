//! A guest: its qemu, and for Linux the serial line to the PID 1 in it.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use std::{fmt, fs};

use anyhow::{Context as _, Result, ensure};
use memtrace_lab_host::scenario::{Plan, Work};

use crate::counters::Counters;
use crate::qemu::Qemu;
use crate::{counters, mini, wait};

/// Emulated twice over, a guest takes its time to boot.
const BOOT: Duration = Duration::from_secs(90);
/// The same for one of ours.
const BOOT_MINI: Duration = Duration::from_secs(40);
const ANSWER: Duration = Duration::from_secs(60);
/// A line of a guest is never longer.
const LONGEST: usize = 4096;

/// A running guest.
pub struct Guest {
    pub plan: &'static Plan,
    pub qemu: Qemu,
    line: Option<Line>,
}

impl Guest {
    /// Starts qemu; the guest boots once qemu may go on.
    ///
    /// # Errors
    /// When qemu can't run.
    pub fn start(plan: &'static Plan, uuid: &str) -> Result<Self> {
        let qemu = Qemu::start(plan, uuid)?;
        let line = match plan.work {
            Work::Linux(_) => Some(Line::open(plan.name)?),
            _ => None,
        };
        Ok(Self { plan, qemu, line })
    }

    /// Waits until Linux has booted, or a guest of ours has touched half of its memory.
    ///
    /// # Errors
    /// When it doesn't; with the end of Linux' console.
    pub fn ready(&mut self) -> Result<()> {
        let name = self.plan.name;
        let Some(line) = &mut self.line else {
            return self.touched().or_else(|error| {
                self.is_on_its_way()?;
                Err(error.context(self.state()))
            });
        };
        let answer =
            line.hear(BOOT).with_context(|| format!("{name} doesn't boot{}", last_words(name)))?;
        ensure!(answer == "ready", "{name} says {answer}");
        Ok(())
    }

    fn touched(&mut self) -> Result<()> {
        let (Work::Walk(mib) | Work::WalkDeaf(mib) | Work::Once(mib)) = self.plan.work else {
            return Ok(());
        };
        let half = u64::from(mib) * 1024 / 2;
        wait::until(&format!("{} to walk", self.plan.name), BOOT_MINI, || {
            // One that was killed at once was there.
            let Ok(process) = counters::of_process(self.qemu.pid()) else { return Ok(Some(())) };
            let kib = ["RssAnon", "RssShmem", "VmSwap", "HugetlbPages"];
            let kib: u64 = kib.iter().filter_map(|name| process.get(*name)).sum();
            Ok((kib >= half || self.qemu.ended()?).then_some(()))
        })
    }

    /// Starts Linux' work; a guest of ours starts by itself.
    ///
    /// # Errors
    /// When it refuses or doesn't answer.
    pub fn work(&mut self) -> Result<()> {
        match (&mut self.line, self.plan.work) {
            (Some(line), Work::Linux(command)) => line.tell(command).map(drop),
            _ => Ok(()),
        }
    }

    /// Fails if its qemu has ended, with the last that both said.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn check(&mut self) -> Result<()> {
        let name = self.plan.name;
        match self.qemu.status()? {
            Some(status) => {
                Err(Lost(format!("{name} has ended, {status}{}", last_words(name))).into())
            }
            None => Ok(()),
        }
    }

    /// Fails if the guest's CPU has left its code. Under nested emulation a guest occasionally ends
    /// up elsewhere, touches nothing, and may reset itself.
    ///
    /// # Errors
    /// [`Lost`], or when its qemu doesn't answer.
    pub fn is_on_its_way(&mut self) -> Result<()> {
        self.check()?;
        let Some(image) = mini::image(self.plan.work) else { return Ok(()) };
        let registers = self.qemu.registers()?;
        match mini::is_in(&image, &registers) {
            Some(false) => {
                // On one line, without the monitor's greeting.
                let words: Vec<&str> = registers.split_whitespace().collect();
                let from = words.iter().position(|word| word.contains("AX=")).unwrap_or(0);
                let words = words.get(from..).unwrap_or_default().join(" ");
                Err(Lost(format!("{} got lost: {words}", self.plan.name)).into())
            }
            Some(true) | None => Ok(()),
        }
    }

    /// The kernel's counters of it, for the message of a failure.
    pub fn state(&self) -> String {
        let name = self.plan.name;
        let counters = match counters::of_guest(self.plan, self.qemu.pid()) {
            Ok(counters) => counters,
            Err(error) => return format!("{name}: {error:#}"),
        };
        let of = |counters: &Counters, names: &[&str]| -> Vec<String> {
            let count = |name: &&str| Some(format!("{name} {}", counters.get(*name)?));
            names.iter().filter_map(count).collect()
        };
        let process = of(&counters.process, &["VmRSS", "VmSwap", "minflt", "majflt"]);
        let events = of(&counters.events, &["high", "max", "oom_kill"]);
        format!("{name}: {}", [process, events].concat().join(", "))
    }

    /// Has Linux power off, and waits until its qemu has ended.
    ///
    /// # Errors
    /// When it doesn't.
    pub fn off(&mut self) -> Result<()> {
        let line = self.line.as_mut().context("this guest doesn't listen")?;
        line.stream.write_all(b"off\n")?;
        wait::until("a guest to power off", ANSWER, || Ok(self.qemu.ended()?.then_some(())))
    }

    /// Tells Linux something; its answer.
    ///
    /// # Errors
    /// [`Lost`] when its qemu has ended; when it refuses or doesn't answer, or isn't Linux.
    pub fn tell(&mut self, command: &str) -> Result<String> {
        let line = self.line.as_mut().context("this guest doesn't listen")?;
        let answer = line.tell(command);
        if let Err(error) = &answer
            && is_closed(error)
        {
            // A process closes its files before it has ended.
            let ended = || Ok(self.qemu.ended()?.then_some(()));
            wait::until("a guest to end", ANSWER, ended)?;
            self.check()?;
        }
        answer
    }
}

/// The emulation failed a guest, whatever memtrace does.
#[derive(Debug)]
pub struct Lost(String);

impl std::error::Error for Lost {}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the other end of the line is closed.
fn is_closed(error: &anyhow::Error) -> bool {
    let closed = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof];
    error.downcast_ref::<io::Error>().is_some_and(|error| closed.contains(&error.kind()))
}

/// What qemu and the guest's kernel said last.
fn last_words(name: &str) -> String {
    let console = fs::read(format!("/run/{name}.console")).unwrap_or_default();
    let from = console.len().saturating_sub(3000);
    let end = String::from_utf8_lossy(console.get(from..).unwrap_or_default()).into_owned();
    let errors = fs::read_to_string(format!("/run/{name}.errors")).unwrap_or_default();
    format!("; qemu: {errors}; its console: {end}")
}

/// The serial line of a Linux guest.
struct Line {
    name: &'static str,
    stream: UnixStream,
    heard: Vec<u8>,
}

impl Line {
    fn open(name: &'static str) -> Result<Self> {
        let stream = UnixStream::connect(format!("/run/{name}.control"))?;
        stream.set_nonblocking(true)?;
        Ok(Self { name, stream, heard: Vec::new() })
    }

    fn tell(&mut self, command: &str) -> Result<String> {
        self.stream.write_all(format!("{command}\n").as_bytes())?;
        let answer = self.hear(ANSWER)?;
        ensure!(answer.starts_with("ok "), "{} answers {command:?} with {answer:?}", self.name);
        Ok(answer)
    }

    fn hear(&mut self, limit: Duration) -> Result<String> {
        wait::until(&format!("a word from {}", self.name), limit, || {
            let mut bytes = [0; 256];
            match self.stream.read(&mut bytes) {
                Ok(0) => {
                    let end = io::Error::from(ErrorKind::UnexpectedEof);
                    return Err(end).context(format!("{} is gone", self.name));
                }
                Ok(length) => self.heard.extend_from_slice(bytes.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            ensure!(self.heard.len() < LONGEST, "{} talks without end", self.name);
            let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') else {
                return Ok(None);
            };
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            Ok(Some(String::from_utf8_lossy(&line).trim().to_owned()))
        })
    }
}
