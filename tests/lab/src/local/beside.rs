//! What a lab wants of other hierarchies than that of memory: PSI of the pool and of each
//! guest, which version 1 of cgroups hasn't (kernel/cgroup/cgroup.c: `cgroup_psi_files` are
//! of version 2 alone, and need no controller), and a bound for reading from swap.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::cgroup::{self, Version};
use super::guest::Guest;
use super::{Lab, NAME};

/// The folders whose memory.pressure tells.
#[derive(Clone, Debug)]
pub struct Pressure {
    version: Version,
    /// The pool's.
    pub pool: PathBuf,
}

impl Lab {
    /// Has the kernel tell from here on how long the pool and each guest wait for memory;
    /// `None` where it can't.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn tell_pressure(&mut self) -> Result<Option<Pressure>> {
        let version = self.hierarchy.version;
        if version == Version::V2 {
            let pool = self.parent().map(Path::to_path_buf);
            return Ok(pool.map(|pool| Pressure { version, pool }));
        }
        let Some(root) = cgroup::unified()? else { return Ok(None) };
        let pool = root.join(NAME);
        self.put_in(&pool)?;
        Ok(Some(Pressure { version, pool }))
    }

    /// Has each guest read no faster from swap than so many bytes a second, as from a disk
    /// that others use; whether that can be had (blkio of version 1).
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn slow_swap(&mut self, bytes: u64) -> Result<bool> {
        let (Some(swap), Some(root)) = (self.state.swap.clone(), cgroup::version_1("blkio")?)
        else {
            return Ok(false);
        };
        let Some(disk) = disk(&swap)? else { return Ok(false) };
        let pool = root.join(NAME);
        self.put_in(&pool)?;
        for guest in &self.guests {
            let file = pool.join(guest.plan.name).join("blkio.throttle.read_bps_device");
            fs::write(&file, format!("{disk} {bytes}"))
                .with_context(|| format!("write {}", file.display()))?;
        }
        Ok(true)
    }

    /// Puts each guest in a group of its own below `pool`, in another hierarchy.
    fn put_in(&mut self, pool: &Path) -> Result<()> {
        let folders: Vec<PathBuf> =
            self.guests.iter().map(|guest| pool.join(guest.plan.name)).collect();
        self.state.cgroups.push(pool.to_path_buf());
        self.state.cgroups.extend(folders.clone());
        self.save()?;
        cgroup::make(pool)?;
        for (guest, folder) in self.guests.iter().zip(folders) {
            cgroup::make(&folder)?;
            fs::write(folder.join("cgroup.procs"), guest.process.pid.to_string())
                .with_context(|| format!("move {} to {}", guest.plan.name, folder.display()))?;
        }
        Ok(())
    }
}

impl Pressure {
    /// A guest's.
    pub fn of(&self, guest: &Guest) -> PathBuf {
        match self.version {
            Version::V1 => self.pool.join(guest.plan.name),
            Version::V2 => guest.cgroup.clone(),
        }
    }
}

/// `MAJOR:MINOR` of the whole disk under a file; `None` where the file system has none.
fn disk(file: &Path) -> Result<Option<String>> {
    let device = fs::metadata(file)?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let Ok(folder) = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")) else {
        return Ok(None);
    };
    // A partition lies below its disk (Documentation/ABI/stable/sysfs-block).
    let whole = if folder.join("partition").exists() { folder.join("..") } else { folder };
    Ok(Some(fs::read_to_string(whole.join("dev"))?.trim().to_owned()))
}
