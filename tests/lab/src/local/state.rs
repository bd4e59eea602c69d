//! The journal of what the lab changed on this machine. Each entry is written before its change
//! is made, so that the next run can undo it after a `kill -9`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::device::Access;
use super::process::Process;

/// What there is to undo. Undoing something that was never done is fine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabState {
    /// Left up on purpose (`lab up`), not the rest of something that was killed.
    pub kept: bool,
    pub guests: Vec<GuestState>,
    /// Daemons that we started, in the order of their start.
    pub daemons: Vec<Process>,
    pub swap: Option<PathBuf>,
    /// Cgroups, parents first.
    pub cgroups: Vec<PathBuf>,
    /// Files under /proc/sys that we changed, with what was in them.
    pub settings: Vec<(PathBuf, String)>,
    /// A device file whose access we changed, as it was.
    pub device: Option<Access>,
    /// The parent cgroup, whose limit `squeeze` changes.
    pub parent: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestState {
    pub name: String,
    pub libvirt: bool,
    /// Where its qemu writes its pid.
    pub pid_file: PathBuf,
    /// `None`: not started yet, or died while starting.
    pub process: Option<Process>,
}

impl LabState {
    /// Reads the journal; none at all is an empty one.
    ///
    /// # Errors
    /// When it can't be understood.
    pub fn load(path: &Path) -> Result<Self> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged; undo by hand", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    /// Writes the journal; a reader sees the old one or the new one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn save(&self, path: &Path) -> Result<()> {
        let new = path.with_extension("new");
        fs::write(&new, serde_json::to_vec_pretty(self)?)
            .and_then(|()| fs::rename(&new, path))
            .with_context(|| format!("write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_reads_back_and_none_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        assert_eq!(LabState::load(&path).unwrap(), LabState::default());
        let state = LabState {
            daemons: vec![Process { pid: 1, start: 2 }],
            swap: Some(PathBuf::from("/swap")),
            settings: vec![(PathBuf::from("/proc/sys/x"), "0".to_owned())],
            ..LabState::default()
        };
        state.save(&path).unwrap();
        assert_eq!(LabState::load(&path).unwrap(), state);
    }

    #[test]
    fn a_damaged_journal_is_never_taken_for_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        fs::write(&path, "{").unwrap();
        assert!(LabState::load(&path).is_err());
    }
}
