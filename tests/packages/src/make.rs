//! Makes packages of what lies below the root: cargo-deb, cargo-generate-rpm and tar.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use memtrace_lab::setup::packaging;
use memtrace_lab::{paths, progress};
use toml::{Table, Value};

use super::assets::Asset;
use super::build::Built;
use super::{Format, VERSION};

const LIMIT: Duration = Duration::from_secs(5 * 60);
/// Where the files lie that the manifest names.
const PACKAGING: &str = "packaging";

/// Makes a package, and returns where it is.
///
/// # Errors
/// When a tool fails, or the user interrupts.
pub fn run(format: Format, assets: &[Asset], folder: &Path) -> Result<PathBuf> {
    let assets: Vec<&Asset> =
        assets.iter().filter(|asset| asset.formats.contains(&format)).collect();
    match format {
        Format::Deb => deb(&assets, folder),
        Format::Rpm => rpm(&assets, folder),
        Format::Tar => tar(&assets, folder),
    }
}

/// Packs what debuggers want, to be unpacked at /.
///
/// # Errors
/// When tar fails.
pub fn symbols(built: &Built, folder: &Path) -> Result<()> {
    let root = emptied(&folder.join("symbols"))?;
    for (symbols, program) in
        [(&built.memtrace.symbols, "usr/bin"), (&built.helper.symbols, "usr/libexec/memtrace")]
    {
        let place = root.join("usr/lib/debug").join(program);
        fs::create_dir_all(&place)?;
        let name = symbols.file_name().context("symbols without a name")?;
        fs::copy(symbols, place.join(name))?;
    }
    let archive = folder.join(format!("memtrace-{VERSION}-x86_64-linux-debug.tar.gz"));
    pack(&root, &["usr"], &archive)
}

fn deb(assets: &[&Asset], folder: &Path) -> Result<PathBuf> {
    let manifest = manifest(folder, |metadata| {
        let list = assets.iter().map(|asset| {
            let entry = [&source(asset), &asset.place, mode(asset)].map(Value::from);
            Value::Array(entry.to_vec())
        });
        set(metadata, "deb", "assets", list.collect())
    })?;
    let path = folder.join(format!("memtrace_{VERSION}-1_amd64.deb"));
    let mut command = tool("cargo-deb")?;
    command.args(["deb", "--no-build", "--no-strip", "--no-dbgsym", "--manifest-path"]);
    command.arg(&manifest).arg("--output").arg(&path);
    progress::run("making a Debian package", &mut command, LIMIT)?;
    Ok(path)
}

fn rpm(assets: &[&Asset], folder: &Path) -> Result<PathBuf> {
    let manifest = manifest(folder, |metadata| {
        let list = assets.iter().map(|asset| {
            let mut entry = Table::new();
            entry.insert("source".to_owned(), source(asset).into());
            entry.insert("dest".to_owned(), format!("/{}", asset.place).into());
            entry.insert("mode".to_owned(), mode(asset).into());
            if asset.configuration {
                entry.insert("config".to_owned(), "noreplace".into());
            }
            let doc = ["usr/share/doc/", "usr/share/man/"];
            let doc = doc.iter().any(|folder| asset.place.starts_with(folder));
            entry.insert("doc".to_owned(), doc.into());
            Value::Table(entry)
        });
        set(metadata, "generate-rpm", "assets", list.collect())
    })?;
    let path = folder.join(format!("memtrace-{VERSION}-1.x86_64.rpm"));
    let mut command = tool("cargo-generate-rpm")?;
    command.current_dir(manifest.parent().context("a manifest without a folder")?);
    command.args(["generate-rpm", "--target", "x86_64-unknown-linux-gnu", "--output"]).arg(&path);
    command.args(["--source-date", &date()?]);
    progress::run("making an RPM package", &mut command, LIMIT)?;
    Ok(path)
}

fn tar(assets: &[&Asset], folder: &Path) -> Result<PathBuf> {
    let name = format!("memtrace-{VERSION}-x86_64-linux");
    let root = emptied(&folder.join("tar"))?;
    for asset in assets {
        let path = root.join(&name).join(&asset.place);
        fs::create_dir_all(path.parent().context("a place without a folder")?)?;
        fs::copy(&asset.source, path)?;
    }
    let archive = folder.join(format!("{name}.tar.gz"));
    pack(&root, &[&name], &archive)?;
    Ok(archive)
}

/// A crate's manifest with the metadata of packages and their list of files, in a folder with the
/// scripts that it names.
fn manifest(folder: &Path, assets: impl FnOnce(&mut Table) -> Result<()>) -> Result<PathBuf> {
    let packaging = paths::workspace().join(PACKAGING);
    let folder = emptied(&folder.join("manifest"))?;
    for part in ["debian", "rpm"] {
        fs::create_dir_all(folder.join(part))?;
        for entry in fs::read_dir(packaging.join(part))? {
            let entry = entry?;
            fs::copy(entry.path(), folder.join(part).join(entry.file_name()))?;
        }
    }
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), "")?;
    let text = fs::read_to_string(packaging.join("manifest.toml"))?;
    let mut manifest: Table = text.parse().context("packaging/manifest.toml")?;
    let package = manifest.get_mut("package").and_then(Value::as_table_mut);
    let package = package.context("packaging/manifest.toml has no package")?;
    package.insert("version".to_owned(), VERSION.into());
    let metadata = package.get_mut("metadata").and_then(Value::as_table_mut);
    assets(metadata.context("packaging/manifest.toml has no metadata")?)?;
    // It belongs to no workspace.
    manifest.insert("workspace".to_owned(), Table::new().into());
    let path = folder.join("Cargo.toml");
    fs::write(&path, manifest.to_string())?;
    Ok(path)
}

fn set(metadata: &mut Table, tool: &str, key: &str, value: Vec<Value>) -> Result<()> {
    let table = metadata.get_mut(tool).and_then(Value::as_table_mut);
    let table = table.with_context(|| format!("packaging/manifest.toml has no {tool}"))?;
    table.insert(key.to_owned(), value.into());
    Ok(())
}

/// As the manifest sees it, which lies beside the root.
fn source(asset: &Asset) -> String {
    format!("../root/{}", asset.place)
}

fn mode(asset: &Asset) -> &'static str {
    if asset.executable { "755" } else { "644" }
}

/// A subcommand of cargo's, with the time of the commit as that of all files.
fn tool(name: &str) -> Result<Command> {
    let mut command = Command::new(packaging::bin().join(name));
    command.env("SOURCE_DATE_EPOCH", date()?);
    Ok(command)
}

/// When the newest commit was made, in seconds since 1970.
///
/// # Errors
/// When git can't tell.
pub fn date() -> Result<String> {
    let mut git = Command::new("git");
    git.current_dir(paths::workspace()).args(["log", "-1", "--format=%ct"]);
    let output = git.output().context("run git")?;
    ensure!(output.status.success(), "git knows no commit");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn pack(root: &Path, parts: &[&str], archive: &Path) -> Result<()> {
    let mut command = Command::new("tar");
    command.args(["--create", "--gzip", "--sort=name", "--owner=root:0", "--group=root:0"]);
    command.arg("--mode=u=rwX,go=rX").arg(format!("--mtime=@{}", date()?));
    command.arg("--file").arg(archive).arg("--directory").arg(root).args(parts);
    let name = archive.file_name().unwrap_or_default().display();
    progress::run(&format!("packing {name}"), &mut command, LIMIT)
}

/// The folder, which is new.
fn emptied(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    Ok(folder.to_owned())
}
