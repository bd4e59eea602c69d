//! Where the helper program is, and whether it may be executed.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Its name, beside memtrace's own program.
const NAME: &str = "memtrace-libvirt";
/// Where packages put it.
const INSTALLED: &str = "/usr/libexec/memtrace/memtrace-libvirt";
/// Names another place.
const VARIABLE: &str = "MEMTRACE_LIBVIRT";

/// Writing is for the group or for all.
const OF_OTHERS: u32 = 0o022;

/// The places where it is looked for: the first that has one counts.
#[derive(Clone, Debug)]
pub struct Program {
    places: Vec<PathBuf>,
    /// Whom memtrace runs as.
    user: u32,
}

impl Default for Program {
    fn default() -> Self {
        let own = std::env::current_exe().ok();
        Self::new(std::env::var_os(VARIABLE), own.as_deref())
    }
}

impl Program {
    fn new(named: Option<OsString>, own: Option<&Path>) -> Self {
        let beside = own.and_then(|own| Some(own.parent()?.join(NAME)));
        let places = match named {
            Some(named) => vec![named.into()],
            None => beside.into_iter().chain([INSTALLED.into()]).collect(),
        };
        Self { places, user: rustix::process::geteuid().as_raw() }
    }

    /// This file and no other.
    #[cfg(test)]
    pub(super) fn at(path: PathBuf) -> Self {
        Self::new(Some(path.into()), None)
    }

    /// Its file.
    ///
    /// # Errors
    /// That there is none, or why it may not be executed.
    pub fn find(&self) -> Result<PathBuf, String> {
        for place in &self.places {
            match fs::metadata(place) {
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(format!("{}: {error}", place.display())),
                Ok(_) if self.user != 0 => return Ok(place.clone()),
                Ok(_) => return safe(place, self.user).map(|()| place.clone()),
            }
        }
        Err(format!("{NAME} is not installed"))
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether nobody else can put something of his own there: in the file, or in its place.
fn safe(place: &Path, user: u32) -> Result<(), String> {
    let real = place.canonicalize().map_err(|error| format!("{}: {error}", place.display()))?;
    for path in [Some(real.as_path()), real.parent()].into_iter().flatten() {
        let shown = path.display();
        let found = fs::metadata(path).map_err(|error| format!("{shown}: {error}"))?;
        if found.uid() != 0 && found.uid() != user {
            let owner = found.uid();
            return Err(format!("{NAME} is not executed as root: {shown} belongs to user {owner}"));
        }
        if found.mode() & OF_OTHERS != 0 {
            return Err(format!("{NAME} is not executed as root: others can write {shown}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown};

    use super::*;

    /// As root, who doesn't execute what others can change.
    fn as_root(named: Option<&Path>, own: &Path) -> Result<PathBuf, String> {
        let program = Program::new(named.map(Into::into), Some(own));
        let places = program.places.into_iter().filter(|place| !place.starts_with("/usr/libexec"));
        Program { places: places.collect(), user: 0 }.find()
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn it_is_beside_memtrace_or_where_the_environment_says() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("memtrace");
        let find = |named: Option<&Path>| {
            let mut program = Program::new(named.map(Into::into), Some(&own));
            program.places.retain(|place| !place.starts_with("/usr/libexec"));
            program.user = 1000;
            program.find()
        };
        assert_eq!(find(None), Err("memtrace-libvirt is not installed".to_owned()));
        let beside = folder.path().join(NAME);
        fs::write(&beside, "").unwrap();
        assert_eq!(find(None), Ok(beside));
        let other = folder.path().join("other");
        assert!(find(Some(&other)).is_err_and(|why| why.contains("not installed")));
        fs::write(&other, "").unwrap();
        assert_eq!(find(Some(&other)), Ok(other.clone()));
    }

    #[test]
    fn the_packages_place_comes_last() {
        let program = Program::new(None, Some(Path::new("/opt/memtrace")));
        assert_eq!(program.places, [Path::new("/opt/memtrace-libvirt"), Path::new(INSTALLED)]);
    }

    #[test]
    fn root_executes_nothing_that_others_can_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        fs::write(&path, "").unwrap();
        let owner = fs::metadata(&path).unwrap().uid();
        let found = || as_root(None, &folder.path().join("memtrace"));
        mode(&path, 0o755);
        if owner != 0 {
            assert!(found().is_err_and(|why| why.contains(&format!("belongs to user {owner}"))));
            return;
        }
        assert_eq!(found(), Ok(path.clone()));
        for (mode_of_file, mode_of_folder) in [(0o775, 0o755), (0o757, 0o755), (0o755, 0o777)] {
            mode(&path, mode_of_file);
            mode(folder.path(), mode_of_folder);
            assert!(found().is_err_and(|why| why.contains("others can write")));
        }
        mode(&path, 0o755);
        mode(folder.path(), 0o755);
        chown(&path, Some(1000), None).unwrap();
        assert!(found().is_err_and(|why| why.contains("belongs to user 1000")));
    }
}
