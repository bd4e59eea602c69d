//! Keeps files open that are read every tick: opening a small file of /proc or a cgroup costs
//! several times more than reading it.
//!
//! Only the kernel's own files (procfs, cgroups) are kept. One whose process or cgroup is gone
//! fails to read, and is then opened again; an ordinary file that was replaced would keep its old
//! content.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::fstatfs;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::read;

/// Limit on the files of one keeper.
const MOST: usize = 64;
/// `PROC_SUPER_MAGIC`, `CGROUP_SUPER_MAGIC`, `CGROUP2_SUPER_MAGIC` (include/uapi/linux/magic.h).
const KERNEL_MADE: [u64; 3] = [0x9fa0, 0x0027_e0eb, 0x6367_7270];

/// Initial size of the buffer; most files fit into it.
const CHUNK: usize = 8 * 1024;

thread_local! {
    /// What was read last. One for all keepers: they read thousands of files one by one.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Open files by their paths.
#[derive(Debug, Default)]
pub struct Keeper {
    files: RefCell<Vec<(OsString, File)>>,
}

impl Keeper {
    /// The result of `parse` on the whole lines of at most `limit` bytes of the file at `path`, as
    /// text; invalid UTF-8 is replaced.
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub fn read<T>(
        &self,
        path: &Path,
        limit: usize,
        parse: impl FnOnce(&str) -> T,
    ) -> io::Result<T> {
        let mut buffer = BUFFER.take();
        let content = self.content(path, limit, &mut buffer);
        let parsed = content
            .map(|content| parse(&String::from_utf8_lossy(read::whole(content, limit, b'\n'))));
        BUFFER.set(buffer);
        parsed
    }

    fn content<'a>(
        &self,
        path: &Path,
        limit: usize,
        buffer: &'a mut Vec<u8>,
    ) -> io::Result<&'a [u8]> {
        let mut files = self.files.borrow_mut();
        let kept = files.iter().position(|(kept, _)| kept == path.as_os_str());
        let count = kept.and_then(|index| whole(&files.get(index)?.1, limit, buffer).ok());
        let count = match count {
            Some(count) => count,
            None => {
                kept.map(|index| files.swap_remove(index));
                let file = File::open(path)?;
                if files.len() < MOST && may_keep(&file) {
                    let count = whole(&file, limit, buffer)?;
                    files.push((path.as_os_str().to_owned(), file));
                    count
                } else {
                    *buffer = read::all(file, limit)?;
                    buffer.len()
                }
            }
        };
        Ok(buffer.get(..count).unwrap_or_default())
    }

    /// The file's text itself.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn text(&self, path: &Path, limit: usize) -> io::Result<String> {
        self.read(path, limit, str::to_owned)
    }

    /// A file that holds one number.
    ///
    /// # Errors
    /// As [`Self::read`]; `InvalidData` when it isn't a number.
    pub fn number(&self, path: &Path) -> io::Result<u64> {
        self.read(path, read::SMALL, |text| text.trim().parse())?.map_err(io::Error::other)
    }
}

/// Reads the file from its beginning to the beginning of `buffer`, and returns how much it
/// is. The kernel makes the whole text at once (`single_open`), so a read that doesn't fill
/// the room reached the end.
fn whole(file: &File, limit: usize, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut count = 0;
    loop {
        if buffer.len() < (count + CHUNK).min(limit) {
            buffer.resize((count + CHUNK).min(limit), 0);
        }
        let end = buffer.len().min(limit);
        let Some(room) = buffer.get_mut(count..end).filter(|room| !room.is_empty()) else {
            return Ok(count);
        };
        let room_size = room.len();
        let read = file.read_at(room, count as u64)?;
        count += read;
        if read < room_size {
            return Ok(count);
        }
    }
}

fn may_keep(file: &File) -> bool {
    let number = u64::try_from(file.as_raw_fd()).unwrap_or(u64::MAX);
    number < room() && fstatfs(file).is_ok_and(|fs| KERNEL_MADE.contains(&(fs.f_type as u64)))
}

/// The first descriptor that is too high to be kept: a quarter of those that the process
/// may have stays for everything else. The soft limit is raised to the hard one.
fn room() -> u64 {
    static ROOM: OnceLock<u64> = OnceLock::new();
    *ROOM.get_or_init(|| {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, ..limit };
        let limit = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
        limit.current.map_or(u64::MAX, |most| most - most / 4)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_kernel_is_kept_and_read_afresh() {
        let keeper = Keeper::default();
        let path = Path::new("/proc/self/stat");
        let first = keeper.text(path, read::SMALL).unwrap();
        assert!(first.starts_with(&std::process::id().to_string()));
        assert_eq!(keeper.files.borrow().len(), 1);
        // Page faults of this process change one of its fields.
        let changed = (0..100_000).any(|_| {
            std::hint::black_box(vec![1_u8; 1 << 20]);
            keeper.text(path, read::SMALL).unwrap() != first
        });
        assert!(changed);
    }

    #[test]
    fn an_ordinary_file_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        let keeper = Keeper::default();
        std::fs::write(&path, "7\n").unwrap();
        assert_eq!(keeper.number(&path).unwrap(), 7);
        std::fs::remove_file(&path).unwrap();
        assert!(keeper.number(&path).is_err());
        assert!(keeper.files.borrow().is_empty());
    }

    #[test]
    fn a_process_that_is_gone_is_not_read_any_more() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let path = format!("/proc/{}/stat", child.id());
        let keeper = Keeper::default();
        assert!(keeper.text(Path::new(&path), read::SMALL).is_ok());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(keeper.text(Path::new(&path), read::SMALL).is_err());
        assert!(keeper.files.borrow().is_empty());
    }

    #[test]
    fn a_file_over_the_limit_is_cut_at_a_line() {
        let keeper = Keeper::default();
        let path = Path::new("/proc/self/status");
        let whole = keeper.text(path, read::SMALL).unwrap();
        let lines: String = whole.split_inclusive('\n').take(2).collect();
        assert_eq!(keeper.text(path, lines.len() + 1).unwrap(), lines);
    }

    #[test]
    fn a_long_file_is_read_to_its_end() {
        let keeper = Keeper::default();
        let path = Path::new("/proc/self/limits");
        let kept = keeper.text(path, read::SMALL).unwrap();
        assert_eq!(kept, std::fs::read_to_string(path).unwrap());
    }
}
