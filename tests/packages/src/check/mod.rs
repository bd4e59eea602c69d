//! What shows that packages are good: their contents, what linters and shells say, the units, and
//! installation on the systems that they are for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use memtrace_lab::interrupt;
use memtrace_lab::outcome::Outcome;
use memtrace_lab::paths;

use super::pages::SHELLS;
use crate::{Format, Made};

mod booted;
mod chroot;
mod contents;
mod symbols;
mod units;

/// Checks what was made. `write`: the lists of contents become the golden ones.
///
/// # Errors
/// When the user interrupts.
pub fn all(made: &Made, write: bool) -> Result<Outcome> {
    let mut tally = Tally::default();
    for program in [&made.built.memtrace.program, &made.built.helper.program] {
        tally.note(&format!("symbol versions of {}", name(program)), symbols::check(program))?;
    }
    for (format, path) in &made.packages {
        tally.note(&format!("contents of the {format}"), contents::check(*format, path, write))?;
    }
    if let Some(deb) = made.package(Format::Deb) {
        let mut lintian = Command::new("lintian");
        lintian.args(["--fail-on", "error,warning", "--allow-root"]).arg(deb);
        tally.note("lintian", quiet(&mut lintian))?;
    }
    if let Some(rpm) = made.package(Format::Rpm) {
        tally.note("rpmlint", rpmlint(rpm))?;
    }
    for page in pages(&made.root)? {
        tally.note(&name(&page), groff(&page))?;
    }
    for (shell, script) in SHELLS {
        tally.note(&format!("completions of {shell}"), completions(shell, script, &made.root))?;
    }
    tally.note("scripts: shellcheck", shellcheck())?;
    units::all(&made.root, &mut tally)?;
    if let Some(deb) = made.package(Format::Deb) {
        chroot::all(deb, &mut tally)?;
        booted::all(deb, &mut tally)?;
    }
    Ok(tally.outcome)
}

/// What came out so far.
#[derive(Default)]
struct Tally {
    outcome: Outcome,
}

impl Tally {
    /// Counts a check. Only an interrupt ends the others.
    fn note(&mut self, name: &str, result: Result<()>) -> Result<()> {
        interrupt::check()?;
        match result {
            Ok(()) => self.outcome.absorb(Outcome::passed(1)),
            Err(why) => {
                let failure = format!("{name}: {why:#}");
                eprintln!("{failure}");
                self.outcome.absorb(Outcome { failures: vec![failure], ..Outcome::failed(1) });
            }
        }
        Ok(())
    }

    fn skip(&mut self, reason: impl Into<String>) {
        self.outcome.absorb(Outcome::skipped(reason));
    }
}

/// What a command prints, if it succeeds.
fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "{}\n{said}{complained}", output.status);
    Ok(said)
}

/// Runs a command that has nothing to complain of.
fn quiet(command: &mut Command) -> Result<()> {
    output(command).map(|_| ())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().display().to_string()
}

/// rpmlint is content with warnings; this isn't. What is filtered out has its reason beside it.
fn rpmlint(package: &Path) -> Result<()> {
    let config = paths::workspace().join("packaging/rpm/rpmlint.toml");
    let said = output(Command::new("rpmlint").arg("--config").arg(config).arg(package))?;
    ensure!(said.contains(" 0 errors, 0 warnings"), "{said}");
    Ok(())
}

fn pages(root: &Path) -> Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    for section in fs::read_dir(root.join("usr/share/man"))? {
        for page in fs::read_dir(section?.path())? {
            pages.push(page?.path());
        }
    }
    pages.sort();
    ensure!(!pages.is_empty(), "there is no man page");
    Ok(pages)
}

/// A page that groff has something to say of isn't good, though it prints it.
fn groff(page: &Path) -> Result<()> {
    const CHECK: &str = "gzip -dc \"$0\" | groff -ww -z -Kutf8 -Tutf8 -t -man 2>&1";
    let said = output(Command::new("sh").args(["-c", CHECK]).arg(page))?;
    ensure!(said.is_empty(), "{said}");
    Ok(())
}

fn completions(shell: &str, script: &str, root: &Path) -> Result<()> {
    let places = [
        "usr/share/bash-completion/completions",
        "usr/share/zsh/vendor-completions",
        "usr/share/fish/vendor_completions.d",
    ];
    let paths = places.map(|place| root.join(place).join(script));
    let Some(path) = paths.iter().find(|path| path.is_file()) else {
        bail!("{script} is nowhere");
    };
    quiet(Command::new(shell).arg("-n").arg(path))
}

/// Scripts of packages, and those that try them.
fn shellcheck() -> Result<()> {
    let packaging = paths::workspace().join("packaging");
    let mut command = Command::new("shellcheck");
    command.args(["--shell=sh"]);
    for script in ["debian/postinst", "debian/prerm", "debian/postrm", "still-taken"] {
        command.arg(packaging.join(script));
    }
    for script in ["post", "preun", "postun"] {
        command.arg(packaging.join("rpm").join(script));
    }
    for script in [chroot::SCRIPT, booted::SCRIPT, booted::IMAGE] {
        command.arg(paths::workspace().join(script));
    }
    quiet(&mut command)
}
