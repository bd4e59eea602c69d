//! Directories on the way to a file that is written: what a stranger put there is not followed. The
//! kernel's own rule (proc_sys_fs(5), `protected_symlinks`) is for the last name of a path alone.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat, readlinkat, statat};
use rustix::process::geteuid;

/// Most links on the way, as of the kernel.
const MOST_LINKS: u32 = 40;
/// `S_IWOTH`.
const OTHERS_WRITE: u32 = 0o002;

/// Opens a directory, to name files in it by `/proc/self/fd`: whatever happens to the path
/// afterwards. The empty path is the working directory.
///
/// # Errors
/// When there is none; when a link on the way is a stranger's, in a directory that everybody may
/// write to.
pub(crate) fn open(path: &Path) -> io::Result<OwnedFd> {
    Walk { here: directory(CWD, Path::new("."))?, shown: PathBuf::new(), links: 0 }.go(path)
}

/// The same of a directory that may be made later.
///
/// # Errors
/// As [`open`], but for a missing one.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => opened.map(drop),
    }
}

/// On the way.
struct Walk {
    here: OwnedFd,
    /// Its path, for messages.
    shown: PathBuf,
    links: u32,
}

impl Walk {
    fn go(mut self, path: &Path) -> io::Result<OwnedFd> {
        let mut left = parts(path);
        while let Some(part) = left.pop_front() {
            let name = Path::new(&part);
            if name.is_absolute() {
                (self.here, self.shown) = (directory(CWD, name)?, name.to_owned());
                continue;
            }
            let found = statat(&self.here, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(found.st_mode) != FileType::Symlink {
                self.here = directory(&self.here, name)?;
                self.shown.push(name);
                continue;
            }
            self.judge(name, found.st_uid)?;
            self.links = self.links.saturating_add(1);
            if self.links > MOST_LINKS {
                return Err(rustix::io::Errno::LOOP.into());
            }
            let leads = readlinkat(&self.here, name, Vec::new())?;
            let leads = PathBuf::from(OsString::from_vec(leads.into_bytes()));
            parts(&leads).into_iter().rev().for_each(|part| left.push_front(part));
        }
        Ok(self.here)
    }

    /// Whether the link `name` in this directory may be followed.
    fn judge(&self, name: &Path, owner: u32) -> io::Result<()> {
        if may_follow(owner, geteuid().as_raw(), fstat(&self.here)?.st_mode) {
            return Ok(());
        }
        let shown = self.shown.join(name);
        let text = format!(
            "{} is a link of user {owner} in a directory that everybody may write to",
            shown.display()
        );
        Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
    }
}

/// The rule: links of `owner`, in a directory of this mode, for `user`.
const fn may_follow(owner: u32, user: u32, mode: u32) -> bool {
    owner == 0 || owner == user || mode & OTHERS_WRITE == 0
}

/// Names one after the other; `/` alone begins anew.
fn parts(path: &Path) -> VecDeque<OsString> {
    let named = path.components().filter(|part| *part != Component::CurDir);
    named.map(|part| part.as_os_str().to_owned()).collect()
}

fn directory(at: impl std::os::fd::AsFd, name: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(at, name, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};

    use super::*;

    fn is(path: &Path, other: &Path) -> bool {
        let number = |file: &OwnedFd| fstat(file).map(|stat| (stat.st_dev, stat.st_ino)).unwrap();
        number(&open(path).unwrap()) == number(&open(other).unwrap())
    }

    #[test]
    fn a_directory_is_found_by_ones_own_links() {
        let top = tempfile::tempdir().unwrap();
        let at = |path: &str| top.path().join(path);
        fs::create_dir_all(at("a/b")).unwrap();
        symlink("a/./b", at("relative")).unwrap();
        symlink(at("a"), at("absolute")).unwrap();
        symlink("loop", at("loop")).unwrap();
        for way in ["relative", "absolute/b", "a/../relative", "relative/../b/"] {
            assert!(is(&at(way), &at("a/b")), "{way}");
        }
        assert!(is(Path::new(""), Path::new(".")) && is(Path::new("/"), Path::new("/..")));
        assert!(open(&at("loop")).is_err());
        fs::write(at("file"), "").unwrap();
        assert!(open(&at("file")).is_err() && check(&at("file/x")).is_err());
        assert!(open(&at("none/x")).is_err() && check(&at("none/x")).is_ok());
    }

    #[test]
    fn only_a_strangers_link_in_a_shared_directory_is_not_followed() {
        for (owner, user, mode, follows) in [
            (65_534, 0, 0o1777, false),
            (65_534, 0, 0o777, false),
            (65_534, 0, 0o755, true),
            (65_534, 0, 0o775, true),
            (65_534, 65_534, 0o1777, true),
            (0, 65_534, 0o1777, true),
            (1000, 65_534, 0o1777, false),
        ] {
            assert_eq!(may_follow(owner, user, mode), follows, "{owner} {user} {mode:o}");
        }
    }

    #[test]
    fn a_strangers_link_in_a_shared_directory_is_refused_by_name() {
        let top = tempfile::tempdir().unwrap();
        let at = |path: &str| top.path().join(path);
        fs::create_dir_all(at("shared")).unwrap();
        fs::create_dir_all(at("victim/below")).unwrap();
        symlink(at("victim"), at("shared/reports")).unwrap();
        symlink("shared/reports", at("mine")).unwrap();
        fs::set_permissions(at("shared"), Permissions::from_mode(0o1777)).unwrap();
        assert!(is(&at("shared/reports/below"), &at("victim/below")), "it is one's own");
        // Only root can give it away.
        if !geteuid().is_root() {
            return;
        }
        lchown(at("shared/reports"), Some(65_534), None).unwrap();
        for mode in [0o1777, 0o777] {
            fs::set_permissions(at("shared"), Permissions::from_mode(mode)).unwrap();
            for way in ["shared/reports", "shared/reports/below", "mine/below", "mine/none"] {
                let error = check(&at(way)).unwrap_err().to_string();
                assert!(error.contains("shared/reports is a link of user 65534"), "{error}");
            }
        }
        fs::set_permissions(at("shared"), Permissions::from_mode(0o755)).unwrap();
        assert!(is(&at("shared/reports/below"), &at("victim/below")), "only root made it there");
    }
}
