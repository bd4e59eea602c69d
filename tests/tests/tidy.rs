//! Rules that no compiler and no lint checks: each module says what it owns, files and lines of
//! comments stay short enough to be read, tests are neither ignored nor unfinished.

use std::fs;
use std::path::{Path, PathBuf};

/// Longest file, in lines: enough for a type with its methods, too short for two subjects.
const LONGEST: usize = 600;
/// Widest line of a comment, in characters: rustfmt leaves comments as they are.
const WIDEST: usize = 100;
/// Texts that no line may have, and why. Split so that this file doesn't have them either.
const NEVER: [(&str, &str); 4] = [
    (concat!("#[ign", "ore"), "a test that cannot run says so and is counted"),
    (concat!("TO", "DO"), "what is unfinished is an issue"),
    (concat!("FIX", "ME"), "what is unfinished is an issue"),
    (concat!("XX", "X"), "what is unfinished is an issue"),
];

/// Violations in a file.
fn findings(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let opens = text.lines().next().and_then(|line| line.strip_prefix("//!"));
    if opens.is_none_or(|said| said.trim().is_empty()) {
        found.push("1: the module says nothing of itself".to_owned());
    }
    let lines = text.lines().count();
    if lines > LONGEST {
        found.push(format!("{lines} lines, at most {LONGEST}"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        let never = NEVER.iter().filter(|(what, _)| line.contains(what));
        found.extend(never.map(|(what, why)| format!("{number}: {what}: {why}")));
        let columns = line.chars().count();
        if line.trim_start().starts_with("//") && columns > WIDEST {
            found.push(format!("{number}: a comment of {columns} columns, at most {WIDEST}"));
        }
    }
    found
}

/// All Rust files below `directory`.
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

/// The workspace, and all its Rust files.
fn sources() -> (&'static Path, Vec<PathBuf>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate has a workspace");
    let mut files = Vec::new();
    for part in ["memtrace", "memtrace-ebpf", "tests", "xtask"] {
        collect(&root.join(part), &mut files);
    }
    (root, files)
}

#[test]
fn every_file_says_what_it_owns_is_short_and_finished() {
    let (root, files) = sources();
    assert!(files.len() > 50, "only {} files were found", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("the file is text");
        let path = file.strip_prefix(root).expect("it lies below the root").display().to_string();
        wrong.extend(findings(&text).into_iter().map(|finding| format!("{path}: {finding}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The files that may declare the module of `file`. `None`: it is a crate's own root.
fn parents(file: &Path) -> Option<(String, Vec<PathBuf>)> {
    let (folder, name) = (file.parent()?, file.file_stem()?.to_str()?);
    let (folder, name) = match name {
        "lib" | "main" | "build" => return None,
        "mod" => (folder.parent()?, folder.file_name()?.to_str()?),
        name => (folder, name),
    };
    let beside = folder.with_extension("rs");
    let all = ["mod.rs", "lib.rs", "main.rs"].map(|root| folder.join(root));
    Some((name.to_owned(), all.into_iter().chain([beside]).collect()))
}

/// Whether some line declares a module of this name.
fn declares(text: &str, name: &str) -> bool {
    text.lines().any(|line| {
        let declared = line.trim().trim_end_matches(['{', ';', ' ']).rsplit_once("mod ");
        declared.is_some_and(|(_, declared)| declared == name)
    })
}

/// No compiler sees a file that no module declares: what is left of a merge, for example.
#[test]
fn every_file_of_a_crate_is_in_a_module() {
    let (root, files) = sources();
    let of_crates = |file: &&PathBuf| {
        let mut folders = file.strip_prefix(root).into_iter().flat_map(Path::iter);
        folders.any(|folder| folder == "src") && !file.to_string_lossy().contains("/src/bin/")
    };
    let (mut looked, mut left_over) = (0, Vec::new());
    for file in files.iter().filter(of_crates) {
        let Some((name, parents)) = parents(file) else { continue };
        looked += 1;
        let texts = parents.iter().filter_map(|parent| fs::read_to_string(parent).ok());
        if !texts.into_iter().any(|text| declares(&text, &name)) {
            left_over.push(file.strip_prefix(root).expect("it lies below the root").display());
        }
    }
    assert!(looked > 500, "only {looked} modules were looked for");
    assert!(left_over.is_empty(), "in no module: {left_over:?}");
}

#[test]
fn a_module_is_declared_by_name() {
    for text in ["mod run;", "pub(super) mod run;", "    mod run {", "pub mod run { "] {
        assert!(declares(text, "run"), "{text}");
        assert!(!declares(text, "un"), "{text}");
    }
    assert!(!declares("mod runs;\nuse run;", "run"));
}

#[test]
fn each_rule_finds_what_breaks_it() {
    assert_eq!(findings("//! The clock.\nfn a() {}\n"), [""; 0]);
    for silent in ["", "fn a() {}\n", "//!\n", "// The clock.\n", "\n//! The clock.\n"] {
        assert_eq!(findings(silent).len(), 1, "{silent:?}");
    }
    let lines = |count: usize| format!("//! The clock.\n{}", "\n".repeat(count - 1));
    assert_eq!(findings(&lines(LONGEST)), [""; 0]);
    assert_eq!(findings(&lines(LONGEST + 1)).len(), 1);
    for indent in ["", "    "] {
        let comment = |columns: usize| {
            format!("//! The clock.\n{indent}// {}\n", "x".repeat(columns - 3 - indent.len()))
        };
        assert_eq!(findings(&comment(WIDEST)), [""; 0]);
        assert_eq!(findings(&comment(WIDEST + 1)).len(), 1, "{indent:?}");
    }
    let code = format!("//! The clock.\nlet a = \"{}\";\n", "x".repeat(WIDEST));
    assert_eq!(findings(&code), [""; 0], "rustfmt sees to code");
    for (what, _) in NEVER {
        assert_eq!(findings(&format!("//! The clock.\n// {what}\n")).len(), 1, "{what}");
    }
}
