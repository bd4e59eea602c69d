//! `memtrace config check`: all errors of a configuration, or a summary.

use std::fmt::Write;
use std::path::Path;

use crate::config::{Config, Loaded, Problem};
use crate::service::metrics::listen::group_number;
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
    for missing in missing(&loaded.config) {
        let _ = writeln!(text, "but on this host {}", clean(&missing));
    }
    text
}

/// What it names that this host lacks. Another host may have it, for which it is fine.
fn missing(config: &Config) -> Vec<String> {
    let programs = [("alert.command", &config.alert.send.command), ("hook.command", &config.hook)];
    let programs = programs.into_iter().filter_map(|(key, command)| {
        let program = command.first().filter(|program| !exists(program))?;
        Some(format!("there is no program {program} ({key})"))
    });
    let group = config.metrics.access.group.as_deref();
    let group = group.filter(|group| group_number(group).is_err());
    let group = group.map(|group| format!("there is no group {group} (metrics.socket_group)"));
    programs.chain(group).collect()
}

/// A program is looked for as a shell does.
fn exists(program: &str) -> bool {
    if program.contains('/') {
        return Path::new(program).is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
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
    fn what_this_host_lacks_is_told_of_a_configuration_that_is_fine() {
        let directory = tempfile::tempdir().expect("there is room");
        let file = directory.path().join("memtrace.toml");
        let text = "[metrics]\nsocket_group = \"no-such-group\"\n\
            [alert]\ncommand = [\"/nowhere/helper\"]\n[hook]\ncommand = [\"sh\", \"-c\", \":\"]\n";
        std::fs::write(&file, text).expect("it is written");
        let (text, good) = report(&file, true);
        assert!(good, "{text}");
        let lacks: Vec<&str> = text.lines().filter(|line| line.starts_with("but ")).collect();
        let expected = [
            "but on this host there is no program /nowhere/helper (alert.command)",
            "but on this host there is no group no-such-group (metrics.socket_group)",
        ];
        assert_eq!(lacks, expected);
    }

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
