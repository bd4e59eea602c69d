//! The host's root: our PID 1, the modules, and programs with the libraries they need.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::libraries;
use super::modules::Module;
use crate::local::cpio::Archive;

/// Folders that the host's PID 1 mounts something on.
const MOUNT_POINTS: &[&str] = &["dev", "proc", "sys", "run", "tmp"];

/// A root that grows.
pub struct Root {
    archive: Archive,
    folders: BTreeSet<PathBuf>,
    files: BTreeSet<PathBuf>,
}

impl Root {
    /// With PID 1 and mount points.
    ///
    /// # Errors
    /// When PID 1 can't be read.
    pub fn new(init: &Path) -> Result<Self> {
        let mut root =
            Self { archive: Archive::default(), folders: BTreeSet::new(), files: BTreeSet::new() };
        for name in MOUNT_POINTS {
            root.folder(Path::new(name));
        }
        root.archive.device("dev/console", 5, 1);
        root.file(init, Path::new("init"))?;
        Ok(root)
    }

    /// Adds modules so that their names sort in the order to load them.
    pub fn modules(&mut self, modules: &[Module]) {
        self.folder(Path::new("modules"));
        for (place, Module { name, content }) in modules.iter().enumerate() {
            self.archive.program(&format!("modules/{place:02}-{name}.ko"), content);
        }
    }

    /// Adds a program as `to`, and all of its libraries where the linker looks for them.
    ///
    /// # Errors
    /// When something is missing.
    pub fn program(&mut self, from: &Path, to: &str) -> Result<()> {
        for library in libraries::of(from)? {
            let place = library.strip_prefix("/").unwrap_or(&library).to_path_buf();
            self.file(&library, &place)?;
        }
        self.file(from, Path::new(to))
    }

    /// Adds a file as `to`, and the folders above it.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn file(&mut self, from: &Path, to: &Path) -> Result<()> {
        let content = fs::read(from).with_context(|| format!("read {}", from.display()))?;
        self.content(&content, to);
        Ok(())
    }

    /// Adds a file with this content.
    pub fn content(&mut self, content: &[u8], to: &Path) {
        if let Some(parent) = to.parent() {
            self.folder(parent);
        }
        if self.files.insert(to.to_path_buf()) {
            self.archive.program(&to.to_string_lossy(), content);
        }
    }

    /// The archive.
    pub fn finish(self) -> Vec<u8> {
        self.archive.finish()
    }

    fn folder(&mut self, path: &Path) {
        if path.as_os_str().is_empty() || self.folders.contains(path) {
            return;
        }
        if let Some(parent) = path.parent() {
            self.folder(parent);
        }
        self.archive.folder(&path.to_string_lossy());
        self.folders.insert(path.to_path_buf());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_before_what_is_in_them_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"content").unwrap();
        let mut root = Root::new(&file).unwrap();
        root.file(&file, Path::new("usr/lib/a")).unwrap();
        root.file(&file, Path::new("usr/lib/b")).unwrap();
        root.file(&file, Path::new("usr/lib/a")).unwrap();
        let text = String::from_utf8_lossy(&root.finish()).into_owned();
        let at = |name: &str| text.find(&format!("{name}\0")).unwrap();
        assert!(at("usr") < at("usr/lib") && at("usr/lib") < at("usr/lib/a"));
        assert_eq!(text.matches("usr/lib/a\0").count(), 1);
        assert_eq!(text.matches("usr/lib\0").count(), 1);
    }
}
