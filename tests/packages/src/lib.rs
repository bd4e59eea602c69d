//! `cargo xtask package`: memtrace as .deb, .rpm and tarball for systems from glibc 2.28 on, and
//! what shows that they are good.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use memtrace_lab::outcome::Outcome;
use memtrace_lab::setup::{self, Scope};
use memtrace_lab::{interrupt, paths, progress, release};

mod assets;
mod build;
mod check;
mod make;
mod notices;
mod pages;

use build::Built;

#[derive(clap::Args)]
pub struct Arguments {
    /// Kinds of packages [default: all]
    #[arg(value_name = "FORMAT")]
    formats: Vec<Format>,
    /// Also check them: contents, lint, units, and installation on Debian 11 to 13
    #[arg(long)]
    check: bool,
    /// With --check: keep the lists of contents as the new golden ones
    #[arg(long, requires = "check")]
    write: bool,
}

/// A kind of package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Deb,
    Rpm,
    Tar,
}

const ALL: [Format; 3] = [Format::Deb, Format::Rpm, Format::Tar];

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deb => "deb",
            Self::Rpm => "rpm",
            Self::Tar => "tar",
        })
    }
}

/// What was made.
#[derive(Clone, Debug)]
struct Made {
    built: Built,
    /// Where the files of packages lie as they are installed.
    root: PathBuf,
    packages: Vec<(Format, PathBuf)>,
}

impl Made {
    fn package(&self, format: Format) -> Option<&PathBuf> {
        self.packages.iter().find(|(made, _)| *made == format).map(|(_, path)| path)
    }
}

/// Makes packages, and checks them if asked to.
///
/// # Errors
/// When a tool is missing, a package can't be made, a check fails, or the user interrupts.
pub fn run(arguments: &Arguments) -> Result<()> {
    interrupt::listen()?;
    let missing = setup::run(Scope::Package)?;
    ensure!(missing.is_empty(), "some of what makes packages could not be had");
    let formats = if arguments.formats.is_empty() { &ALL[..] } else { &arguments.formats };
    let made = make(formats)?;
    for (_, path) in &made.packages {
        println!("{}", path.display());
    }
    if arguments.check {
        let outcome = check::all(&made, arguments.write)?;
        for reason in &outcome.reasons {
            println!("skipped: {reason}");
        }
        println!(
            "{} passed, {} failed, {} skipped",
            outcome.passed, outcome.failed, outcome.skipped
        );
        ensure!(outcome.failed == 0, "{}", outcome.failures.join("\n"));
    }
    Ok(())
}

/// The step of a full test run: all packages are made and checked.
///
/// # Errors
/// When a package can't be made, or the user interrupts.
pub fn step() -> Result<Outcome> {
    if let Some(reason) = release::obstacle() {
        return Ok(Outcome::skipped(reason));
    }
    check::all(&make(&ALL)?, false)
}

fn make(formats: &[Format]) -> Result<Made> {
    let folder = folder();
    let built = build::run(&folder)?;
    let root = folder.join("root");
    let assets = assets::stage(&built, &make::date()?, &root)?;
    let mut packages = Vec::new();
    for format in formats {
        let path = make::run(*format, &assets, &folder).with_context(|| format!("the {format}"))?;
        packages.push((*format, path));
    }
    make::symbols(&built, &folder)?;
    progress::say(&format!("packages are in {}", folder.display()));
    Ok(Made { built, root, packages })
}

/// Everything that packages are made of.
fn folder() -> PathBuf {
    paths::target().join("package")
}

/// memtrace's version, which is xtask's too.
const VERSION: &str = env!("CARGO_PKG_VERSION");
