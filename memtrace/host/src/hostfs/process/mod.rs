//! /proc/PID: what one process is, and what memory it has.

pub mod account;
pub(crate) mod fds;
pub(crate) mod listening;
pub mod maps;
pub mod sight;
pub mod stat;
pub(crate) mod status;
pub(crate) mod threads;
mod vitals;

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{OFlags, fstat, stat as stat_of};

use self::sight::Start;
use super::{HostRoot, Keeper, read};
use memtrace_core::sample::ProcessSample;
use memtrace_core::units::Nanos;
pub use stat::ProcessStat;
pub use vitals::{Charge, Vitals};

/// Most processes of one host that are looked at.
pub(crate) const MAX_PROCESSES: usize = 200_000;

/// Ids of all processes, in no order; at most [`MAX_PROCESSES`].
///
/// # Errors
/// When /proc can't be listed.
pub fn ids(root: &HostRoot) -> io::Result<Vec<u32>> {
    let entries = std::fs::read_dir(&root.proc)?;
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(ids.take(MAX_PROCESSES).collect())
}

/// # Errors
/// When the process is gone, or its stat makes no sense.
pub fn stat(root: &HostRoot, pid: u32) -> io::Result<ProcessStat> {
    kept_stat(&Keeper::default(), root, pid)
}

/// The same by a file that stays open.
///
/// # Errors
/// As [`stat`].
pub(crate) fn kept_stat(keeper: &Keeper, root: &HostRoot, pid: u32) -> io::Result<ProcessStat> {
    let stat = keeper.read(&root.process(pid).join("stat"), read::SMALL, ProcessStat::parse)?;
    stat.ok_or_else(|| io::Error::other("not of the form of stat"))
}

/// The arguments that a process was started with; none of a kernel thread and of a process that is
/// just being made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    pub list: Vec<String>,
    /// There are more, as the command line is longer than what is read of one.
    pub cut: bool,
}

/// # Errors
/// When the process is gone.
pub(crate) fn arguments(root: &HostRoot, pid: u32) -> io::Result<Arguments> {
    let bytes = read::bytes(&root.process(pid).join("cmdline"), read::MEDIUM)?;
    let cut = bytes.len() >= read::MEDIUM;
    Ok(Arguments { list: split_arguments(read::whole(&bytes, read::MEDIUM, 0)), cut })
}

fn split_arguments(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes.split(|&byte| byte == 0).map(|argument| read::lossy(argument.to_vec())).collect()
}

/// File name of the program that the process runs. `None`: a kernel thread, or not for
/// us to see.
pub fn program(root: &HostRoot, pid: u32) -> Option<String> {
    let path = std::fs::read_link(root.process(pid).join("exe")).ok()?;
    let name = path.file_name().map(OsStr::as_bytes)?;
    // The kernel adds this where the file was replaced, as after an upgrade.
    let name = name.strip_suffix(b" (deleted)").unwrap_or(name);
    Some(read::lossy(name.to_vec()))
}

/// The user who started the process, by number. `None`: not readable.
pub fn user(root: &HostRoot, pid: u32) -> Option<u32> {
    sight::owner(&root.process(pid)).ok()
}

/// The user to whom it counts. `None`: not known.
pub(crate) fn account(root: &HostRoot, pid: u32) -> Option<u32> {
    account::of(&root.process(pid))
}

/// Whether it is in another PID namespace than those who look at this /proc (proc(5), NSpid): in
/// a container. `None`: not known.
pub fn is_contained(root: &HostRoot, pid: u32) -> Option<bool> {
    let ids = status::field(&root.process(pid), "NSpid").ok()?;
    Some(ids.split_ascii_whitespace().count() > 1)
}

/// Whether the first of these folders that the host has is another one for the process, or none: it
/// has its own where one of a container has its mounts. That it is in a mount namespace of its own
/// says less: QEMU is in one that differs in /dev alone where libvirt has started it. May wait for
/// a file system.
pub(crate) fn has_own(host: &Path, process: &Path, start: &Start, folders: &[&str]) -> bool {
    let own = folders.iter().find_map(|folder| {
        let place = host.join(folder.trim_start_matches('/'));
        Some((*folder, stat_of(place).ok()?))
    });
    let Some((folder, own)) = own else { return false };
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    match sight::open(process, folder, start, flags).and_then(|seen| Ok(fstat(&seen)?)) {
        Ok(seen) => (seen.st_dev, seen.st_ino) != (own.st_dev, own.st_ino),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// The user who started the process, if it is known not to run in a container, where root may be
/// any user.
pub fn user_on_host(root: &HostRoot, pid: u32) -> Option<u32> {
    user(root, pid).filter(|_| is_contained(root, pid) == Some(false))
}

/// The memory of a process; nothing where it can't be read.
pub fn memory(keeper: &Keeper, root: &HostRoot, pid: u32) -> ProcessSample {
    let path = root.process(pid).join("status");
    keeper.read(&path, status::LONGEST, status::parse).unwrap_or_default()
}

/// `memory` with faults, time and threads of the process. `ticks_per_second` is the
/// unit of its times.
pub(crate) fn with_vitals(
    memory: ProcessSample,
    vitals: &Vitals,
    ticks_per_second: u64,
) -> ProcessSample {
    ProcessSample {
        minor_faults: Some(vitals.minor_faults),
        major_faults: Some(vitals.major_faults),
        cpu_time: ticks_to_nanos(vitals.cpu_ticks, ticks_per_second),
        threads: Some(vitals.threads),
        ..memory
    }
}

/// From the boot to the start of a process, which `stat` tells in clock ticks.
pub fn since_boot(start: u64) -> Option<Duration> {
    let ticks = rustix::param::clock_ticks_per_second();
    ticks_to_nanos(start, ticks).map(|nanos| Duration::from_nanos(nanos.0))
}

/// `None` when the unit makes no sense.
pub(crate) fn ticks_to_nanos(ticks: u64, per_second: u64) -> Option<Nanos> {
    let nanos = u128::from(ticks) * u128::from(Nanos::SECOND.0);
    u64::try_from(nanos.checked_div(u128::from(per_second))?).ok().map(Nanos)
}

/// Whole clock ticks, as the kernel makes them (`nsec_to_clock_t`). `None` as above.
pub(crate) fn nanos_to_ticks(nanos: u64, per_second: u64) -> Option<u64> {
    nanos.checked_div(Nanos::SECOND.0.checked_div(per_second)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_end_at_nul() {
        assert_eq!(
            split_arguments(b"qemu\0-name\0n\xc3\xa4me, x\0\0"),
            ["qemu", "-name", "näme, x", ""]
        );
        assert_eq!(split_arguments(b""), [""; 0]);
        assert_eq!(split_arguments(b"\0"), [""; 0]);
        assert_eq!(split_arguments(b"no nul"), ["no nul"]);
    }

    #[test]
    fn ticks_become_nanoseconds() {
        assert_eq!(ticks_to_nanos(250, 100), Some(Nanos(2_500_000_000)));
        assert_eq!(ticks_to_nanos(1, 0), None);
        assert_eq!(ticks_to_nanos(u64::MAX, 1), None);
        assert_eq!(nanos_to_ticks(2_509_999_999, 100), Some(250));
        assert_eq!((nanos_to_ticks(1, 0), nanos_to_ticks(1, u64::MAX)), (None, None));
    }
}
