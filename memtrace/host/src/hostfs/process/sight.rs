//! Files as a process sees them, or saw them when it was started: below its root directory, also
//! when it has left that by chroot(2) since, and from its working directory.
//!
//! Paths come from command lines, so from anybody: none leads out of the process' root by a link.

use std::fs::{File, read_link};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use rustix::io::Errno;

use super::status;
use crate::hostfs::read;

/// Deepest root directory of a process.
const DEEPEST: usize = 64;
/// What openat2(2) says of a path that leads out of where it has to stay.
const LEADS_OUT: i32 = Errno::XDEV.raw_os_error();

/// How the process was started, as far as its command line tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// It has changed its root directory since.
    pub chroot: bool,
    /// It has changed its working directory since.
    pub daemon: bool,
    /// Where it may have been then, as good guesses.
    pub directories: Vec<String>,
}

/// Opens the file that the process /proc/PID at `process` named `path` when it was started.
/// Relative paths are tried in several directories, so the caller has to check what it gets.
///
/// # Errors
/// That of the first attempt.
pub fn open(process: &Path, path: &str, start: &Start, flags: OFlags) -> io::Result<OwnedFd> {
    if path.starts_with('/') {
        return below_root(process, path, start, flags);
    }
    let first = from_working(process, path, flags);
    if first.is_ok() || !start.daemon {
        return first;
    }
    let working = working_directory(process);
    for directory in working.iter().chain(&start.directories) {
        if let Ok(found) = below_root(process, &format!("{directory}/{path}"), start, flags) {
            return Ok(found);
        }
    }
    first
}

/// Relative to the working directory, and by `..` and absolute links to anywhere below the process'
/// root, as the process itself goes.
fn from_working(process: &Path, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
    let working = OwnedFd::from(File::open(process.join("cwd"))?);
    let beneath = below(&working, path, ResolveFlags::BENEATH, flags);
    if !beneath.as_ref().is_err_and(|error| error.raw_os_error() == Some(LEADS_OUT)) {
        return beneath;
    }
    // Both as we see them, whatever the process' root is.
    let (top, name) = (read_link(process.join("root"))?, read_link(process.join("cwd"))?);
    let Ok(name) = name.strip_prefix(&top) else { return beneath };
    let name = Path::new(".").join(name);
    let root = OwnedFd::from(File::open(process.join("root"))?);
    let found = below(&root, &name, ResolveFlags::IN_ROOT, OFlags::PATH)?;
    // It may have been moved or mounted over.
    if number(&found)? != number(&working)? {
        return beneath;
    }
    below(&root, name.join(path), ResolveFlags::IN_ROOT, flags)
}

/// What tells a file from others.
fn number(file: &OwnedFd) -> io::Result<(u64, u64)> {
    let stat = fstat(file)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// The text of a regular file that the process named so, at most `limit` bytes. Doesn't wait for
/// a writer; a file system may make it wait all the same.
///
/// # Errors
/// What opening or reading gives; `InvalidData` when it is no regular file, or a longer one.
pub fn text(process: &Path, path: &str, start: &Start, limit: usize) -> io::Result<(File, String)> {
    let file = open(process, path, start, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no regular file"));
    }
    let file = File::from(file);
    let bytes = read::all(file.try_clone()?, limit.saturating_add(1))?;
    if bytes.len() > limit {
        let long = format!("it is longer than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, long));
    }
    Ok((file, read::lossy(bytes)))
}

/// The user who started the process, its real user. Not that to whom /proc/PID belongs: that is
/// root for any process that wants it so (prctl(2), `PR_SET_DUMPABLE`), and for programs of
/// set-user-ID.
///
/// # Errors
/// When the process is gone.
pub fn owner(process: &Path) -> io::Result<u32> {
    let ids = status::field(process, "Uid")?;
    let real = ids.split_ascii_whitespace().next().and_then(|id| id.parse().ok());
    real.ok_or_else(|| io::Error::other("its status names no user"))
}

/// PWD of its environment, which shells set.
fn working_directory(process: &Path) -> Option<String> {
    let environment = read::bytes(&process.join("environ"), read::SMALL).ok()?;
    let mut variables = read::whole(&environment, read::SMALL, 0).split(|&byte| byte == 0);
    let directory = variables.find_map(|variable| variable.strip_prefix(b"PWD=/"))?;
    Some(format!("/{}", String::from_utf8(directory.to_vec()).ok()?))
}

fn below_root(process: &Path, path: &str, start: &Start, flags: OFlags) -> io::Result<OwnedFd> {
    let root = process.join("root");
    let base = OwnedFd::from(File::open(&root)?);
    let base = if start.chroot { outermost(base)? } else { base };
    below(&base, path, ResolveFlags::IN_ROOT, flags)
}

fn below(
    base: &OwnedFd,
    path: impl AsRef<Path>,
    resolve: ResolveFlags,
    flags: OFlags,
) -> io::Result<OwnedFd> {
    let resolve = resolve | ResolveFlags::NO_MAGICLINKS;
    let path = path.as_ref().as_os_str().as_bytes();
    Ok(openat2(base, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)?)
}

/// The root of the mount namespace that `directory` is in: `..` of a chroot leads out for us, who
/// aren't in it.
fn outermost(directory: OwnedFd) -> io::Result<OwnedFd> {
    let mut here = directory;
    for _ in 0..DEEPEST {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let above = openat(&here, "..", flags, Mode::empty())?;
        if number(&here)? == number(&above)? {
            return Ok(here);
        }
        here = above;
    }
    Err(io::Error::other("its root directory is too deep"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const READ: OFlags = OFlags::RDONLY;

    struct Process(tempfile::TempDir);

    impl Process {
        /// Its root and working directory are these below a temporary directory.
        fn new(root: &str, cwd: &str) -> Self {
            let process = Self(tempfile::tempdir().unwrap());
            for (link, to) in [("root", root), ("cwd", cwd)] {
                std::fs::create_dir_all(process.host(to)).unwrap();
                symlink(process.host(to), process.0.path().join(link)).unwrap();
            }
            process
        }

        fn host(&self, path: &str) -> std::path::PathBuf {
            self.0.path().join("host").join(path)
        }

        fn file(&self, path: &str, content: &str) {
            let path = self.host(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }

        fn text(&self, path: &str, start: &Start) -> Result<String, String> {
            let read = text(self.0.path(), path, start, 100);
            read.map(|(_, text)| text).map_err(|error| error.to_string())
        }
    }

    #[test]
    fn a_path_is_that_of_the_process() {
        let process = Process::new("pod", "pod/srv");
        process.file("pod/etc/a", "inside");
        process.file("etc/a", "outside");
        process.file("pod/srv/b", "relative");
        let start = Start::default();
        assert_eq!(process.text("/etc/a", &start).as_deref(), Ok("inside"));
        assert_eq!(process.text("b", &start).as_deref(), Ok("relative"));
        symlink("/etc/a", process.host("pod/link")).unwrap();
        assert_eq!(process.text("/link", &start).as_deref(), Ok("inside"));
    }

    #[test]
    fn a_relative_path_goes_where_the_process_goes_and_never_out_of_its_root() {
        let process = Process::new("pod", "pod/srv/vm");
        process.file("pod/etc/a", "inside");
        process.file("pod/srv/b", "beside");
        process.file("etc/a", "outside");
        process.file("outer", "outside");
        symlink("/etc", process.host("pod/srv/vm/link")).unwrap();
        symlink("../../..", process.host("pod/srv/vm/up")).unwrap();
        let start = Start::default();
        for (path, text) in [
            ("../b", "beside"),
            ("./../../srv/b", "beside"),
            ("link/a", "inside"),
            ("../../etc/a", "inside"),
            ("../../../../../etc/a", "inside"),
            ("up/etc/a", "inside"),
        ] {
            assert_eq!(process.text(path, &start).as_deref(), Ok(text), "{path}");
        }
        for path in ["../../outer", "../../../outer", "up/outer", "link/../outer"] {
            assert!(process.text(path, &start).is_err(), "{path}");
        }
    }

    #[test]
    fn a_working_directory_that_is_elsewhere_now_is_not_taken_for_another() {
        let process = Process::new("pod", "pod/srv/vm");
        process.file("pod/srv/b", "beside");
        std::fs::remove_file(process.0.path().join("cwd")).unwrap();
        symlink(process.host("outside"), process.0.path().join("cwd")).unwrap();
        std::fs::create_dir(process.host("outside")).unwrap();
        assert!(process.text("../b", &Start::default()).is_err());
    }

    #[test]
    fn a_daemons_relative_path_is_found_where_it_was_started() {
        let process = Process::new("", "run");
        process.file("srv/vm/ledger.conf", "by its environment");
        process.file("srv/other/a.conf", "by another path");
        let start =
            Start { daemon: true, directories: vec!["/srv/other".to_owned()], chroot: false };
        assert!(process.text("./ledger.conf", &start).is_err());
        std::fs::write(process.0.path().join("environ"), "A=1\0PWD=/srv/vm\0B=2\0").unwrap();
        assert_eq!(process.text("./ledger.conf", &start).as_deref(), Ok("by its environment"));
        assert_eq!(process.text("a.conf", &start).as_deref(), Ok("by another path"));
        assert!(process.text("a.conf", &Start::default()).is_err());
    }

    #[test]
    fn only_short_regular_files_are_read() {
        let process = Process::new("", "run");
        process.file("long", &"x".repeat(101));
        let error = |path| process.text(path, &Start::default()).unwrap_err();
        assert_eq!(error("/long"), "it is longer than 100 bytes");
        assert_eq!(error("/run"), "it is no regular file");
        let fifo = process.host("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::RWXU).unwrap();
        assert_eq!(error("/fifo"), "it is no regular file");
    }

    #[test]
    fn the_root_above_a_changed_root_is_found() {
        let top = OwnedFd::from(File::open("/").unwrap());
        let deep = tempfile::tempdir().unwrap();
        let found = outermost(OwnedFd::from(File::open(deep.path()).unwrap())).unwrap();
        assert_eq!(number(&found).unwrap(), number(&top).unwrap());
        let process = Process::new("jail", "jail");
        process.file("vm.conf", "outside");
        let path = process.host("vm.conf");
        let start = Start { chroot: true, ..Start::default() };
        assert!(open(process.0.path(), path.to_str().unwrap(), &start, READ).is_ok());
        assert!(open(process.0.path(), path.to_str().unwrap(), &Start::default(), READ).is_err());
    }
}
