//! What is in the program: the crates' licences word by word, and the bill of materials. From
//! cargo's own metadata: cargo-about and cargo-cyclonedx take minutes to build for this.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use memtrace_lab::paths;
use memtrace_lab::release::PLATFORM;
use serde::Deserialize;
use serde_json::json;

use super::VERSION;

const HEAD: &str = "\
memtrace and memtrace-libvirt contain the following crates of others, and Rust's standard library
(MIT or Apache-2.0, The Rust Project Contributors). Each has the licence that stands behind its
name; the texts below are those that came with them. virt and virt-sys are in memtrace-libvirt alone.
";
/// How files with a licence, or with what it wants to be told, begin.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];

/// A crate in the program.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    manifest_path: PathBuf,
}

impl Package {
    fn called(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// Crates of others that are in the program, by name and version.
///
/// # Errors
/// When cargo can't tell them.
pub fn packages() -> Result<Vec<Package>> {
    let linked = linked()?;
    let mut packages = metadata()?;
    packages.retain(|package| package.source.is_some() && linked.contains(&package.called()));
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    ensure!(!packages.is_empty(), "cargo names no crate in the program");
    Ok(packages)
}

/// The bill of materials, as CycloneDX has it in JSON.
///
/// # Errors
/// Never, as far as is known.
pub fn bill(packages: &[Package]) -> Result<String> {
    let components: Vec<_> = packages
        .iter()
        .map(|Package { name, version, license, .. }| {
            let reference = format!("pkg:cargo/{name}@{version}");
            json!({
                "type": "library",
                "bom-ref": reference,
                "name": name,
                "version": version,
                "licenses": [{ "expression": license.as_ref().map(|text| text.replace('/', " OR ")) }],
                "purl": reference,
            })
        })
        .collect();
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": format!("pkg:cargo/memtrace@{VERSION}"),
                "name": "memtrace",
                "version": VERSION,
                "licenses": [{ "expression": "MIT OR Apache-2.0" }],
            },
        },
        "components": components,
    });
    Ok(serde_json::to_string_pretty(&bill)? + "\n")
}

/// The notices.
///
/// # Errors
/// When a crate has no licence, or its folder can't be read.
pub fn text(packages: &[Package]) -> Result<String> {
    let mut notices = HEAD.to_owned();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    notices.push('\n');
    for package in packages {
        let Package { name, version, license, .. } = package;
        let license = license.as_deref().with_context(|| format!("{name} names no licence"))?;
        writeln!(notices, "  {name} {version}: {license}")?;
        for text in licences(package.manifest_path.parent().context("a crate without a folder")?)? {
            texts.entry(text).or_default().push(package.called());
        }
    }
    for (text, crates) in texts {
        write!(notices, "\n{}\n{}:\n\n{text}", "-".repeat(78), crates.join(", "))?;
    }
    Ok(notices)
}

/// Crates that are linked into the programs, as `name version`.
fn linked() -> Result<BTreeSet<String>> {
    let text = cargo(&[
        "tree",
        "--package=memtrace",
        "--package=memtrace-libvirt",
        "--edges=normal,no-proc-macro",
        "--target",
        PLATFORM,
        "--prefix=none",
        "--format={p}",
    ])?;
    Ok(text.lines().filter_map(named).collect())
}

/// A line of cargo's: `name v1.2.3 (/folder) (*)`.
fn named(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    Some(format!("{} {}", words.next()?, words.next()?.strip_prefix('v')?))
}

fn metadata() -> Result<Vec<Package>> {
    let text = cargo(&["metadata", "--format-version=1", "--filter-platform", PLATFORM])?;
    Ok(serde_json::from_str::<Metadata>(&text)?.packages)
}

fn cargo(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("cargo");
    command.current_dir(paths::workspace()).args(arguments).arg("--locked");
    let output = command.output().context("run cargo")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The texts in a crate's folder, alike where only spaces at ends of lines differ.
fn licences(folder: &Path) -> Result<BTreeSet<String>> {
    let mut texts = BTreeSet::new();
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        if path.is_file() && NAMES.iter().any(|begin| name.starts_with(begin)) {
            let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
            let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
            texts.insert(lines.join("\n") + "\n");
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_named_with_its_version() {
        assert_eq!(named("memchr v2.8.3 (*)").as_deref(), Some("memchr 2.8.3"));
        assert_eq!(named("memtrace v0.1.0 (/a b/memtrace)").as_deref(), Some("memtrace 0.1.0"));
        assert_eq!(named(""), None);
    }

    #[test]
    fn the_bill_has_a_licence_in_the_form_of_today() {
        let package = Package {
            name: "old".to_owned(),
            version: "1.0.0".to_owned(),
            license: Some("MIT/Apache-2.0".to_owned()),
            source: None,
            manifest_path: PathBuf::new(),
        };
        let bill: serde_json::Value = serde_json::from_str(&bill(&[package]).unwrap()).unwrap();
        let component = &bill["components"][0];
        assert_eq!(component["purl"], "pkg:cargo/old@1.0.0");
        assert_eq!(component["licenses"][0]["expression"], "MIT OR Apache-2.0");
    }

    #[test]
    fn texts_that_differ_in_spaces_only_are_one() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("LICENSE-MIT"), "a \nb\n\n").unwrap();
        fs::write(folder.path().join("license-zlib"), "\na\nb").unwrap();
        fs::write(folder.path().join("lib.rs"), "c").unwrap();
        assert_eq!(licences(folder.path()).unwrap(), BTreeSet::from(["a\nb\n".to_owned()]));
    }
}
