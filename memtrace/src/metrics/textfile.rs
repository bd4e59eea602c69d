//! A file that somebody else reads at any moment: it is always whole.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes `text` in the place of `path`, at once. Its reader runs as somebody else.
///
/// # Errors
/// When it can't be written; what was there stays then.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    let told = || format!("cannot write {}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // The collector reads what ends in .prom.
    let mut file = tempfile::Builder::new()
        .prefix(".memtrace-")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .with_context(told)?;
    file.write_all(text.as_bytes()).with_context(told)?;
    file.persist(path).map_err(|error| error.error).with_context(told)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_for_all_to_read() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("memtrace.prom");
        for text in ["a 1\n", "a 2\nb 3\n"] {
            write(&path, text).expect("it is written");
            assert_eq!(fs::read_to_string(&path).expect("it is there"), text);
        }
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o600, 0o600);
        assert_eq!(mode & 0o133, 0, "nobody else writes it, and it is no program");
        assert_eq!(fs::read_dir(folder.path()).expect("it is there").count(), 1);
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("taken");
        fs::create_dir(&path).expect("there is room");
        let error = format!("{:#}", write(&path, "a 1\n").expect_err("a folder is in the way"));
        assert!(error.contains("cannot write") && error.contains("taken"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).expect("it is there").count(), 1);
        assert!(write(&folder.path().join("no/such"), "").is_err());
    }
}
