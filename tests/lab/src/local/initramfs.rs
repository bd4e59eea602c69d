//! The guests' initramfs: our PID 1 and the modules that a virtio balloon needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::cpio::Archive;
use crate::setup::kernel::Kernel;
use crate::{paths, progress};

/// In the order to load them, below `kernel/drivers`.
const MODULES: &[&str] = &[
    "virtio/virtio_ring",
    "virtio/virtio",
    "virtio/virtio_pci_legacy_dev",
    "virtio/virtio_pci_modern_dev",
    "virtio/virtio_pci",
    "virtio/virtio_balloon",
    "block/virtio_blk",
];
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds PID 1 and packs the archive.
///
/// # Errors
/// When PID 1 doesn't build, or no module at all is found.
pub fn build(kernel: &Kernel) -> Result<Vec<u8>> {
    let init = build_static("memtrace-lab-guest")?;
    let mut archive = Archive::default();
    for folder in ["dev", "proc", "modules", "files"] {
        archive.folder(folder);
    }
    archive.device("dev/console", 5, 1);
    archive.program("init", &fs::read(&init).with_context(|| format!("read {}", init.display()))?);
    let folder = kernel.modules.join("kernel/drivers");
    let mut found = 0_u32;
    for (place, name) in MODULES.iter().enumerate() {
        // A module that a kernel doesn't have as one is built in; no balloon would show.
        if let Some(content) = module(&folder, name)? {
            let name = name.rsplit('/').next().unwrap_or(name);
            archive.program(&format!("modules/{place}-{name}.ko"), &content);
            found = found.saturating_add(1);
        }
    }
    if found == 0 {
        bail!("no virtio module in {}", folder.display());
    }
    Ok(archive.finish())
}

/// Builds a package as a static program, because nothing else is in an initramfs.
///
/// # Errors
/// When it doesn't build.
pub fn build_static(package: &str) -> Result<PathBuf> {
    let target = paths::target().join("lab/guest");
    let mut command = Command::new("cargo");
    command
        .current_dir(paths::workspace())
        .args(["build", "--release", "--locked", "--package", package])
        .args(["--target", TARGET, "--target-dir"])
        .arg(&target)
        .env("RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .env("CARGO_PROFILE_RELEASE_STRIP", "true")
        .env("CARGO_PROFILE_RELEASE_LTO", "off");
    progress::run(&format!("building {package}"), &mut command, Duration::from_secs(600))?;
    Ok(target.join(TARGET).join("release").join(package))
}

/// A module's content; `None` where there is no such module.
fn module(folder: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    let paths = ["ko", "ko.xz", "ko.zst"].map(|ending| folder.join(format!("{name}.{ending}")));
    paths.iter().find(|path| path.is_file()).map(|path| unpack(path)).transpose()
}

/// A module's content, unpacked if it is packed.
///
/// # Errors
/// When it can't be read, or the tool to unpack it fails.
pub fn unpack(path: &Path) -> Result<Vec<u8>> {
    let tool = match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return fs::read(path).with_context(|| format!("read {}", path.display())),
    };
    let output = Command::new(tool).args(["-d", "-c"]).arg(path).output();
    let output = output.with_context(|| format!("run {tool}"))?;
    if !output.status.success() {
        bail!("{tool} can't unpack {}", path.display());
    }
    Ok(output.stdout)
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
