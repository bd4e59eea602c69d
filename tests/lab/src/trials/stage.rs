//! What a trial is played on: a lab's guests at their full size, and a place for memtrace's
//! journals.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::mitigator::{How, Mitigator};
use crate::local::Lab;
use crate::local::guest::Guest;
use crate::wait;

/// A balloon of a guest that idles takes a second or two.
pub const PATIENCE: Duration = Duration::from_secs(40);
const CONFIGURATION: &str = include_str!("memtrace.toml");

/// MiB that guests touch and give back to their own kernels; the host still has them. With what
/// qemu needs itself it is more than the policy leaves alone for that.
const GIVEN_UP: [(&str, u32); 2] = [("noisy", 400), ("victim", 160)];

pub struct Stage<'a> {
    pub lab: &'a mut Lab,
    memtrace: &'a Path,
    folder: PathBuf,
}

impl<'a> Stage<'a> {
    /// Gives every guest that is left its full size, and those that are to give something to
    /// give. `number`: the trial's, for its files.
    ///
    /// # Errors
    /// When a guest doesn't take it, or is too slow.
    pub fn set(lab: &'a mut Lab, memtrace: &'a Path, number: usize) -> Result<Self> {
        let folder = lab.folder().join(format!("trial-{number}"));
        std::fs::create_dir_all(&folder)?;
        let stage = Self { lab, memtrace, folder };
        for guest in stage.lab.guests.iter().filter(|guest| guest.process.alive()) {
            guest.resize(guest.plan.memory_mib)?;
        }
        for guest in stage.lab.guests.iter().filter(|guest| guest.process.alive()) {
            let full = u64::from(guest.plan.memory_mib);
            wait::answer("full size", PATIENCE, || Ok((guest.size_mib()? >= full).then_some(())))?;
        }
        for guest in stage.lab.guests.iter_mut().filter(|guest| guest.process.alive()) {
            let given = GIVEN_UP.iter().find(|(name, _)| *name == guest.plan.name);
            if let Some((_, mib)) = given {
                guest.tell(&format!("hold {mib}"))?;
                guest.wait_walked()?;
                guest.tell("free")?;
            }
        }
        Ok(stage)
    }

    /// memtrace with a journal of this name.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn mitigator(&self, journal: &str, how: How) -> Result<Mitigator> {
        Mitigator::start(self.memtrace, (&self.folder, journal), CONFIGURATION, how)
    }

    /// The same, which takes memory in use too, so that there is always something left to take.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn greedy_mitigator(&self, journal: &str, how: How) -> Result<Mitigator> {
        let in_use = "[policy]\nin_use = 99.7\ncalm_above = 99.8\n";
        let configuration = CONFIGURATION.replace("[policy]\n", in_use);
        Mitigator::start(self.memtrace, (&self.folder, journal), &configuration, how)
    }

    /// Where that journal is.
    pub fn journal(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// # Errors
    /// When the lab has no such guest.
    pub fn guest(&self, name: &str) -> Result<&Guest> {
        let guest = self.lab.guests.iter().find(|guest| guest.plan.name == name);
        guest.with_context(|| format!("no guest {name}"))
    }
}
