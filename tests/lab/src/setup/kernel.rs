//! The guests' kernel: Debian's cloud kernel, downloaded and checked by apt, unpacked into
//! the target directory. Nothing is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::Missing;
use crate::{interrupt, paths, progress};

const LIMIT: Duration = Duration::from_secs(10 * 60);
/// The meta package, whose dependency is the newest kernel of the Debian in use.
const META: &str = "linux-image-cloud-amd64";

/// An unpacked kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    pub image: PathBuf,
    /// The folder that has `kernel/drivers/...` below it.
    pub modules: PathBuf,
}

/// The kernel that set-up unpacked.
///
/// # Errors
/// When there is none.
pub fn find() -> Result<Kernel> {
    search(&folder().join("root")).context("no guest kernel; run the set-up (`cargo xtask setup`)")
}

/// Fetches and unpacks the kernel unless that was done before.
///
/// # Errors
/// When the user interrupts.
pub fn ensure(missing: &mut Vec<Missing>) -> Result<()> {
    if find().is_ok() {
        return Ok(());
    }
    if let Err(error) = fetch(&folder()) {
        interrupt::check()?;
        missing.push(Missing {
            what: format!("the kernel of {META}"),
            needed_for: "the lab's guests",
            command: format!("apt-get update && apt-get download {META}'s dependency"),
            why: format!("{error:#}"),
        });
    }
    Ok(())
}

fn folder() -> PathBuf {
    paths::target().join("lab/kernel")
}

fn fetch(folder: &Path) -> Result<()> {
    let parts = folder.join("parts");
    if parts.exists() {
        fs::remove_dir_all(&parts)?;
    }
    fs::create_dir_all(&parts).with_context(|| format!("create {}", parts.display()))?;
    let package = concrete_package()?;
    let mut download = Command::new("apt-get");
    // Without the sandbox user, who may not write into our folder.
    download.current_dir(&parts).args(["-q", "-o", "APT::Sandbox::User=root", "download"]);
    progress::run(&format!("downloading {package}"), download.arg(&package), LIMIT)?;
    let archive = fs::read_dir(&parts)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get left no package")?;
    let root = parts.join("root");
    let mut unpack = Command::new("dpkg");
    unpack.arg("--extract").arg(&archive).arg(&root);
    progress::run(&format!("unpacking {package}"), &mut unpack, LIMIT)?;
    search(&root)?;
    // The name appears only once everything is in place.
    let target = folder.join("root");
    if target.exists() {
        fs::remove_dir_all(&target)?;
    }
    fs::rename(&root, &target)?;
    fs::remove_dir_all(&parts)?;
    Ok(())
}

/// The package behind the meta package; the package lists are fetched if there are none.
fn concrete_package() -> Result<String> {
    if let Some(package) = dependency()? {
        return Ok(package);
    }
    ensure!(rustix::process::geteuid().is_root(), "apt doesn't know {META}, and only root may ask");
    let mut update = Command::new("apt-get");
    progress::run("fetching Debian's package lists", update.args(["-q", "update"]), LIMIT)?;
    dependency()?.with_context(|| format!("apt doesn't know {META}"))
}

fn dependency() -> Result<Option<String>> {
    let output = Command::new("apt-cache").args(["depends", META]).output()?;
    Ok(parse_depends(&String::from_utf8_lossy(&output.stdout)))
}

/// The first real dependency in `apt-cache depends`' answer.
fn parse_depends(text: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with("linux-image-"))
        .map(str::to_owned)
}

/// The kernel that was unpacked below `root`.
///
/// # Errors
/// When there is none.
pub fn search(root: &Path) -> Result<Kernel> {
    let libraries = [root.join("lib/modules"), root.join("usr/lib/modules")];
    let modules = libraries
        .iter()
        .flat_map(|folder| entries(folder))
        .find(|folder| folder.join("kernel").is_dir());
    let boot = entries(&root.join("boot"));
    let image = boot.into_iter().find(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))
    });
    // From 7.0 on Debian puts the image beside the modules.
    let beside = modules.as_ref().map(|modules| modules.join("vmlinuz"));
    match (image.or(beside), modules) {
        (Some(image), Some(modules)) if image.is_file() => Ok(Kernel { image, modules }),
        _ => bail!("no kernel below {}", root.display()),
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_concrete_kernel_is_taken_from_the_meta_package() {
        let text = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-9-cloud-amd64\n";
        assert_eq!(parse_depends(text).as_deref(), Some("linux-image-6.1.0-9-cloud-amd64"));
        assert_eq!(parse_depends("N: Unable to locate package\n"), None);
    }

    #[test]
    fn an_unpacked_kernel_is_found_by_its_image_and_modules() {
        let root = tempfile::tempdir().unwrap();
        assert!(search(root.path()).is_err());
        for folder in ["boot", "lib/modules/6.1/kernel"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("boot/config-6.1"), "").unwrap();
        fs::write(root.path().join("boot/vmlinuz-6.1"), "").unwrap();
        let kernel = search(root.path()).unwrap();
        assert!(kernel.image.ends_with("boot/vmlinuz-6.1"));
        assert!(kernel.modules.ends_with("lib/modules/6.1"));
    }

    #[test]
    fn an_image_beside_the_modules_is_found() {
        let root = tempfile::tempdir().unwrap();
        let modules = root.path().join("usr/lib/modules/7.2");
        fs::create_dir_all(modules.join("kernel")).unwrap();
        fs::write(modules.join("vmlinuz"), "").unwrap();
        assert_eq!(search(root.path()).unwrap().image, modules.join("vmlinuz"));
    }
}
