//! The files of the workspace.

use std::fs;
use std::path::{Path, PathBuf};

use crate::source::Source;

const CRATES: [&str; 4] = ["memtrace", "memtrace-ebpf", "tests", "xtask"];

/// All Rust files of the workspace, with paths from its root.
pub fn sources() -> Vec<Source> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in a workspace");
    let mut files: Vec<PathBuf> = Vec::new();
    for name in CRATES {
        collect(&root.join(name), &mut files);
    }
    files.sort();
    files.iter().map(|file| read(root, file)).collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the directory can be read") {
        let entry = entry.expect("the entry can be read");
        let path = entry.path();
        // A link could lead around in a circle.
        let kind = entry.file_type().expect("the entry has a type");
        if kind.is_dir() && entry.file_name() != "target" {
            collect(&path, files);
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn read(root: &Path, file: &Path) -> Source {
    let path = file.strip_prefix(root).expect("the file lies below the root");
    let text = fs::read_to_string(file).expect("the file is text");
    Source::new(path.to_str().expect("the path is text"), &text)
}
