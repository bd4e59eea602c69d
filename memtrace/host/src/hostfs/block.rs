//! The kind of disk that holds a file or swap device, from /sys/class/block and /sys/dev/block
//! (Documentation/ABI/stable/sysfs-block: `queue/rotational`).

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{HostRoot, read};
use memtrace_core::sample::SwapDevice;

/// Whether the disk of a swap device or file is rotational.
///
/// # Errors
/// A message for the operator: the disk can't be found, or doesn't report it.
pub fn rotational(root: &HostRoot, swap: &SwapDevice) -> Result<bool, String> {
    let directory = directory(root, swap)?;
    queue(&directory).map_err(|error| format!("{}: {error}", directory.display()))
}

/// Where /sys has the device of a swap device or file.
///
/// # Errors
/// A message for the operator: it can't be found.
pub(super) fn directory(root: &HostRoot, swap: &SwapDevice) -> Result<PathBuf, String> {
    Ok(match swap.path.strip_prefix("/dev/") {
        // Names in /sys have no slashes (`cciss!c0d0`).
        Some(name) if swap.kind == "partition" => {
            root.sys.join("class/block").join(name.replace('/', "!"))
        }
        _ => under(root, &swap.path)?,
    })
}

/// The device under a file's file system.
fn under(root: &HostRoot, path: &str) -> Result<PathBuf, String> {
    let host = root.proc.parent().unwrap_or(Path::new("/"));
    let file = host.join(path.trim_start_matches('/'));
    let device = std::fs::metadata(file).map_err(|error| error.to_string())?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    if major == 0 {
        // btrfs, overlayfs and their like (Documentation/admin-guide/devices.txt).
        return Err("its file system has several block devices, or none".to_owned());
    }
    Ok(root.sys.join(format!("dev/block/{major}:{minor}")))
}

/// A partition has its disk's queue.
fn queue(directory: &Path) -> io::Result<bool> {
    let of_disk = read::number(&directory.join("queue/rotational"));
    let flag = match of_disk {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // What leads to a partition is a link, so that its parent is that of its target.
            read::number(&std::fs::canonicalize(directory)?.join("../queue/rotational"))
        }
        flag => flag,
    };
    flag.map(|flag| flag != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostfs::fake::FakeHost;
    use memtrace_core::units::Bytes;

    fn swap(path: &str, kind: &str) -> SwapDevice {
        let size = Bytes(1 << 30);
        SwapDevice { path: path.to_owned(), kind: kind.to_owned(), size, used: size, priority: -2 }
    }

    #[test]
    fn a_disk_tells_and_a_partition_has_its_disks_queue() {
        let host = FakeHost::unified();
        host.file("sys/devices/sda/queue/rotational", "1\n");
        host.file("sys/devices/sda/sda2/partition", "2\n");
        host.link("sys/class/block/sda2", "../../devices/sda/sda2");
        host.file("sys/class/block/zram0/queue/rotational", "0\n");
        let of = |path| rotational(&host.root(), &swap(path, "partition"));
        assert_eq!((of("/dev/sda2"), of("/dev/zram0")), (Ok(true), Ok(false)));
        assert!(of("/dev/sdb1").expect_err("it isn't there").contains("No such file"));
        host.file("sys/class/block/sdc/queue/rotational", "maybe\n");
        assert!(of("/dev/sdc").is_err());
    }

    #[test]
    fn a_file_lies_on_the_disk_of_its_file_system() {
        let host = FakeHost::unified();
        host.file("var/swap file", "");
        let device = std::fs::metadata(host.path("var/swap file")).unwrap().dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        host.file(&format!("sys/dev/block/{major}:{minor}/queue/rotational"), "1\n");
        let found = rotational(&host.root(), &swap("/var/swap file", "file"));
        match major {
            0 => assert!(found.expect_err("no disk").contains("several disks")),
            _ => assert_eq!(found, Ok(true)),
        }
        let gone = rotational(&host.root(), &swap("/var/gone (deleted)", "file"));
        assert!(gone.expect_err("it isn't there").contains("No such file"));
    }
}
