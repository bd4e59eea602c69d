//! A file that is there whole, or as it was before.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes `bytes` beside `path` and puts them in its place. Through a link the file that it
/// leads to is replaced.
///
/// # Errors
/// When that isn't possible; what was there before is still there then.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // A pipe or a device takes what it is given.
    if fs::metadata(&path).is_ok_and(|known| !known.is_file() && !known.is_dir()) {
        return OpenOptions::new().write(true).open(&path)?.write_all(bytes);
    }
    let beside = beside(&path)?;
    let written = write(&beside, bytes).and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        // It says what was wrong before; this may fail for the same reason.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A name in the same directory that nobody else has.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.new", std::process::id()));
    Ok(path.with_file_name(hidden))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("it can be read");
        let name = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
        let mut names: Vec<String> = entries.filter_map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_made_and_replaced_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().expect("there is room");
        let path = directory.path().join("report.html");
        for text in ["first", "second"] {
            replace(&path, text.as_bytes()).expect("it is written");
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), Some(text));
        }
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("it is made");
        replace(&link, b"third").expect("it is written");
        assert_eq!(fs::read_to_string(&path).ok().as_deref(), Some("third"));
        assert!(fs::symlink_metadata(&link).is_ok_and(|known| known.is_symlink()));
        assert_eq!(names(directory.path()), ["link", "report.html"]);
    }

    #[test]
    fn what_cannot_be_replaced_stays_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().expect("there is room");
        let path = directory.path().join("taken");
        fs::create_dir(&path).expect("it is made");
        fs::write(path.join("a"), "b").expect("it is written");
        assert!(replace(&path, b"text").is_err());
        assert_eq!(names(directory.path()), ["taken"]);
        assert!(replace(&directory.path().join("none/report.html"), b"text").is_err());
    }
}
