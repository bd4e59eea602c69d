//! Atomic replacement of a file that may be read at any time.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::geteuid;

use super::folder;

/// Writes `text` to a temporary file and renames it to `path`. A symbolic link is replaced itself,
/// wherever it leads: in a folder that others may write to it may be a stranger's; as a folder on
/// the way such a link is refused. Pipes and devices are written directly, and so is what the
/// system's own links lead to (`/dev/stdout`).
///
/// # Errors
/// When that isn't possible; the previous file is kept then.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let opened = folder::open(path.parent().unwrap_or(Path::new("")))?;
    let folder = Path::new("/proc/self/fd").join(opened.as_raw_fd().to_string());
    let place = &folder.join(name);
    let named = fs::symlink_metadata(place).ok();
    let is_special = |named: &Metadata| !named.is_file() && !named.is_dir() && !named.is_symlink();
    if named.as_ref().is_some_and(is_special) || is_system_link(path, named.as_ref()) {
        return write_through(place, text);
    }
    // Readable for others, as far as the umask allows. The suffix hides it from collectors of
    // *.prom or *.html. Opened and written as a plain file: errors of `tempfile_in` would name the
    // temporary file.
    let create =
        |path: &Path| OpenOptions::new().write(true).create_new(true).mode(0o644).open(path);
    let mut file =
        tempfile::Builder::new().prefix(".memtrace-").suffix(".tmp").make_in(&folder, create)?;
    file.as_file_mut().write_all(text.as_bytes())?;
    // Keep the permissions of an existing file, but not those that a stranger chose.
    if let Some(known) = named.filter(|known| known.is_file() && is_ours(known)) {
        file.as_file().set_permissions(known.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(place)?;
    Ok(())
}

fn is_ours(known: &Metadata) -> bool {
    known.uid() == 0 || known.uid() == geteuid().as_raw()
}

/// A link of root or of this user in a folder of /dev or /proc that no other user can write to.
fn is_system_link(path: &Path, named: Option<&Metadata>) -> bool {
    let Some(folder) = path.parent().and_then(|folder| fs::canonicalize(folder).ok()) else {
        return false;
    };
    let is_closed =
        |folder: &Path| fs::metadata(folder).is_ok_and(|known| known.mode() & 0o22 == 0);
    named.is_some_and(|named| named.is_symlink() && is_ours(named))
        && ["/dev", "/proc"].iter().any(|top| folder.starts_with(top))
        && is_closed(&folder)
}

/// A device or a pipe. One without a reader is refused: opening it would wait for one.
fn write_through(path: &Path, text: &str) -> io::Result<()> {
    let now = OFlags::NONBLOCK.bits().cast_signed();
    let mut file = OpenOptions::new().write(true).custom_flags(now).open(path)?;
    let flags = fcntl_getfl(&file)?;
    fcntl_setfl(&file, flags.difference(OFlags::NONBLOCK))?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("it can be read");
        let name = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
        let mut names: Vec<String> = entries.filter_map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_pipe_without_a_reader_is_refused_and_not_waited_for() {
        let directory = tempfile::tempdir().expect("there is room");
        let pipe = directory.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .expect("it is made");
        assert!(replace(&pipe, "text").is_err());
    }

    #[test]
    fn a_file_is_made_and_replaced_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().expect("there is room");
        let path = directory.path().join("report.html");
        for text in ["first", "second"] {
            replace(&path, text).expect("it is written");
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), Some(text));
        }
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("it is made");
        replace(&link, "third").expect("it is written");
        assert_eq!(fs::read_to_string(&path).ok().as_deref(), Some("second"), "not where it led");
        assert_eq!(fs::read_to_string(&link).ok().as_deref(), Some("third"));
        assert!(fs::symlink_metadata(&link).is_ok_and(|known| known.is_file()));
        assert_eq!(names(directory.path()), ["link", "report.html"]);
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!((mode & 0o600, mode & 0o133), (0o600, 0), "others may read it, and no more");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("it is ours");
        replace(&path, "fourth").expect("it is written");
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "what only its owner may read stays so");
    }

    #[test]
    fn a_link_is_replaced_wherever_it_leads_and_standard_output_is_written() {
        let directory = tempfile::tempdir().expect("there is room");
        let link = directory.path().join("memtrace.prom");
        std::os::unix::fs::symlink(directory.path().join("missing"), &link).expect("it is made");
        replace(&link, "text").expect("it is written");
        assert_eq!(names(directory.path()), ["memtrace.prom"]);
        assert_eq!(fs::read_to_string(&link).ok().as_deref(), Some("text"));
        replace(Path::new("/dev/null"), "text").expect("it is a device");
        assert!(fs::metadata("/dev/null").is_ok_and(|known| !known.is_file()));
        let (reader, writer) = rustix::pipe::pipe().expect("it is made");
        let through = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
        replace(Path::new(&through), "text").expect("it has a reader");
        drop(writer);
        let mut read = String::new();
        io::Read::read_to_string(&mut fs::File::from(reader), &mut read).expect("it is text");
        assert_eq!(read, "text");
    }

    #[test]
    fn nothing_is_written_where_a_strangers_link_leads() {
        let directory = tempfile::tempdir().expect("there is room");
        let at = |path: &str| directory.path().join(path);
        fs::create_dir(at("victim")).expect("it is made");
        std::os::unix::fs::symlink(at("victim"), at("reports")).expect("it is made");
        replace(&at("reports/own.html"), "text").expect("it is one's own link");
        assert_eq!(names(&at("victim")), ["own.html"]);
        let open = Permissions::from_mode(0o1777);
        fs::set_permissions(directory.path(), open).expect("it is ours");
        replace(&at("reports/own.html"), "text").expect("it is one's own link");
        // Only root can give it away.
        if !geteuid().is_root() {
            return;
        }
        std::os::unix::fs::lchown(at("reports"), Some(65_534), None).expect("it is given away");
        let refused = replace(&at("reports/x.html"), "text").expect_err("it is a stranger's");
        assert!(refused.to_string().contains("reports is a link of user 65534"), "{refused}");
        assert_eq!(names(&at("victim")), ["own.html"]);
    }

    #[test]
    fn a_failed_replacement_keeps_the_file_and_leaves_no_other() {
        let directory = tempfile::tempdir().expect("there is room");
        let path = directory.path().join("taken");
        fs::create_dir(&path).expect("it is made");
        fs::write(path.join("a"), "b").expect("it is written");
        assert!(replace(&path, "text").is_err());
        assert_eq!(names(directory.path()), ["taken"]);
        let missing = replace(&directory.path().join("none/report.html"), "text");
        let told = missing.expect_err("there is no such folder").to_string();
        assert_eq!(told, "No such file or directory (os error 2)", "the temporary file is named");
    }
}
