//! `memtrace config check`: all errors of a configuration, or a summary.

use std::fmt::Write;
use std::path::Path;

use crate::config::{Config, Loaded, Problem};
use memtrace_core::format::several;
use memtrace_core::text::clean;

/// The report on `file`, and whether it is valid. `must`: it has to exist.
pub(crate) fn report(file: &Path, must: bool) -> (String, bool) {
    match Config::load(file, must) {
        Ok(loaded) => (fine(file, &loaded), true),
        Err(problems) => (wrong(&problems), false),
    }
}

fn fine(file: &Path, loaded: &Loaded) -> String {
    let mut text = String::new();
    for file in &loaded.files {
        // Writing to a string doesn't fail.
        let _ = writeln!(text, "{}: fine", shown(file));
    }
    if loaded.files.is_empty() {
        let _ = writeln!(text, "{}: no such file; the defaults are used", shown(file));
    }
    let Config { mode, rules, .. } = &loaded.config;
    let _ = writeln!(
        text,
        "mode {}, {} for VMs",
        mode.word(),
        several(rules.vms.len() as u64, "table")
    );
    text
}

fn shown(file: &Path) -> String {
    clean(&file.to_string_lossy()).into_owned()
}

fn wrong(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        let _ = writeln!(text, "{problem}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_file_in_the_usual_place_the_defaults_are_used() {
        let directory = tempfile::tempdir().expect("there is room");
        let file = directory.path().join("memtrace.toml");
        let (text, good) = report(&file, false);
        assert!(good && text.contains("memtrace.toml: no such file; the defaults are used\nmode "));
        assert!(!report(&file, true).1, "a file that was named has to exist");
        for must in [false, true] {
            let (text, _) = report(Path::new("/none/\x1b[31mx"), must);
            assert!(text.contains("[31mx") && !text.contains('\x1b'), "{text:?}");
        }
    }
}
