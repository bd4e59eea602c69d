//! libvirt's daemons of a lab: started where none run, and killed as a crash does.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Lab, libvirt};

const PATIENCE: Duration = Duration::from_secs(10);

impl Lab {
    /// Starts libvirt's daemons unless they run.
    ///
    /// # Errors
    /// When libvirt doesn't answer in the end.
    pub fn start_daemons(&mut self) -> Result<()> {
        let journal = self.place.join("state.json");
        let state = &mut self.state;
        libvirt::ensure_daemons(|daemon| {
            state.daemons.push(daemon);
            state.save(&journal)
        })
    }

    /// Kills libvirt's daemon, as a crash does. The domains live on.
    ///
    /// # Errors
    /// When it is not the lab's, or doesn't end.
    pub fn kill_daemon(&self) -> Result<()> {
        let daemon = libvirt::daemon().filter(|daemon| self.state.daemons.contains(daemon));
        let daemon = daemon.context("libvirt's daemon isn't the lab's")?;
        daemon.kill(PATIENCE)
    }
}
