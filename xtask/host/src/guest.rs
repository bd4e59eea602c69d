//! A KVM guest with a cgroup of its own: qemu, and the serial line to the PID 1 in it.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::{cgroup, wait};

/// Emulated twice over, a guest takes its time to boot.
const BOOT: Duration = Duration::from_secs(90);
const ANSWER: Duration = Duration::from_secs(60);
/// A line of a guest is never longer.
const LONGEST: usize = 4096;

/// What a guest is.
pub struct Plan {
    pub name: &'static str,
    pub uuid: &'static str,
    pub memory_mib: u32,
}

/// A running guest. It is killed when this is dropped.
pub struct Guest {
    pub name: &'static str,
    qemu: Child,
    line: UnixStream,
    heard: Vec<u8>,
}

impl Guest {
    /// Starts qemu; the guest boots by itself.
    ///
    /// # Errors
    /// When qemu can't run.
    pub fn start(plan: &Plan) -> Result<Self> {
        let Plan { name, uuid, memory_mib } = *plan;
        let control = format!("/run/{name}.control");
        let mut command = Command::new("/usr/bin/qemu-system-x86_64");
        command
            .arg("-name")
            .arg(format!("guest={name},debug-threads=on"))
            .args(["-uuid", uuid, "-nodefaults", "-no-user-config", "-display", "none"])
            .args(["-accel", "kvm", "-cpu", "host", "-machine", "pc", "-smp", "1", "-m"])
            .arg(memory_mib.to_string())
            .args(["-no-reboot", "-kernel", "/guest/vmlinuz", "-initrd", "/guest/initramfs"])
            .args(["-append", "console=ttyS0 quiet panic=-1 memtrace.lifetime=600"])
            .arg("-serial")
            .arg(format!("file:/run/{name}.console"))
            .arg("-chardev")
            .arg(format!("socket,id=control,path={control},server=on,wait=off"))
            .args(["-serial", "chardev:control", "-device", "virtio-balloon-pci"])
            // memtrace finds this one, and keeps it for itself.
            .arg("-qmp")
            .arg(format!("unix:/run/{name}.qmp,server=on,wait=off"))
            .args(["-mon", "chardev=lab,mode=readline", "-chardev"])
            .arg(format!("socket,id=lab,path=/run/{name}.lab,server=on,wait=off"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(format!("/run/{name}.errors"))?);
        let mut qemu =
            cgroup::within(name, || command.spawn().with_context(|| format!("run {command:?}")))?;
        let line = wait::until("qemu's control socket", ANSWER, || {
            if let Some(status) = qemu.try_wait()? {
                let errors = fs::read_to_string(format!("/run/{name}.errors"))?;
                bail!("qemu of {name}: {status}: {}", errors.trim());
            }
            Ok(UnixStream::connect(&control).ok())
        })?;
        line.set_nonblocking(true)?;
        Ok(Self { name, qemu, line, heard: Vec::new() })
    }

    pub fn pid(&self) -> u32 {
        self.qemu.id()
    }

    /// Waits until the guest has booted.
    ///
    /// # Errors
    /// When it doesn't; with the end of its console.
    pub fn ready(&mut self) -> Result<()> {
        let answer = self.hear(BOOT).with_context(|| {
            let console = fs::read(format!("/run/{}.console", self.name)).unwrap_or_default();
            let from = console.len().saturating_sub(3000);
            let end = console.get(from..).unwrap_or_default();
            format!("{} doesn't boot; its console: {}", self.name, String::from_utf8_lossy(end))
        })?;
        ensure!(answer == "ready", "{} says {answer}", self.name);
        Ok(())
    }

    /// Tells the guest what to do, and gives its answer.
    ///
    /// # Errors
    /// When it refuses or doesn't answer.
    pub fn tell(&mut self, command: &str) -> Result<String> {
        self.line.write_all(format!("{command}\n").as_bytes())?;
        let answer = self.hear(ANSWER)?;
        match answer.strip_prefix("ok ") {
            Some(text) => Ok(text.to_owned()),
            None => bail!("{} answers {command:?} with {answer:?}", self.name),
        }
    }

    /// Stops the guest's CPUs for good.
    ///
    /// # Errors
    /// When qemu doesn't answer.
    pub fn stop(&self) -> Result<()> {
        let mut monitor = UnixStream::connect(format!("/run/{}.lab", self.name))?;
        monitor.set_read_timeout(Some(ANSWER))?;
        monitor.write_all(b"stop\ninfo status\n")?;
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains("paused") {
            let mut bytes = [0; 256];
            let length = monitor.read(&mut bytes).context("qemu's monitor is silent")?;
            ensure!(length > 0 && heard.len() < LONGEST, "{} isn't stopped", self.name);
            heard.extend_from_slice(bytes.get(..length).unwrap_or_default());
        }
        Ok(())
    }

    fn hear(&mut self, limit: Duration) -> Result<String> {
        wait::until(&format!("a word from {}", self.name), limit, || {
            let mut bytes = [0; 256];
            match self.line.read(&mut bytes) {
                Ok(0) => bail!("{} is gone", self.name),
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

impl Drop for Guest {
    fn drop(&mut self) {
        // Our own child, not waited for yet, so the pid is still its own.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
