//! What is under a swap device or file: the stack of block devices in /sys (device-mapper and md
//! name theirs in `slaves`), down to what must not need memory to write.

use std::path::{Path, PathBuf};

use super::{HostRoot, block, filesystem, read};
use memtrace_core::sample::SwapDevice;

/// What of the stack matters when memory is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backing {
    /// A volume of ZFS, which allocates memory for each write.
    Zvol,
    /// A thin volume of LVM: its pool allocates with each write, and may be full.
    Thin,
    /// It is written over a network.
    Network,
    /// A file as a device (loop), written through its file system.
    Loop,
    /// Compressed in the host's own memory.
    Zram,
    /// None of these.
    Disk,
}

/// Most devices of a stack that are looked at.
const MOST: usize = 64;

/// # Errors
/// A message for the operator: what is under it can't be found.
pub fn of(root: &HostRoot, swap: &SwapDevice) -> Result<Backing, String> {
    if swap.kind != "partition" {
        let kind = filesystem::kind(root, Path::new(&swap.path)).map_err(|e| e.to_string())?;
        if kind.starts_with("nfs") || ["cifs", "smb3", "ceph", "9p"].contains(&kind.as_str()) {
            return Ok(Backing::Network);
        }
        if kind == "btrfs" {
            // Several devices at once, which the file system names nowhere here.
            return Ok(Backing::Disk);
        }
    }
    let directory = block::directory(root, swap)?;
    let directory = std::fs::canonicalize(&directory)
        .map_err(|error| format!("{}: {error}", directory.display()))?;
    Ok(of_stack(directory))
}

/// The first of its devices that matters.
fn of_stack(top: PathBuf) -> Backing {
    let mut devices = vec![top];
    let mut seen = 0;
    while let Some(device) = devices.get(seen).cloned() {
        let disk = block::disk(&device);
        if let Some(backing) = of_disk(disk) {
            return backing;
        }
        let room = MOST.saturating_sub(devices.len());
        devices.extend(block::slaves(disk).into_iter().take(room));
        seen = seen.saturating_add(1);
    }
    Backing::Disk
}

fn of_disk(disk: &Path) -> Option<Backing> {
    let name = disk.file_name()?.to_str()?;
    let is = |driver: &str| {
        let number = name.strip_prefix(driver).unwrap_or_default();
        number.starts_with(|first: char| first.is_ascii_digit())
    };
    let uuid = read::text(&disk.join("dm/uuid"), read::SMALL).unwrap_or_default();
    if is("zd") {
        Some(Backing::Zvol)
    } else if uuid.trim().ends_with("-tpool") {
        Some(Backing::Thin)
    } else if is("nbd") || is("rbd") || is("drbd") {
        Some(Backing::Network)
    } else if is("loop") {
        Some(Backing::Loop)
    } else {
        is("zram").then_some(Backing::Zram)
    }
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

    /// A device with what is under it.
    fn device(host: &FakeHost, name: &str, under: &[&str]) {
        host.file(&format!("sys/devices/virtual/block/{name}/size"), "8\n");
        for slave in under {
            let link = format!("sys/devices/virtual/block/{name}/slaves/{slave}");
            host.link(&link, &format!("../../{slave}"));
        }
        host.link(
            &format!("sys/class/block/{name}"),
            &format!("../../devices/virtual/block/{name}"),
        );
    }

    #[test]
    fn a_stack_is_followed_down() {
        let host = FakeHost::unified();
        for (name, under) in [
            ("zd16", &[][..]),
            ("zram0", &[]),
            ("nbd3", &[]),
            ("loop0", &[]),
            ("sda", &[]),
            ("dm-0", &["sda"]),
            ("dm-1", &["dm-9"]),
            ("dm-9", &["sda"]),
            ("dm-2", &["zd16"]),
            ("md0", &["sda", "nbd3"]),
            ("zdev", &[]),
        ] {
            device(&host, name, under);
        }
        host.file("sys/devices/virtual/block/dm-9/dm/uuid", "LVM-abc-tpool\n");
        host.file("sys/devices/virtual/block/zd16/zd16p1/partition", "1\n");
        host.link("sys/class/block/zd16p1", "../../devices/virtual/block/zd16/zd16p1");
        host.file("sys/devices/virtual/block/md0/md0p1/partition", "1\n");
        host.link("sys/class/block/md0p1", "../../devices/virtual/block/md0/md0p1");
        for (name, backing) in [
            ("zd16", Backing::Zvol),
            ("zd16p1", Backing::Zvol),
            ("zram0", Backing::Zram),
            ("nbd3", Backing::Network),
            ("loop0", Backing::Loop),
            ("sda", Backing::Disk),
            ("dm-0", Backing::Disk),
            ("dm-1", Backing::Thin),
            ("dm-2", Backing::Zvol),
            ("md0", Backing::Network),
            ("md0p1", Backing::Network),
            ("zdev", Backing::Disk),
        ] {
            let found = of(&host.root(), &swap(&format!("/dev/{name}"), "partition"));
            assert_eq!(found, Ok(backing), "{name}");
        }
        assert!(of(&host.root(), &swap("/dev/sdz", "partition")).is_err());
    }

    #[test]
    fn a_file_on_a_network_is_told_by_its_file_system() {
        let mounts = "23 1 0:21 / / rw - ext4 /dev/sda rw\n24 23 0:22 / /mnt rw - nfs4 a:/b rw\n\
                      25 23 0:23 / /pool rw - btrfs /dev/sdb rw\n";
        let host = FakeHost::new(mounts);
        let file = |path| of(&host.root(), &swap(path, "file"));
        assert_eq!(file("/mnt/swap"), Ok(Backing::Network));
        assert_eq!(file("/pool/swap"), Ok(Backing::Disk));
        assert!(file("/swap").expect_err("it isn't there").contains("No such file"));
    }

    #[test]
    fn a_loop_of_devices_ends() {
        let host = FakeHost::unified();
        device(&host, "dm-0", &["dm-1"]);
        device(&host, "dm-1", &["dm-0"]);
        assert_eq!(of(&host.root(), &swap("/dev/dm-0", "partition")), Ok(Backing::Disk));
    }
}
