//! The newest version of the C library that a program asks for.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use memtrace_lab::release::GLIBC;

use super::output;

/// Checks that it isn't newer than what packages promise.
///
/// # Errors
/// When it is, or objdump can't tell.
pub fn check(program: &Path) -> Result<()> {
    let table = output(Command::new("objdump").arg("--dynamic-syms").arg(program))?;
    let newest = newest(&table).context("it asks for no version of glibc")?;
    ensure!(newest <= GLIBC, "it asks for glibc {}.{}", newest.0, newest.1);
    Ok(())
}

/// The highest of the versions in objdump's table: `DF *UND* 0 (GLIBC_2.2.5) malloc`.
fn newest(table: &str) -> Option<(u32, u32)> {
    let versions = table.split("GLIBC_").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let mut parts = rest[..end].split('.').map(str::parse);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    });
    versions.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let table = "0 DF *UND* 0 (GLIBC_2.2.5) malloc\n0 DF *UND* 0 (GLIBC_2.28) fcntl64\n\
                     0 DF *UND* 0 (GLIBC_2.9) pipe2\n0 DF *UND* 0 (GLIBC_PRIVATE) x\n";
        assert_eq!(newest(table), Some((2, 28)));
        assert_eq!(newest("0 DF *UND* 0 main\n"), None);
    }
}
