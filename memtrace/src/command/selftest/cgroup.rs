//! The temporary cgroup that limits the guest: finding a place, creating and removing it. No other
//! cgroup is changed.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};

use memtrace_core::units::Bytes;
use memtrace_host::hostfs::cgroup::{self, MemoryCgroup, Version};
use memtrace_host::hostfs::{HostRoot, read};

/// Prefix of its name; the process id of its maker follows.
const NAME: &str = "memtrace-selftest-";
/// The kernel needs a moment to remove the last process from a cgroup.
const BURIAL: Duration = Duration::from_secs(5);

/// A memory cgroup with a limit. It is removed when this is dropped; its processes have to be
/// gone by then.
#[derive(Debug)]
pub struct Cgroup {
    pub version: Version,
    pub directory: PathBuf,
}

impl Cgroup {
    /// Makes a cgroup for process `pid` of memtrace, in the first place that allows it.
    ///
    /// # Errors
    /// A message for the operator: no memory controller, no place for a cgroup with it, or another
    /// self-test is running.
    pub fn make(root: &HostRoot, pid: u32, limit: Bytes) -> Result<Self> {
        let ours = cgroup::find(root, pid).map_err(|reason| anyhow!(reason))?;
        let places = places(&ours);
        for place in &places {
            sweep(root, place, pid)?;
        }
        let mut refusal = anyhow!("no cgroup delegates the memory controller");
        for place in places {
            match Self::make_in(&place, ours.version, pid, limit) {
                Ok(made) => return Ok(made),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    fn make_in(place: &Path, version: Version, pid: u32, limit: Bytes) -> Result<Self> {
        let directory = place.join(format!("{NAME}{pid}"));
        fs::create_dir(&directory).with_context(|| format!("make {}", directory.display()))?;
        let made = Self { version, directory };
        match version {
            Version::V1 => {
                // With an inherited 0 the guest would be killed instead of swapped.
                made.write("memory.swappiness", "60")?;
                made.write("memory.limit_in_bytes", &limit.0.to_string())?;
            }
            Version::V2 => made.write("memory.max", &limit.0.to_string())?,
        }
        Ok(made)
    }

    /// Moves a process there.
    ///
    /// # Errors
    /// When the kernel refuses, or the process is gone.
    pub fn take(&self, pid: u32) -> Result<()> {
        self.write("cgroup.procs", &pid.to_string())
    }

    /// Writes to a file that is there; a cgroup without the controller lacks it.
    fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.directory.join(file);
        let write = || OpenOptions::new().write(true).open(&path)?.write_all(text.as_bytes());
        write().with_context(|| format!("write {text} to {}", path.display()))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let begun = Instant::now();
        loop {
            match fs::remove_dir(&self.directory) {
                Ok(()) => return,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return,
                Err(_) if begun.elapsed() < BURIAL => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => {
                    tracing::warn!("cannot remove {}: {error}", self.directory.display());
                    return;
                }
            }
        }
    }
}

/// Where a cgroup with the memory controller can be made: the root of the hierarchy first,
/// because no limit of others holds there, then downwards to the cgroup that we are in.
fn places(ours: &MemoryCgroup) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = ours
        .directory
        .ancestors()
        .take_while(|directory| directory.starts_with(&ours.top))
        .filter(|directory| match ours.version {
            Version::V1 => true,
            Version::V2 => passes_memory_on(directory),
        })
        .map(PathBuf::from)
        .collect();
    places.reverse();
    places
}

fn passes_memory_on(directory: &Path) -> bool {
    read::text(&directory.join("cgroup.subtree_control"), read::SMALL)
        .is_ok_and(|text| text.split_ascii_whitespace().any(|controller| controller == "memory"))
}

/// Removes leftovers of a killed self-test. Non-empty cgroups stay.
///
/// # Errors
/// When another one runs: the two would change the same settings.
fn sweep(root: &HostRoot, place: &Path, ours: u32) -> Result<()> {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(NAME)?.parse::<u32>().ok());
        match pid {
            None => {}
            Some(pid) if pid != ours && root.process(pid).exists() => {
                bail!("another self-test is running (process {pid})")
            }
            Some(_) => {
                if let Err(error) = fs::remove_dir(entry.path()) {
                    tracing::warn!("cannot remove {}: {error}", entry.path().display());
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_host::hostfs::fake::{FakeHost, FakeProcess};

    const LIMIT: Bytes = Bytes(64 << 20);

    /// A process in `/a/b` of a unified hierarchy whose root passes memory on.
    fn host() -> FakeHost {
        let host = FakeHost::unified();
        host.file("sys/fs/cgroup/cgroup.subtree_control", "cpu memory pids\n");
        host.file("sys/fs/cgroup/a/cgroup.subtree_control", "pids\n");
        host.file("sys/fs/cgroup/a/memory.current", "1\n");
        host.file("sys/fs/cgroup/a/b/cgroup.subtree_control", "memory\n");
        host.file("sys/fs/cgroup/a/b/memory.current", "1\n");
        host.process(&FakeProcess { pid: 7, cgroup: "0::/a/b\n", ..FakeProcess::default() });
        host
    }

    #[test]
    fn the_root_comes_first_and_only_what_passes_memory_on_counts() {
        let host = host();
        let ours = cgroup::find(&host.root(), 7).unwrap();
        let cgroups = host.path("sys/fs/cgroup");
        assert_eq!(places(&ours), [cgroups.clone(), cgroups.join("a/b")]);
        host.file("sys/fs/cgroup/cgroup.subtree_control", "memory_recursiveprot\n");
        assert_eq!(places(&ours), [cgroups.join("a/b")]);
    }

    #[test]
    fn version_one_passes_everything_on() {
        let host = FakeHost::new("1 0 0:1 / /m rw - cgroup none rw,memory\n");
        host.process(&FakeProcess { pid: 7, cgroup: "4:memory:/x\n", ..FakeProcess::default() });
        let ours = cgroup::find(&host.root(), 7).unwrap();
        assert_eq!(places(&ours), [host.path("m"), host.path("m/x")]);
    }

    #[test]
    fn leftovers_of_a_killed_run_are_removed_and_nothing_else() {
        let host = host();
        let at = |name: &str| host.path(&format!("sys/fs/cgroup/{name}"));
        for name in ["memtrace-selftest-99", "memtrace-selftest-x", "machine.slice"] {
            fs::create_dir(at(name)).unwrap();
        }
        host.file("sys/fs/cgroup/memtrace-selftest-98/child/memory.max", "max\n");
        sweep(&host.root(), &at("."), 7).unwrap();
        assert!(!at("memtrace-selftest-99").exists());
        for name in ["memtrace-selftest-98", "memtrace-selftest-x", "machine.slice"] {
            assert!(at(name).exists(), "{name}");
        }
    }

    #[test]
    fn two_at_a_time_are_refused() {
        let host = host();
        host.process(&FakeProcess { pid: 99, ..FakeProcess::default() });
        fs::create_dir(host.path("sys/fs/cgroup/memtrace-selftest-99")).unwrap();
        let refusal = Cgroup::make(&host.root(), 7, LIMIT).unwrap_err().to_string();
        assert!(refusal.contains("process 99"), "{refusal}");
        assert!(host.path("sys/fs/cgroup/memtrace-selftest-99").exists());
    }

    #[test]
    fn a_cgroup_without_the_controller_is_not_changed() {
        // A tree of plain files: a new directory has no memory.max in it.
        let host = host();
        let refusal = Cgroup::make(&host.root(), 7, LIMIT).unwrap_err();
        assert!(format!("{refusal:#}").contains("memory.max"), "{refusal:#}");
        for place in ["sys/fs/cgroup", "sys/fs/cgroup/a/b"] {
            assert!(!host.path(&format!("{place}/memtrace-selftest-7")).exists());
        }
    }

    #[test]
    fn without_a_memory_controller_it_is_said() {
        let host = FakeHost::new("");
        host.process(&FakeProcess { pid: 7, cgroup: "0::/\n", ..FakeProcess::default() });
        let refusal = Cgroup::make(&host.root(), 7, LIMIT).unwrap_err().to_string();
        assert!(refusal.contains("no memory controller"), "{refusal}");
    }
}
