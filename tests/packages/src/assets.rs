//! What packages have in them, and where it goes. All lies below one root as it is installed, so
//! that three kinds of packages are made of one list.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use memtrace_lab::paths;

use super::Format;
use super::build::Built;
use super::{notices, pages};

/// A file in packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Where it is installed, without the first slash.
    pub place: String,
    pub source: PathBuf,
    pub executable: bool,
    /// Upgrades keep what was changed in it.
    pub configuration: bool,
    /// The kinds of packages that have it.
    pub formats: &'static [Format],
}

/// Where memtrace looks for its helper, if it isn't beside it.
pub const HELPER: &str = "usr/libexec/memtrace/memtrace-libvirt";
const ALL: &[Format] = &super::ALL;
const INSTALLED: &[Format] = &[Format::Deb, Format::Rpm];
const DEB: &[Format] = &[Format::Deb];
const NO_DEB: &[Format] = &[Format::Rpm, Format::Tar];

/// Files of the repository that are installed as they are.
const FILES: &[(&str, &str, &[Format])] = &[
    ("config/memtrace.toml", "etc/memtrace/memtrace.toml", INSTALLED),
    ("config/memtrace.toml", "usr/share/doc/memtrace/examples/memtrace.toml", ALL),
    ("packaging/systemd/memtrace.service", "usr/lib/systemd/system/memtrace.service", ALL),
    ("packaging/systemd/memtrace.slice", "usr/lib/systemd/system/memtrace.slice", ALL),
    (
        "packaging/systemd/memtrace-exporter.service",
        "usr/lib/systemd/system/memtrace-exporter.service",
        ALL,
    ),
    (
        "packaging/systemd/memtrace-record.service",
        "usr/lib/systemd/system/memtrace-record.service",
        ALL,
    ),
    ("packaging/sysusers.d/memtrace.conf", "usr/lib/sysusers.d/memtrace.conf", ALL),
    ("packaging/tmpfiles.d/memtrace.conf", "usr/lib/tmpfiles.d/memtrace.conf", ALL),
    ("packaging/grafana/memtrace.json", "usr/share/memtrace/grafana/memtrace.json", ALL),
    (
        "packaging/prometheus/memtrace.rules.yml",
        "usr/share/memtrace/prometheus/memtrace.rules.yml",
        ALL,
    ),
    ("packaging/zabbix/memtrace.conf", "usr/share/memtrace/zabbix/memtrace.conf", ALL),
    ("packaging/zabbix/memtrace-http.yaml", "usr/share/memtrace/zabbix/memtrace-http.yaml", ALL),
    ("packaging/zabbix/memtrace.yaml", "usr/share/memtrace/zabbix/memtrace.yaml", ALL),
    ("packaging/still-taken", "usr/share/memtrace/still-taken", ALL),
    ("README.md", "usr/share/doc/memtrace/README.md", ALL),
    ("SECURITY.md", "usr/share/doc/memtrace/SECURITY.md", ALL),
    ("packaging/debian/lintian-overrides", "usr/share/lintian/overrides/memtrace", DEB),
    ("LICENSE-APACHE", "usr/share/licenses/memtrace/LICENSE-APACHE", NO_DEB),
    ("LICENSE-MIT", "usr/share/licenses/memtrace/LICENSE-MIT", NO_DEB),
];

/// Lays everything below `root`, whose former content goes.
///
/// # Errors
/// When a file is missing, the program doesn't run here, or the disk fails.
pub fn stage(built: &Built, date: &str, root: &Path) -> Result<Vec<Asset>> {
    if root.exists() {
        fs::remove_dir_all(root).with_context(|| format!("empty {}", root.display()))?;
    }
    let mut stage = Stage { root: root.to_owned(), assets: Vec::new() };
    let program = &built.memtrace.program;
    stage.add(program, "usr/bin/memtrace", ALL)?;
    stage.add(&built.helper.program, HELPER, ALL)?;
    let workspace = paths::workspace();
    for (source, place, formats) in FILES {
        stage.add(&workspace.join(source), place, formats)?;
    }
    for page in documents(&workspace.join("docs"))? {
        // Where the README's links lead.
        stage.add(&page, &format!("usr/share/doc/memtrace/docs/{}", file_name(&page)?), ALL)?;
    }
    let made = tempfile::tempdir().context("a folder for pages")?;
    let configuration = workspace.join("config/memtrace.toml");
    for page in pages::manual(program, &configuration, date, made.path())? {
        let name = file_name(&page)?;
        let section = name.rsplit('.').next().unwrap_or_default();
        stage.add_packed(&page, &format!("usr/share/man/man{section}/{name}.gz"), ALL)?;
    }
    for script in pages::completions(program, made.path())? {
        let name = file_name(&script)?;
        for (folder, formats) in completions(&name) {
            stage.add(&script, &format!("{folder}/{name}"), formats)?;
        }
    }
    let packages = notices::packages()?;
    for (name, text, formats) in [
        ("THIRD-PARTY", notices::text(&packages)?, ALL),
        ("memtrace.cdx.json", notices::bill(&packages)?, ALL),
        // Of the project; the packages' own is Debian's affair.
        ("changelog", fs::read_to_string(workspace.join("CHANGELOG.md"))?, ALL),
    ] {
        let path = made.path().join(name);
        fs::write(&path, text)?;
        stage.add_packed(&path, &format!("usr/share/doc/memtrace/{name}.gz"), formats)?;
    }
    stage.assets.sort_by(|a, b| a.place.cmp(&b.place));
    Ok(stage.assets)
}

/// The pages of the book and their pictures, without the decisions, which are for developers.
fn documents(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "md" || kind == "svg") {
            pages.push(path);
        }
    }
    pages.sort();
    ensure!(!pages.is_empty(), "no page in {}", folder.display());
    Ok(pages)
}

/// Where shells look for completions: zsh of Debian in a place of its own.
fn completions(name: &str) -> &'static [(&'static str, &'static [Format])] {
    match name {
        "memtrace" => &[("usr/share/bash-completion/completions", ALL)],
        "_memtrace" => {
            &[("usr/share/zsh/vendor-completions", DEB), ("usr/share/zsh/site-functions", NO_DEB)]
        }
        _ => &[("usr/share/fish/vendor_completions.d", ALL)],
    }
}

fn file_name(path: &Path) -> Result<String> {
    Ok(path.file_name().context("a file without a name")?.to_string_lossy().into_owned())
}

/// The root, and what lies below it.
struct Stage {
    root: PathBuf,
    assets: Vec<Asset>,
}

impl Stage {
    fn add(&mut self, source: &Path, place: &str, formats: &'static [Format]) -> Result<PathBuf> {
        let path = self.root.join(place);
        fs::create_dir_all(path.parent().context("a place without a folder")?)?;
        // Copies the permissions too.
        fs::copy(source, &path).with_context(|| format!("copy {}", source.display()))?;
        self.assets.push(Asset {
            place: place.to_owned(),
            source: path.clone(),
            executable: is_executable(&path)?,
            configuration: place.starts_with("etc/"),
            formats,
        });
        Ok(path)
    }

    /// The same, packed: `place` ends with `.gz`.
    fn add_packed(&mut self, source: &Path, place: &str, formats: &'static [Format]) -> Result<()> {
        // Without name and time, so that the same source is the same file.
        let status = Command::new("gzip").args(["-9", "-n", "-k", "-f"]).arg(source).status();
        ensure!(status.context("run gzip")?.success(), "gzip {} failed", source.display());
        let mut packed = source.as_os_str().to_owned();
        packed.push(".gz");
        self.add(Path::new(&packed), place, formats).map(|_| ())
    }
}

fn is_executable(path: &Path) -> Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::metadata(path)?.permissions().mode() & 0o100 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the script says beside a memtrace that says `text` and ends with `code`.
    fn still_taken(text: &str, code: u8) -> String {
        let folder = tempfile::tempdir().expect("there is room");
        let memtrace = folder.path().join("memtrace");
        let script = fs::read_to_string(paths::workspace().join("packaging/still-taken"));
        let script = script.expect("there is one");
        fs::write(&memtrace, format!("echo '{text}' >&2\nexit {code}\n")).expect("it is written");
        let program = format!("sh {}", memtrace.display());
        let script = script.replace("/usr/bin/memtrace", &program);
        let output = Command::new("sh").args(["-c", &script]).output().expect("there is a shell");
        assert!(output.status.success(), "removal goes on: {output:?}");
        String::from_utf8(output.stdout).expect("it is text")
    }

    #[test]
    fn removal_says_what_is_taken_or_that_it_is_not_known() {
        assert_eq!(still_taken("memtrace: no journal", 1), "", "memtrace never ran");
        assert_eq!(still_taken("host state: calm", 0), "");
        let taken = still_taken("memory is taken from web: 1 GiB", 0);
        assert!(taken.ends_with("\nmemory is taken from web: 1 GiB\n"), "{taken}");
        let unknown = still_taken("/etc/memtrace/memtrace.toml:1:8: mode: bad", 78);
        assert!(unknown.contains("known") && unknown.ends_with("1:8: mode: bad\n"), "{unknown}");
    }

    #[test]
    fn the_readmes_pages_are_installed_where_its_links_lead() {
        let workspace = paths::workspace();
        let pages = documents(&workspace.join("docs")).expect("there is a book");
        let readme = fs::read_to_string(workspace.join("README.md")).expect("there is one");
        let links =
            readme.split("](docs/").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let links: Vec<&str> = links.filter(|link| !link.starts_with("decisions/")).collect();
        assert!(links.len() > 10, "{links:?}");
        for link in links {
            assert!(pages.iter().any(|page| page.ends_with(link)), "{link}");
        }
    }
}
