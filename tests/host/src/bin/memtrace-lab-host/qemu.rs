//! A qemu process of a guest: started, spoken to over its monitor, killed at the end.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use memtrace_lab_host::scenario::{Memory, Plan, Work};

use crate::{cgroup, mini, wait};

const ANSWER: Duration = Duration::from_secs(60);
/// An answer of the monitor is never longer.
const LONGEST: usize = 4096;

/// A running qemu. It is killed when this is dropped.
pub struct Qemu {
    name: &'static str,
    child: Child,
}

impl Qemu {
    /// Starts it in its cgroup, its CPUs stopped until [`Self::go_on`].
    ///
    /// # Errors
    /// When it can't run, or ends at once.
    pub fn start(plan: &Plan, uuid: &str) -> Result<Self> {
        let name = plan.name;
        let mut command = Command::new("/usr/bin/qemu-system-x86_64");
        command
            .arg("-name")
            .arg(format!("guest={name},debug-threads=on"))
            .args(["-uuid", uuid, "-nodefaults", "-no-user-config", "-display", "none"])
            .args(["-S", "-smp", "1", "-no-reboot", "-device", "virtio-balloon-pci"])
            .args(accelerator(plan))
            .args(memory(plan))
            // memtrace finds this one, and keeps it for itself.
            .arg("-qmp")
            .arg(format!("unix:/run/{name}.qmp,server=on,wait=off"))
            .args(["-mon", "chardev=lab,mode=readline", "-chardev"])
            .arg(format!("socket,id=lab,path=/run/{name}.lab,server=on,wait=off"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(format!("/run/{name}.errors"))?);
        kernel(plan, &mut command)?;
        let start = || command.spawn().with_context(|| format!("run {command:?}"));
        let mut qemu = Self { name, child: cgroup::within(plan.cgroup, start)? };
        // Of an earlier guest of this name: qemu replaces it, so an open monitor is its own.
        wait::until("qemu's monitor", ANSWER, || {
            qemu.check()?;
            Ok(qemu.monitor().ok())
        })?;
        Ok(qemu)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    ///
    /// # Errors
    /// When it can't be asked.
    pub fn ended(&mut self) -> Result<bool> {
        Ok(self.status()?.is_some())
    }

    /// How it has ended, if it has.
    ///
    /// # Errors
    /// When it can't be asked.
    pub fn status(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Lets the guest's CPUs run.
    ///
    /// # Errors
    /// When qemu doesn't answer.
    pub fn go_on(&self) -> Result<()> {
        self.ask("cont\ninfo status", "running").map(drop)
    }

    /// Stops the guest's CPUs for good.
    ///
    /// # Errors
    /// When qemu doesn't answer.
    pub fn stop(&self) -> Result<()> {
        self.ask("stop\ninfo status", "paused").map(drop)
    }

    /// What qemu's monitor tells of its CPU.
    ///
    /// # Errors
    /// When qemu doesn't answer.
    pub fn registers(&self) -> Result<String> {
        self.ask("info registers", "CR0=")
    }

    /// Sends a command; everything that it answers up to a word that the answer has.
    fn ask(&self, command: &str, word: &str) -> Result<String> {
        let mut monitor = self.monitor()?;
        monitor.set_read_timeout(Some(ANSWER))?;
        monitor.write_all(format!("{command}\n").as_bytes())?;
        let mut heard = String::new();
        while !heard.contains(word) {
            let mut bytes = [0; 256];
            let length = monitor.read(&mut bytes).context("qemu's monitor is silent")?;
            ensure!(length > 0 && heard.len() < LONGEST, "{}: no {word:?}", self.name);
            heard.push_str(&String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()));
        }
        Ok(heard)
    }

    fn monitor(&self) -> Result<UnixStream> {
        Ok(UnixStream::connect(format!("/run/{}.lab", self.name))?)
    }

    fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let errors = fs::read_to_string(format!("/run/{}.errors", self.name))?;
            bail!("qemu of {}: {status}: {}", self.name, errors.trim());
        }
        Ok(())
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // Our own child, not waited for yet, so the pid is still its own.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(format!("/run/{}.lab", self.name));
    }
}

fn accelerator(plan: &Plan) -> &'static [&'static str] {
    match plan.emulated {
        // The translator's own memory stays small.
        true => &["-accel", "tcg,tb-size=16"],
        false => &["-accel", "kvm", "-cpu", "host"],
    }
}

fn memory(plan: &Plan) -> Vec<String> {
    let size = format!("{}M", plan.mib);
    let backend = match plan.memory {
        Memory::Private => None,
        Memory::Shared => Some("memory-backend-memfd,share=on"),
        Memory::Huge => Some("memory-backend-memfd,share=on,hugetlb=on,hugetlbsize=2M"),
    };
    let mut arguments = vec!["-m".to_owned(), size.clone(), "-machine".to_owned()];
    match backend {
        None => arguments.push("pc".to_owned()),
        Some(kind) => {
            arguments.push("pc,memory-backend=ram".to_owned());
            arguments.push("-object".to_owned());
            arguments.push(format!("{kind},id=ram,size={size}"));
        }
    }
    arguments
}

fn kernel(plan: &Plan, command: &mut Command) -> Result<()> {
    let name = plan.name;
    if let Work::Linux(_) = plan.work {
        command
            .args(["-kernel", "/guest/vmlinuz", "-initrd", "/guest/initramfs"])
            .args(["-append", "console=ttyS0 quiet panic=-1 memtrace.lifetime=600"])
            .arg("-serial")
            .arg(format!("file:/run/{name}.console"))
            .arg("-chardev")
            .arg(format!("socket,id=control,path=/run/{name}.control,server=on,wait=off"))
            .args(["-serial", "chardev:control"]);
        return Ok(());
    }
    let image = mini::image(plan.work).context("no image for this work")?;
    let path = format!("/run/{name}.kernel");
    fs::write(&path, image)?;
    command.arg("-kernel").arg(path);
    Ok(())
}
