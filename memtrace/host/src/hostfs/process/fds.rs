//! The file descriptors of a process: a KVM guest holds `anon_inode:kvm-vm`, independent of its
//! program (virt/kvm/kvm_main.c,
//! `kvm_dev_ioctl_create_vm`), and one with a passed-through device holds the descriptors of VFIO.

use std::fs::{ReadDir, read_link};
use std::io;
use std::iter::Take;
use std::os::unix::ffi::OsStrExt;

use crate::hostfs::HostRoot;

/// Most descriptors of one process that are looked at.
const MAX_FDS: usize = 16_384;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KvmFds {
    /// It holds a KVM guest.
    pub vm: bool,
    /// It has /dev/kvm open, so it may be about to make one.
    pub device: bool,
    /// It has a passed-through device.
    pub vfio: bool,
}

/// A look through the descriptors of one process, which may be made in parts.
#[derive(Debug)]
pub struct Descriptors {
    rest: Take<ReadDir>,
    found: KvmFds,
}

impl Descriptors {
    /// # Errors
    /// `PermissionDenied` without CAP_SYS_PTRACE for another user's process; `NotFound` when
    /// it is gone.
    pub fn begin(root: &HostRoot, pid: u32) -> io::Result<Self> {
        let all = std::fs::read_dir(root.process(pid).join("fd"))?;
        Ok(Self { rest: all.take(MAX_FDS), found: KvmFds::default() })
    }

    /// Looks at the next ones, at most `most`: at how many, and whether that were all.
    pub fn advance(&mut self, most: u32) -> (u32, bool) {
        for seen in 0..most {
            let Some(entry) = self.rest.next() else { return (seen, true) };
            // A descriptor that was closed meanwhile doesn't matter.
            let Some(target) = entry.ok().and_then(|entry| read_link(entry.path()).ok()) else {
                continue;
            };
            self.found.add(target.as_os_str().as_bytes());
        }
        (most, false)
    }

    /// What was found so far.
    pub fn found(&self) -> KvmFds {
        self.found
    }
}

impl KvmFds {
    fn add(&mut self, target: &[u8]) {
        match target {
            b"anon_inode:kvm-vm" => self.vm = true,
            b"/dev/kvm" => self.device = true,
            other => self.vfio |= is_vfio(other),
        }
    }
}

/// A group or device of VFIO (drivers/vfio/vfio_main.c); /dev/vfio/vfio alone has no device. Or one
/// of vDPA (drivers/vhost/vdpa.c).
fn is_vfio(target: &[u8]) -> bool {
    target == b"anon_inode:[vfio-device]"
        || target.starts_with(b"/dev/vhost-vdpa-")
        || target.strip_prefix(b"/dev/vfio/").is_some_and(|name| name != b"vfio")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_through_devices_are_recognised() {
        for (target, expected) in [
            ("anon_inode:[vfio-device]", true),
            ("/dev/vfio/12", true),
            ("/dev/vfio/devices/vfio0", true),
            ("/dev/vfio/vfio", false),
            ("/dev/vhost-vdpa-0", true),
            ("/dev/vhost-net", false),
        ] {
            assert_eq!(is_vfio(target.as_bytes()), expected, "{target}");
        }
    }
}
