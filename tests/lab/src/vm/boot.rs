//! One host, booted: qemu, bounded in time, its report read as it comes.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::architecture::Architecture;
use crate::interrupt;
use crate::setup::kernel::Kernel;

const LOOK: Duration = Duration::from_millis(200);
const SWAP_MIB: u64 = 1024;
/// Most bytes of a report that are read.
const MOST: u64 = 16 << 20;
/// Lines of the console that are shown when a host fails.
const TAIL: usize = 30;
/// Lines that are shown from before a kernel's panic, and in all.
const BEFORE_PANIC: usize = 40;
const MOST_LINES: usize = 120;

/// Where the host's first serial port goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    /// Its kernel's messages, to a file.
    File,
    /// To our own terminal; the kernel's messages go into the report then, where they are
    /// left out.
    Terminal,
}

/// What a host gets beside its kernel and initramfs.
#[derive(Clone, Copy, Debug)]
pub struct Wiring<'a> {
    pub architecture: Architecture,
    pub console: Console,
    /// On the kernel's command line, for its PID 1.
    pub order: &'a str,
    /// An image that becomes its second disk.
    pub disk: Option<&'a Path>,
    pub cpus: u8,
}

/// CPUs of a host, where nothing speaks for fewer.
pub const CPUS: u8 = 2;

/// A booted host. It is ended when this is dropped.
pub struct Host {
    qemu: Child,
    folder: PathBuf,
    report: File,
    pending: Vec<u8>,
    deadline: Instant,
}

impl Host {
    /// Starts qemu. `folder` gets all that belongs to this run.
    ///
    /// # Errors
    /// When a file can't be written or qemu can't start.
    pub fn boot(
        kernel: &Kernel,
        initramfs: &[u8],
        folder: &Path,
        Wiring { architecture, console, order, disk, cpus }: Wiring<'_>,
        deadline: Instant,
    ) -> Result<Self> {
        fs::write(folder.join("initramfs"), initramfs).context("write the initramfs")?;
        let swap = File::create(folder.join("swap"))?;
        // Sparse: it takes only what is swapped.
        swap.set_len(SWAP_MIB << 20)?;
        let report = folder.join("report");
        File::create(&report)?;
        let errors = File::create(folder.join("qemu"))?;
        let mut command = Command::new(architecture.qemu());
        let [console_port, report_port] = architecture.ports();
        let messages = match console {
            Console::File => {
                let file = format!("file:{}", folder.join("console").display());
                command.args(["-serial", &file]).stdin(Stdio::null()).stdout(Stdio::null());
                console_port
            }
            Console::Terminal => {
                command.args(["-chardev", "stdio,id=terminal", "-serial", "chardev:terminal"]);
                report_port
            }
        };
        let qemu = command
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
            .args(architecture.machine())
            .args(["-m", "2048", "-smp", &cpus.to_string()])
            .arg("-kernel")
            .arg(&kernel.image)
            .arg("-initrd")
            .arg(folder.join("initramfs"))
            // ramfs: what the initramfs holds must not itself be reclaimed or swapped.
            .arg("-append")
            .arg(format!(
                "console={messages} quiet panic=-1 psi=1 delayacct rootfstype=ramfs \
                 memtrace.report=/dev/{report_port} {order}"
            ))
            .args(architecture.report_port(&report))
            .arg("-drive")
            .arg(format!(
                "file={},if=virtio,format=raw,cache=unsafe",
                folder.join("swap").display()
            ))
            .args(disk.into_iter().flat_map(|disk| {
                let file = format!("file={},if=virtio,format=raw,cache=unsafe", disk.display());
                ["-drive".to_owned(), file]
            }))
            .stderr(errors)
            .spawn()
            .with_context(|| format!("run {}", architecture.qemu()))?;
        Ok(Self {
            qemu,
            folder: folder.to_path_buf(),
            report: File::open(&report)?,
            pending: Vec::new(),
            deadline,
        })
    }

    /// The next line of the report; `None` after the last.
    ///
    /// # Errors
    /// When the deadline passes, the user interrupts, or the host ends without a word.
    pub fn next_line(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).trim().to_owned()));
            }
            // Asked before reading: what was written before the end is then still read.
            let ended = self.qemu.try_wait()?;
            let at = self.report.stream_position()?;
            ensure!(at < MOST, "the report has no end");
            self.report.seek(SeekFrom::Start(at))?;
            if (&self.report).take(1 << 20).read_to_end(&mut self.pending)? > 0 {
                continue;
            }
            if let Some(status) = ended {
                ensure!(status.success(), "qemu: {status}\n{}", self.tail("qemu"));
                return Ok(None);
            }
            interrupt::check()?;
            if Instant::now() > self.deadline {
                bail!("not done in time; its console ends with\n{}", self.tail("console"));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The last lines of the console, or of what qemu said.
    pub fn tail(&self, file: &str) -> String {
        let bytes = fs::read(self.folder.join(file)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        end_of(&text)
    }
}

/// The last lines of a console. Where its kernel panicked, from there on: what it died of stands
/// above its stack.
fn end_of(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.len().saturating_sub(TAIL);
    let panic = lines.iter().rposition(|line| line.contains("Kernel panic"));
    let from = panic.map_or(last, |at| at.saturating_sub(BEFORE_PANIC));
    lines.iter().skip(from.min(last)).take(MOST_LINES).copied().collect::<Vec<_>>().join("\n")
}

impl Drop for Host {
    fn drop(&mut self) {
        // Our own child, not waited for yet, so the pid is still its own.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_shown_from_what_led_to_it() {
        let mut lines: Vec<String> = (0..500).map(|n| format!("line {n}")).collect();
        assert_eq!(end_of(&lines.join("\n")).lines().next(), Some("line 470"));
        lines[450] = "[   66.0] Kernel panic - not syncing: corrupted stack end".to_owned();
        let shown = end_of(&lines.join("\n"));
        assert_eq!(shown.lines().next(), Some("line 410"));
        assert!(shown.contains("corrupted stack end") && shown.ends_with("line 499"), "{shown}");
        assert_eq!(end_of(""), "");
    }
}
