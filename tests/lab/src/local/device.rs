//! Access to /dev/kvm as udev would give it. Where no udev runs, root alone may open the
//! file; libvirt then finds KVM when it asks qemu, doesn't find it when it asks for its
//! qemu's user, takes what it knows for outdated, and asks again, some twenty times a
//! domain (`virQEMUCapsIsValid` in libvirt's qemu_capabilities.c).

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

const KVM: &str = "/dev/kvm";
/// What Debian's udev rules give.
const MODE: u32 = 0o660;

/// Who may open a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    pub path: PathBuf,
    pub mode: u32,
    pub group: u32,
}

impl Access {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let (mode, group) = (metadata.mode() & 0o7777, metadata.gid());
        Some(Self { path: path.to_path_buf(), mode, group })
    }

    /// Makes it so.
    ///
    /// # Errors
    /// When we may not.
    pub fn apply(&self) -> Result<()> {
        chown(&self.path, None, Some(self.group))
            .and_then(|()| fs::set_permissions(&self.path, Permissions::from_mode(self.mode)))
            .with_context(|| format!("change who may open {}", self.path.display()))
    }
}

/// The access as it is, if the group can't open the file; else there is nothing to do.
///
/// # Errors
/// When the groups can't be read.
pub fn closed_kvm() -> Result<Option<Access>> {
    let access = Access::of(Path::new(KVM)).filter(|access| access.mode & 0o060 != 0o060);
    Ok(if group("kvm")?.is_some() { access } else { None })
}

/// Lets the group `kvm` open the file.
///
/// # Errors
/// When we may not.
pub fn open_kvm() -> Result<()> {
    let group = group("kvm")?.context("no group kvm")?;
    Access { path: PathBuf::from(KVM), mode: MODE, group }.apply()
}

fn group(name: &str) -> Result<Option<u32>> {
    let text = fs::read_to_string("/etc/group").context("read /etc/group")?;
    Ok(parse_group(&text, name))
}

fn parse_group(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        fields.nth(1)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let text = "root:x:0:\nkvmx:x:9:\nkvm:x:107:libvirt-qemu\n";
        assert_eq!(parse_group(text, "kvm"), Some(107));
        assert_eq!(parse_group(text, "disk"), None);
    }

    #[test]
    fn access_can_be_taken_and_given_back() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let was = Access::of(file.path()).unwrap();
        Access { mode: MODE, ..was.clone() }.apply().unwrap();
        assert_eq!(Access::of(file.path()).unwrap().mode, MODE);
        was.apply().unwrap();
        assert_eq!(Access::of(file.path()), Some(was));
    }
}
