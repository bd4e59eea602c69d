//! Stand-ins by the thousand: processes under a VMM's name that sleep or fault, each in a
//! memory cgroup of its own as under libvirt.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use memtrace_tests::wait;

/// Limit on a stand-in's life, in seconds, for when we are killed.
const LIFE: &str = "600";

/// A program under a VMM's name that sleeps.
pub fn sleeper(dir: &Path) -> Result<PathBuf> {
    let program = dir.join("qemu-system-standin");
    fs::copy(std::env::current_exe()?, &program).context("copy this program")?;
    Ok(program)
}

/// Lets it sleep for so many seconds, as a VM that needs no second look: a QEMU that may use
/// KVM is watched for some time for whether it does.
pub fn sleep(program: &Path, seconds: &str) -> Command {
    run(program, "sleep", seconds)
}

fn run(program: &Path, what: &str, seconds: &str) -> Command {
    let mut command = Command::new(program);
    command.args([what, seconds, "-accel", "tcg"]).stdin(Stdio::null());
    command
}

/// The stand-ins; ended, and their cgroups removed, when this is dropped.
pub struct Herd {
    _dir: tempfile::TempDir,
    members: Vec<(Child, PathBuf)>,
}

impl Herd {
    /// Starts `size` of them, their cgroups in `pool`. `busy`: each faults again and again.
    pub fn start(pool: &Path, size: u32, busy: bool) -> Result<Self> {
        let what = if busy { "stir" } else { "sleep" };
        let dir = tempfile::tempdir()?;
        let program = sleeper(dir.path())?;
        let mut herd = Self { _dir: dir, members: Vec::new() };
        for number in 0..size {
            let cgroup = pool.join(format!("standin-{number}"));
            fs::create_dir(&cgroup).with_context(|| format!("make {}", cgroup.display()))?;
            let child = run(&program, what, LIFE).spawn();
            let child = child.inspect_err(|_| drop(fs::remove_dir(&cgroup)));
            let child = child.context("start a stand-in")?;
            let pid = child.id().to_string();
            herd.members.push((child, cgroup.clone()));
            fs::write(cgroup.join("cgroup.procs"), pid).context("move a stand-in")?;
        }
        Ok(herd)
    }

    /// The process and the cgroup of each.
    pub fn members(&self) -> impl Iterator<Item = (u32, &Path)> {
        self.members.iter().map(|(child, cgroup)| (child.id(), cgroup.as_path()))
    }
}

impl Drop for Herd {
    fn drop(&mut self) {
        for (child, _) in &mut self.members {
            // Our own child, which may be gone already.
            let _ = child.kill();
        }
        for (child, cgroup) in &mut self.members {
            let _ = child.wait();
            let gone = wait::until("an empty cgroup", || fs::remove_dir(&cgroup).ok());
            if let Err(error) = gone {
                eprintln!("{} stays: {error:#}", cgroup.display());
            }
        }
    }
}
