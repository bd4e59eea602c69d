//! A temporary kernel setting.

use std::io;
use std::path::{Path, PathBuf};

use memtrace_host::hostfs::read;

/// Restores the old value on drop.
#[derive(Debug)]
pub struct Setting {
    path: PathBuf,
    value: String,
    /// `None`: it had the value already.
    old: Option<String>,
}

impl Setting {
    /// # Errors
    /// When the setting doesn't exist, or isn't writable.
    pub fn make(path: &Path, value: &str) -> io::Result<Self> {
        let found = get(path)?;
        let mut setting = Self { path: path.to_owned(), value: value.to_owned(), old: None };
        if found != value {
            std::fs::write(path, value)?;
            setting.old = Some(found);
        }
        Ok(setting)
    }

    /// Whether it is unchanged since.
    pub fn holds(&self) -> bool {
        get(&self.path).is_ok_and(|found| found == self.value)
    }
}

fn get(path: &Path) -> io::Result<String> {
    Ok(read::text(path, read::SMALL)?.trim().to_owned())
}

impl Drop for Setting {
    fn drop(&mut self) {
        if let Some(old) = &self.old
            && let Err(error) = std::fs::write(&self.path, old)
        {
            tracing::warn!(
                "cannot restore {} to {old}, it stays {}: {error}",
                self.path.display(),
                self.value
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_value_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("setting");
        for old in ["0\n", "1\n"] {
            std::fs::write(&path, old).unwrap();
            let setting = Setting::make(&path, "1").unwrap();
            assert!(setting.holds());
            drop(setting);
            assert_eq!(get(&path).unwrap(), old.trim());
        }
    }

    #[test]
    fn a_change_by_another_process_is_detected() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("setting");
        assert!(Setting::make(&path, "1").is_err());
        std::fs::write(&path, "1").unwrap();
        let setting = Setting::make(&path, "1").unwrap();
        std::fs::write(&path, "0").unwrap();
        assert!(!setting.holds());
    }
}
