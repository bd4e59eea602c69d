//! The kind of disk that holds a file or swap device, from /sys/class/block and /sys/dev/block
//! (Documentation/ABI/stable/sysfs-block: `queue/rotational`).

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{HostRoot, read};
use memtrace_core::sample::SwapDevice;

/// Device mapper and RAID in each other, so deep at most.
const MOST_LAYERS: u32 = 8;

/// Whether the disk of a swap device or file is rotational.
///
/// # Errors
/// A message for the operator: the disk can't be found, or doesn't report it.
pub fn rotational(root: &HostRoot, swap: &SwapDevice) -> Result<bool, String> {
    let directory = directory(root, swap)?;
    let told = std::fs::canonicalize(&directory).map_err(|error| error.to_string());
    let told = told.and_then(|device| of_device(&device, MOST_LAYERS));
    told.map_err(|reason| format!("{}: {reason}", directory.display()))
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

/// By its queue, if there is a disk under it that can turn. 1 is also what drivers of disks
/// say that know nothing of what is below them.
fn of_device(device: &Path, layers: u32) -> Result<bool, String> {
    let disk = disk(device);
    let flag = read::number(&disk.join("queue/rotational")).map_err(|error| error.to_string())?;
    if flag == 0 {
        return Ok(false);
    }
    let below = slaves(disk);
    if !below.is_empty() && layers > 0 {
        let told: Vec<_> = below.iter().map(|device| of_device(device, layers - 1)).collect();
        // One that turns makes all of it slow.
        let turns = told.contains(&Ok(true));
        return if turns {
            Ok(true)
        } else {
            told.into_iter().find(Result::is_err).unwrap_or(Ok(false))
        };
    }
    match why_unknown(disk) {
        Some(reason) => Err(reason.to_owned()),
        None => Ok(true),
    }
}

/// The disk of a partition, which is a directory in that of its disk and has neither a queue nor
/// slaves; any other device itself.
pub(super) fn disk(device: &Path) -> &Path {
    let parent = device.parent().filter(|_| device.join("partition").exists());
    parent.unwrap_or(device)
}

/// What a device mapper's or a RAID's device lies on.
pub(super) fn slaves(disk: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(disk.join("slaves")).into_iter().flatten().flatten();
    entries.filter_map(|entry| std::fs::canonicalize(entry.path()).ok()).collect()
}

/// Why a disk that says that it turns needn't.
fn why_unknown(disk: &Path) -> Option<&'static str> {
    const VENDORS: [&str; 6] = ["QEMU", "VMware", "Msft", "VBOX", "Google", "Xen"];
    const MODELS: [&str; 4] = ["QEMU HARDDISK", "VBOX HARDDISK", "Virtual", "PersistentDisk"];
    let is_part = |name: &str| {
        name == "virtual"
            || ["virtio", "vbd-", "nbd", "rbd"].iter().any(|start| name.starts_with(start))
    };
    let names = disk.iter().filter_map(|name| name.to_str());
    let says = |file: &str, words: &[&str]| {
        let text = read::text(&disk.join("device").join(file), read::SMALL).unwrap_or_default();
        words.iter().any(|word| text.contains(word))
    };
    if names.clone().any(is_part) || says("vendor", &VENDORS) || says("model", &MODELS) {
        return Some("a virtual disk, whose rotational flag doesn't describe the disk below it");
    }
    None
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
    fn a_disk_that_cannot_know_does_not_rotate_by_its_word() {
        let host = FakeHost::unified();
        let partition = |name: &str| rotational(&host.root(), &swap(name, "partition"));
        let disk = |at: &str, name: &str, flag: u32| {
            host.file(&format!("sys/devices/{at}/{name}/queue/rotational"), &format!("{flag}\n"));
            host.link(&format!("sys/class/block/{name}"), &format!("../../devices/{at}/{name}"));
        };
        disk("pci0/virtio2/block", "vda", 1);
        disk("vbd-51712/block", "xvda", 1);
        disk("virtual/block", "nbd0", 1);
        disk("pci0/ata1/block", "sda", 1);
        host.file("sys/devices/pci0/ata1/block/sda/device/model", "QEMU HARDDISK   \n");
        disk("pci0/host2/block", "sdb", 1);
        host.file("sys/devices/pci0/host2/block/sdb/device/vendor", "VMware  \n");
        for name in ["vda", "xvda", "nbd0", "sda", "sdb"] {
            let told = partition(&format!("/dev/{name}"));
            assert!(
                told.clone().is_err_and(|why| why.contains("virtual disk")),
                "{name}: {told:?}"
            );
        }
        // One that says that it doesn't was told so.
        disk("pci0/virtio3/block", "vdb", 0);
        assert_eq!(partition("/dev/vdb"), Ok(false));
        host.file("sys/devices/pci0/virtio2/block/vda/vda3/partition", "3\n");
        host.link("sys/class/block/vda3", "../../devices/pci0/virtio2/block/vda/vda3");
        assert!(partition("/dev/vda3").is_err(), "a partition is its disk");
    }

    #[test]
    fn a_volume_is_what_it_lies_on() {
        let host = FakeHost::unified();
        host.file("sys/devices/pci0/ata1/block/sda/queue/rotational", "1\n");
        host.file("sys/devices/pci0/virtio2/block/vda/queue/rotational", "1\n");
        for (volume, below) in [("dm-0", "pci0/ata1/block/sda"), ("dm-1", "pci0/virtio2/block/vda")]
        {
            let own = format!("sys/devices/virtual/block/{volume}");
            host.file(&format!("{own}/queue/rotational"), "1\n");
            host.link(&format!("{own}/slaves/below"), &format!("../../../../{below}"));
            let link = format!("../../devices/virtual/block/{volume}");
            host.link(&format!("sys/class/block/{volume}"), &link);
        }
        let of = |path| rotational(&host.root(), &swap(path, "partition"));
        assert_eq!(of("/dev/dm-0"), Ok(true));
        assert!(of("/dev/dm-1").is_err());
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
            0 => assert!(found.expect_err("no disk").contains("several block devices")),
            _ => assert_eq!(found, Ok(true)),
        }
        let gone = rotational(&host.root(), &swap("/var/gone (deleted)", "file"));
        assert!(gone.expect_err("it isn't there").contains("No such file"));
    }
}
