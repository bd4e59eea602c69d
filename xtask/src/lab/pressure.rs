//! PSI of the pool and of each guest. Version 1 of cgroups has none (kernel/cgroup/cgroup.c
//! has memory.pressure in `cgroup_psi_files` of version 2 alone); where memory is in version
//! 1, the guests are put in groups of version 2 as well, which need no controller for it.

use std::fs;
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
        let pressure = Pressure { version, pool: root.join(NAME) };
        let folders: Vec<PathBuf> = self.guests.iter().map(|guest| pressure.of(guest)).collect();
        self.state.cgroups.push(pressure.pool.clone());
        self.state.cgroups.extend(folders.clone());
        self.save()?;
        cgroup::make(&pressure.pool)?;
        for (guest, folder) in self.guests.iter().zip(folders) {
            cgroup::make(&folder)?;
            fs::write(folder.join("cgroup.procs"), guest.process.pid.to_string())
                .with_context(|| format!("move {} to {}", guest.plan.name, folder.display()))?;
        }
        Ok(Some(pressure))
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
