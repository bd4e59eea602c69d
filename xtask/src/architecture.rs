//! `cargo xtask architecture`: the picture of the crates in ARCHITECTURE.md, from what their
//! manifests say of each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use memtrace_lab::paths;
use serde::Deserialize;

/// Between these lines of the page.
const BEGIN: &str = "<!-- crates: made by cargo xtask architecture -->\n";
const END: &str = "<!-- /crates -->";

#[derive(clap::Args)]
pub struct Arguments {
    /// Only say whether the picture is as the manifests are
    #[arg(long)]
    check: bool,
}

/// The part of `cargo metadata` that is read.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    /// Where it may be published; `[]` of what is ours alone, as the lab. `null`: anywhere.
    publish: Option<Vec<String>>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `null`: an ordinary one; else `dev` or `build`.
    kind: Option<String>,
}

/// Writes the picture into the page, or holds it against the page.
///
/// # Errors
/// When cargo or the page can't be read, or the picture is another one with `--check`.
pub fn run(arguments: &Arguments) -> Result<()> {
    let path = paths::workspace().join("ARCHITECTURE.md");
    let page = fs::read_to_string(&path).context("ARCHITECTURE.md")?;
    let renewed = renewed(&page, &picture(&metadata()?))?;
    if arguments.check {
        ensure!(page == renewed, "the crates changed: run `cargo xtask architecture`");
        return Ok(());
    }
    fs::write(&path, renewed).context("ARCHITECTURE.md")
}

fn metadata() -> Result<Metadata> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"]);
    let output = cargo.current_dir(paths::workspace()).output().context("cargo metadata")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("what cargo metadata says")
}

/// The product's crates and which depends on which, for Mermaid. What a crate reaches through
/// another one isn't drawn, nor what only its tests depend on.
fn picture(metadata: &Metadata) -> String {
    let product = || metadata.packages.iter().filter(|one| one.publish.is_none());
    let names: BTreeSet<&str> = product().map(|one| one.name.as_str()).collect();
    let mut below: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in product() {
        let ordinary = package.dependencies.iter().filter(|one| one.kind.is_none());
        let ours = ordinary.map(|one| one.name.as_str()).filter(|name| names.contains(name));
        below.insert(&package.name, ours.collect());
    }
    let mut text = "```mermaid\ngraph TD\n".to_owned();
    for (from, all) in &below {
        let through = |to: &str| all.iter().any(|other| *other != to && reaches(&below, other, to));
        for to in all.iter().filter(|to| !through(to)) {
            // A string takes everything.
            let _ = writeln!(text, "    {from} --> {to}");
        }
    }
    text.push_str("```\n");
    text
}

/// Crates depend on each other in no circle: cargo sees to that.
fn reaches(below: &BTreeMap<&str, BTreeSet<&str>>, from: &str, to: &str) -> bool {
    below
        .get(from)
        .is_some_and(|all| all.contains(to) || all.iter().any(|one| reaches(below, one, to)))
}

fn renewed(page: &str, picture: &str) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).context("the page has no place for it")?;
    let (_, after) = rest.split_once(END).context("the place has no end")?;
    Ok(format!("{before}{BEGIN}{picture}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_the_crates_as_they_are() {
        run(&Arguments { check: true }).expect("it is fresh");
    }

    #[test]
    fn only_direct_ordinary_dependencies_of_the_product_are_drawn() {
        let text = r#"{"packages":[
            {"name":"a","publish":null,"dependencies":[{"name":"b","kind":null},
                {"name":"c","kind":"dev"},{"name":"d","kind":null},{"name":"serde","kind":null}]},
            {"name":"b","publish":null,"dependencies":[{"name":"d","kind":null}]},
            {"name":"c","publish":null,"dependencies":[]},
            {"name":"d","publish":null,"dependencies":[]},
            {"name":"lab","publish":[],"dependencies":[{"name":"a","kind":null}]}]}"#;
        let metadata: Metadata = serde_json::from_str(text).expect("it reads");
        assert_eq!(picture(&metadata), "```mermaid\ngraph TD\n    a --> b\n    b --> d\n```\n");
    }

    #[test]
    fn a_page_without_a_place_is_refused() {
        assert!(renewed("nothing", "x").is_err());
        let page = format!("a\n{BEGIN}old\n{END}\nb\n");
        assert_eq!(
            renewed(&page, "new\n").expect("it has one"),
            format!("a\n{BEGIN}new\n{END}\nb\n")
        );
    }
}
