//! Locks of other processes, whatever their mount namespaces: the same path is another file there.

use std::collections::BTreeSet;
use std::fs::{metadata, read_dir, read_link};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::process::status;
use super::{HostRoot, read};

/// Most descriptors of one process that are looked at.
const MAX_FDS: usize = 65_536;
/// What the kernel adds to the path of a removed file.
const REMOVED: &[u8] = b" (deleted)";
/// Permissions of group and others.
const OTHERS: u32 = 0o077;

/// Processes besides this one that hold a flock(2) on root's file of this path, whichever mount
/// namespace they see it in, also after it was removed. Only a file that nobody but root can make
/// and open counts: anybody may lock a file that he can read.
///
/// # Errors
/// When it can't be known, as /proc/locks can't be read.
pub fn holders(root: &HostRoot, path: &Path) -> io::Result<Vec<u32>> {
    let table = read::text(&root.proc.join("locks"), read::LARGE)?;
    let holders: BTreeSet<u32> = table.lines().filter_map(holder).collect();
    let own = std::process::id();
    let others = holders.into_iter().filter(|pid| *pid != own);
    Ok(others.filter(|pid| is_roots(root, *pid) && holds(root, *pid, path)).collect())
}

/// Who holds the exclusive flock that a line of /proc/locks tells of (proc_locks(5)).
fn holder(line: &str) -> Option<u32> {
    let mut fields = line.split_whitespace().skip(1);
    let kind = [fields.next()?, fields.next()?, fields.next()?];
    let pid = fields.next()?.parse().ok()?;
    (kind == ["FLOCK", "ADVISORY", "WRITE"]).then_some(pid)
}

/// Whether root runs it, so that others' descriptors cost nothing. Root owns the directory in /proc
/// of a process that nobody may trace, too, so that the user is read from its status.
fn is_roots(root: &HostRoot, pid: u32) -> bool {
    let users = status::field(&root.process(pid), "Uid").unwrap_or_default();
    users.split_ascii_whitespace().nth(1) == Some("0")
}

/// Whether one of its descriptors has that lock. What vanishes meanwhile holds none.
fn holds(root: &HostRoot, pid: u32, path: &Path) -> bool {
    let process = root.process(pid);
    let Ok(descriptors) = read_dir(process.join("fd")) else { return false };
    descriptors.take(MAX_FDS).flatten().any(|descriptor| {
        let link = descriptor.path();
        let is_there = read_link(&link).is_ok_and(|target| is_at(target, path));
        let is_roots = |file: std::fs::Metadata| {
            file.is_file() && file.uid() == 0 && file.mode() & OTHERS == 0
        };
        is_there && metadata(&link).is_ok_and(is_roots) && {
            let about = process.join("fdinfo").join(descriptor.file_name());
            read::text(&about, read::SMALL).is_ok_and(|about| is_locked(&about))
        }
    })
}

/// Whether an open file was at this path, or is: below another root directory too.
fn is_at(target: PathBuf, path: &Path) -> bool {
    let target = target.into_os_string().into_vec();
    let target = target.strip_suffix(REMOVED).unwrap_or(&target);
    let path = path.strip_prefix("/").unwrap_or(path);
    Path::new(std::ffi::OsStr::from_bytes(target)).ends_with(path)
}

/// Whether a descriptor has an exclusive flock, by what the kernel tells of it (proc(5), fdinfo):
/// `lock: 1: FLOCK  ADVISORY  WRITE 359 00:13:11691 0 EOF`.
fn is_locked(about: &str) -> bool {
    about.lines().filter_map(|line| line.strip_prefix("lock:")).any(|lock| holder(lock).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_of_a_whole_lock_or_of_another_kind() {
        for (line, held) in [
            ("1: FLOCK  ADVISORY  WRITE 708 fe:00:4711 0 EOF", Some(708)),
            ("1: -> FLOCK  ADVISORY  WRITE 709 fe:00:4711 0 EOF", None),
            ("2: FLOCK  ADVISORY  READ 708 fe:00:4711 0 EOF", None),
            ("3: OFDLCK ADVISORY  WRITE -1 fe:00:5464323 201 201", None),
            ("4: POSIX  ADVISORY  WRITE 710 fe:00:99 0 EOF", None),
            ("", None),
        ] {
            assert_eq!(holder(line), held, "{line}");
            assert_eq!(is_locked(&format!("pos:\t0\nlock:\t{line}\n")), held.is_some(), "{line}");
        }
        assert!(!is_locked("pos:\t4\nflags:\t0100000\nmnt_id:\t28\n"));
    }

    #[test]
    fn a_path_is_the_same_below_another_root_and_when_it_was_removed() {
        let path = Path::new("/run/memtrace/enforce.lock");
        for (target, same) in [
            ("/run/memtrace/enforce.lock", true),
            ("/srv/root/run/memtrace/enforce.lock", true),
            ("/run/memtrace/enforce.lock (deleted)", true),
            ("/run/memtrace/enforce.lock2", false),
            ("/tmp/enforce.lock", false),
            ("/other-run/memtrace/enforce.lock", false),
            ("socket:[7]", false),
        ] {
            assert_eq!(is_at(target.into(), path), same, "{target}");
        }
    }
}
