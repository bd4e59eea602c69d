//! The files of a configuration: the main file, and those of its `.d` directory in order of name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::problem::{Place, Problem};
use memtrace_store::regular;

/// Longest file that is read.
const LONGEST: u64 = 1 << 20;

/// A file, and its text.
pub(super) struct Text {
    pub(super) file: PathBuf,
    pub(super) text: String,
}

/// `/etc/memtrace/memtrace.toml` has `/etc/memtrace/memtrace.d/*.toml`.
pub(super) fn drop_ins(file: &Path) -> PathBuf {
    file.with_extension("d")
}

/// All texts, the later ones more important. `must`: the first file has to be there.
pub(super) fn read(file: &Path, must: bool, problems: &mut Vec<Problem>) -> Vec<Text> {
    let mut texts = Vec::new();
    match regular::text(file, LONGEST) {
        Ok(text) => texts.push(Text { file: file.to_owned(), text }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must => {}
        Err(error) => problems.push(problem(file, &error)),
    }
    let directory = drop_ins(file);
    let mut found = match list(&directory) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            problems.push(problem(&directory, &error));
            Vec::new()
        }
    };
    found.sort();
    for file in found {
        match regular::text(&file, LONGEST) {
            Ok(text) => texts.push(Text { file, text }),
            Err(error) => problems.push(problem(&file, &error)),
        }
    }
    texts
}

/// Skips hidden files (editors) and other extensions (package managers).
fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    Ok(found)
}

fn problem(file: &Path, error: &io::Error) -> Problem {
    Problem { place: Place::whole(file), key: String::new(), text: error.to_string() }
}
