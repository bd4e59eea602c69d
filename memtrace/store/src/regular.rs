//! Opens regular files for reading by a path from the user. Other files are refused: opening a
//! named pipe waits for its writer, and a device may never end.

use std::fs::{self, File, FileType};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Opens a regular file, also through a symbolic link.
///
/// # Errors
/// When it isn't one, or can't be opened.
pub fn open(path: &Path) -> io::Result<File> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_file() {
        return File::open(path);
    }
    let text = format!("not a regular file, but {}", name(kind));
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

/// The same, but also an open descriptor (`/dev/stdin`, a shell's `/dev/fd/63`), which has its
/// writer already, and `/dev/null`.
///
/// # Errors
/// As [`open`].
pub fn open_or_inherited(path: &Path) -> io::Result<File> {
    let is_descriptor = ["/dev/fd", "/proc/self/fd"].iter().any(|folder| path.starts_with(folder));
    let is_known = ["/dev/stdin", "/dev/null"].iter().any(|known| path == Path::new(known));
    if is_descriptor || is_known { File::open(path) } else { open(path) }
}

fn name(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opening it would block for ever.
    #[test]
    fn a_pipe_a_device_and_a_directory_are_refused_at_once() {
        let directory = tempfile::tempdir().expect("there is room");
        let pipe = directory.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).expect("a pipe");
        for (path, told) in [
            (pipe.as_path(), "not a regular file, but a named pipe"),
            (Path::new("/dev/zero"), "not a regular file, but a device"),
            (directory.path(), "not a regular file, but a directory"),
        ] {
            for open in [open, open_or_inherited] {
                assert_eq!(open(path).expect_err("it is refused").to_string(), told);
            }
        }
        assert!(open(Path::new("/dev/null")).is_err());
        assert!(open_or_inherited(Path::new("/dev/null")).is_ok());
        let missing = open(&directory.path().join("none")).expect_err("there is none");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
