//! The shared libraries of a program, as the dynamic linker would find them here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Every library of the program and the dynamic linker itself, by absolute path.
///
/// # Errors
/// When ldd fails, or a library is missing.
pub fn of(program: &Path) -> Result<BTreeSet<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("run ldd")?;
    ensure!(
        output.status.success(),
        "ldd {}: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// Reads lines such as `libc.so.6 => /lib/libc.so.6 (0x7f..)`, `/lib64/ld.so (0x7f..)`
/// and `linux-vdso.so.1 (0x7f..)`.
fn parse(text: &str) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let line = line.trim();
        ensure!(!line.ends_with("not found"), "{line}");
        let path = line.split_once("=> ").map_or(line, |(_, path)| path);
        if let Some(path) = path.split(" (").next()
            && path.starts_with('/')
        {
            found.insert(PathBuf::from(path));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_the_linker_are_taken_and_the_vdso_is_not() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\
                    \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let found: Vec<PathBuf> = parse(text).unwrap().into_iter().collect();
        assert_eq!(
            found,
            [
                PathBuf::from("/lib/x86_64-linux-gnu/libc.so.6"),
                PathBuf::from("/lib64/ld-linux-x86-64.so.2")
            ]
        );
    }

    #[test]
    fn a_missing_library_is_an_error_that_names_it() {
        let error = parse("\tlibvirt.so.0 => not found\n").unwrap_err();
        assert!(error.to_string().contains("libvirt.so.0"));
    }

    #[test]
    fn a_static_program_has_none() {
        assert!(parse("\tstatically linked\n").unwrap().is_empty());
    }
}
