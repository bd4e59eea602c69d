//! The guests' initramfs: our PID 1 and the modules that a virtio balloon needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::cpio::Archive;
use crate::setup::kernel::Kernel;
use crate::{paths, progress};

/// In the order to load them.
const MODULES: &[&str] = &[
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_balloon",
];
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds PID 1 and packs the archive.
///
/// # Errors
/// When PID 1 doesn't build, or no module at all is found.
pub fn build(kernel: &Kernel) -> Result<Vec<u8>> {
    let init = build_init()?;
    let mut archive = Archive::default();
    for folder in ["dev", "proc", "modules"] {
        archive.folder(folder);
    }
    archive.device("dev/console", 5, 1);
    archive.program("init", &fs::read(&init).with_context(|| format!("read {}", init.display()))?);
    let folder = kernel.modules.join("kernel/drivers/virtio");
    let mut found = 0_u32;
    for (place, name) in MODULES.iter().enumerate() {
        // A module that a kernel doesn't have as one is built in; no balloon would show.
        if let Some(content) = module(&folder, name)? {
            archive.program(&format!("modules/{place}-{name}.ko"), &content);
            found = found.saturating_add(1);
        }
    }
    if found == 0 {
        bail!("no virtio module in {}", folder.display());
    }
    Ok(archive.finish())
}

/// Static, because nothing else is in the guest.
fn build_init() -> Result<PathBuf> {
    let target = paths::target().join("lab/guest");
    let mut command = Command::new("cargo");
    command
        .current_dir(paths::workspace())
        .args(["build", "--release", "--locked", "--package", "memtrace-lab-guest"])
        .args(["--target", TARGET, "--target-dir"])
        .arg(&target)
        .env("RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .env("CARGO_PROFILE_RELEASE_STRIP", "true")
        .env("CARGO_PROFILE_RELEASE_LTO", "off");
    progress::run("building the guests' PID 1", &mut command, Duration::from_secs(600))?;
    Ok(target.join(TARGET).join("release/memtrace-lab-guest"))
}

/// A module's content, unpacked if it is packed.
fn module(folder: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    for (ending, tool) in [("ko", None), ("ko.xz", Some("xz")), ("ko.zst", Some("zstd"))] {
        let path = folder.join(format!("{name}.{ending}"));
        if !path.is_file() {
            continue;
        }
        let Some(tool) = tool else { return Ok(Some(fs::read(&path)?)) };
        let output = Command::new(tool).args(["-d", "-c"]).arg(&path).output();
        let output = output.with_context(|| format!("run {tool}"))?;
        if !output.status.success() {
            bail!("{tool} can't unpack {}", path.display());
        }
        return Ok(Some(output.stdout));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_module_is_taken_as_it_is_and_a_missing_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("virtio.ko"), b"module").unwrap();
        assert_eq!(module(folder.path(), "virtio").unwrap().as_deref(), Some(&b"module"[..]));
        assert_eq!(module(folder.path(), "virtio_ring").unwrap(), None);
    }
}
