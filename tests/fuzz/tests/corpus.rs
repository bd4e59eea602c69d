//! Replays the kept inputs of all targets.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use memtrace_fuzz::TARGETS;

/// Largest folder of inputs, in bytes: the repository keeps seeds and findings, not a corpus.
const LARGEST: u64 = 128 << 10;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the folder is there");
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
}

#[test]
fn every_kept_input_holds_the_properties() {
    for (name, target) in TARGETS {
        let files = files(&folder().join(name));
        assert!(!files.is_empty(), "{name} has no inputs");
        for file in files {
            let data = fs::read(&file).expect("the input can be read");
            println!("{}", file.display());
            target(&data);
        }
    }
}

#[test]
fn each_target_has_a_fuzzer_and_few_inputs_and_nothing_else_has() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let stems = |directory: &Path| -> BTreeSet<String> {
        let stem = |path: PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
        files(directory).into_iter().map(stem).collect()
    };
    assert_eq!(stems(&folder()), names);
    assert_eq!(stems(&folder().with_file_name("fuzz_targets")), names);
    for name in names {
        let inputs = files(&folder().join(&name));
        let size: u64 = inputs.iter().map(|path| fs::metadata(path).expect("a file").len()).sum();
        assert!(size <= LARGEST, "{name}: {size} bytes");
    }
}
