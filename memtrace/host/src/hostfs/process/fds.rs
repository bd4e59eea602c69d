//! The file descriptors of a process: a KVM guest holds `anon_inode:kvm-vm`, independent of its
//! program (virt/kvm/kvm_main.c,
//! `kvm_dev_ioctl_create_vm`), and one with a passed-through device holds the descriptors of VFIO.

use std::io;
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

/// # Errors
/// `PermissionDenied` without CAP_SYS_PTRACE for another user's process; `NotFound` when
/// it is gone.
pub fn kvm(root: &HostRoot, pid: u32) -> io::Result<KvmFds> {
    let mut found = KvmFds::default();
    for entry in std::fs::read_dir(root.process(pid).join("fd"))?.take(MAX_FDS).flatten() {
        // A descriptor that was closed meanwhile doesn't matter.
        let Ok(target) = std::fs::read_link(entry.path()) else { continue };
        match target.as_os_str().as_bytes() {
            b"anon_inode:kvm-vm" => found.vm = true,
            b"/dev/kvm" => found.device = true,
            other => found.vfio |= is_vfio(other),
        }
    }
    Ok(found)
}

/// A group or device of VFIO (drivers/vfio/vfio_main.c); /dev/vfio/vfio alone has no device.
fn is_vfio(target: &[u8]) -> bool {
    target == b"anon_inode:[vfio-device]"
        || target.strip_prefix(b"/dev/vfio/").is_some_and(|name| name != b"vfio")
}
