//! Opens regular files by a path from the user. Other files are refused: opening a
//! named pipe waits for its writer, and a device may never end.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// `S_IWOTH`.
const OTHERS_WRITE: u32 = 0o002;

/// Opens a regular file, also through a symbolic link.
///
/// # Errors
/// When it isn't one, or can't be opened.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(path, File::options().read(true))
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

/// The text of such a file, of at most so many bytes: a whole number of KiB.
///
/// # Errors
/// As [`open`]; when it is longer, or isn't UTF-8.
pub fn text(path: &Path, most: u64) -> io::Result<String> {
    let mut text = String::new();
    open_or_inherited(path)?.take(most.saturating_add(1)).read_to_string(&mut text)?;
    if text.len() as u64 > most {
        let most = match most >> 10 {
            kib if kib.is_multiple_of(1024) => format!("{} MiB", kib >> 10),
            kib => format!("{kib} KiB"),
        };
        return Err(io::Error::other(format!("longer than {most}")));
    }
    Ok(text)
}

/// The same with these options, of which the flags are set here.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_with(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // A device may do something when it is opened, so look first; another file may be in its place
    // by then, so don't wait for it, and look again.
    check(fs::metadata(path)?.file_type())?;
    let file = options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    check(file.metadata()?.file_type())?;
    Ok(file)
}

/// Opens a regular file of our own with these options, which may make it: not through a symbolic
/// link, and without waiting for another kind of file.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_own(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    check(file.metadata()?.file_type())?;
    Ok(file)
}

/// Why a directory isn't one to keep files of ours in: its owner could replace them. `None`: it is.
///
/// # Errors
/// When it can't be looked at.
pub fn why_foreign(directory: &Path) -> io::Result<Option<String>> {
    let found = fs::metadata(directory)?;
    let (owner, own) = (found.uid(), rustix::process::geteuid().as_raw());
    Ok(if owner != own && owner != 0 {
        Some(format!("it belongs to user {owner}"))
    } else if found.mode() & OTHERS_WRITE != 0 {
        Some("everybody may write to it".to_owned())
    } else {
        None
    })
}

fn check(kind: FileType) -> io::Result<()> {
    if kind.is_file() {
        return Ok(());
    }
    let text = format!("not a regular file, but {}", name(kind));
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
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
    fn a_text_has_an_end() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("text");
        for (length, most, told) in [
            (2048, 2048, None),
            (2049, 2048, Some("longer than 2 KiB")),
            ((1 << 20) + 1, 1 << 20, Some("longer than 1 MiB")),
        ] {
            fs::write(&path, "x".repeat(length)).expect("it is written");
            let read = text(&path, most).map(|text| text.len()).map_err(|error| error.to_string());
            assert_eq!(read, told.map_or(Ok(length), |told| Err(told.to_owned())));
        }
        fs::write(&path, b"\xff").expect("it is written");
        assert!(text(&path, 2048).is_err());
    }

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
