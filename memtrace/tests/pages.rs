//! The pages for readers: links lead somewhere, the commands that they name are memtrace's, and
//! the README stays an overview. Needs no privileges.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use common::{run, text};

/// Most lines of the README.
const LONGEST: usize = 250;

/// The pages, by path.
fn pages() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is in the workspace");
    let folders = [root.to_owned(), root.join("docs"), root.join("docs/decisions")];
    let mut pages = BTreeMap::new();
    for folder in folders {
        for entry in fs::read_dir(folder).expect("the folder can be read") {
            let path = entry.expect("the entry can be read").path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(&path).expect("the page is text");
                pages.insert(path, text);
            }
        }
    }
    assert!(pages.len() > 50, "only {} pages were found", pages.len());
    pages
}

/// Lines outside of and inside blocks of code.
fn lines(page: &str, of_code: bool) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    page.lines().filter(move |line| {
        let fence = line.starts_with("```");
        fenced ^= fence;
        !fence && (fenced || line.starts_with("    ")) == of_code
    })
}

/// The targets of links, `[text](target)`.
fn targets(page: &str) -> Vec<&str> {
    let parts = lines(page, false).flat_map(|line| line.split("](").skip(1));
    parts.filter_map(|part| Some(part.split_once(')')?.0)).collect()
}

/// Anchors of headings, as GitHub makes them: lower case, spaces as `-`, no other marks.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = lines(page, false).filter_map(|line| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len()).then(|| title.trim())
    });
    let kept = |character: char| match character {
        ' ' => Some('-'),
        _ if character.is_alphanumeric() || "-_".contains(character) => Some(character),
        _ => None,
    };
    headings.map(|title| title.to_lowercase().chars().filter_map(kept).collect()).collect()
}

/// Why a link of a page leads nowhere.
fn broken(pages: &BTreeMap<PathBuf, String>, page: &Path, target: &str) -> Option<String> {
    if target.contains("://") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let folder = page.parent().expect("a page is in a folder");
    let path = if file.is_empty() { page.to_owned() } else { folder.join(file) };
    let Ok(path) = path.canonicalize() else { return Some("there is no such file".to_owned()) };
    let known = pages.get(&path).map(|page| anchors(page)).unwrap_or_default();
    (!anchor.is_empty() && !known.contains(anchor)).then(|| format!("no heading #{anchor}"))
}

#[test]
fn links_lead_to_files_and_headings() {
    let pages = pages();
    let mut wrong = Vec::new();
    for (path, page) in &pages {
        for target in targets(page) {
            if let Some(why) = broken(&pages, path, target) {
                wrong.push(format!("{}: {target}: {why}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_link_to_nowhere_is_found() {
    let pages = pages();
    let page = pages.keys().find(|path| path.ends_with("docs/usage.md")).expect("it is there");
    let why = |target| broken(&pages, page, target);
    assert_eq!(targets("see [a](b.md#c), [d](e)\n    [f](g)\n"), ["b.md#c", "e"]);
    assert_eq!((why("install.md"), why("#json"), why("https://a/b")), (None, None, None));
    assert_eq!(why("nowhere.md"), Some("there is no such file".to_owned()));
    assert_eq!(why("install.md#nowhere"), Some("no heading #nowhere".to_owned()));
}

/// The words of `memtrace ...` in a line of code, without comment and what it is piped into.
fn command(line: &str) -> Option<Vec<&str>> {
    let line = line.trim().trim_start_matches("$ ").trim_start_matches("sudo ");
    let words = line.split_whitespace().take_while(|word| !["#", "|", "&&", ">"].contains(word));
    let mut words = words.peekable();
    (words.next()? == "memtrace").then(|| words.collect())
}

/// What of a command memtrace doesn't have: the command itself, or one of its options.
fn missing(words: &[&str], helps: &mut BTreeMap<String, String>) -> Vec<String> {
    let name = words.iter().find(|word| !word.starts_with('-')).copied().unwrap_or("top");
    let name =
        if name == "help" || words.contains(&"--version") { return Vec::new() } else { name };
    let help = helps.entry(name.to_owned()).or_insert_with(|| {
        let output = run(&["help", name]);
        if output.status.success() { text(&output.stdout).to_owned() } else { String::new() }
    });
    if help.is_empty() {
        return vec![format!("no command {name}")];
    }
    let options = words.iter().filter_map(|word| word.strip_prefix("--"));
    let options = options.map(|option| option.split_once('=').map_or(option, |parts| parts.0));
    // Those of config's own commands are in their help, not in its.
    let options = options.filter(|_| name != "config");
    options
        .filter(|option| !help.contains(&format!("--{option}")))
        .map(|option| format!("{name} has no --{option}"))
        .collect()
}

#[test]
fn commands_of_the_pages_are_memtraces() {
    let (mut helps, mut wrong, mut looked) = (BTreeMap::new(), Vec::new(), 0);
    for (path, page) in pages() {
        // Of what was, and of crates.
        if path.ends_with("CHANGELOG.md") || path.ends_with("ARCHITECTURE.md") {
            continue;
        }
        for words in lines(&page, true).filter_map(command) {
            looked += 1;
            let missing = missing(&words, &mut helps);
            wrong.extend(missing.iter().map(|what| format!("{}: {what}", path.display())));
        }
    }
    assert!(looked > 80, "only {looked} commands were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_command_that_there_is_not_is_found() {
    let mut helps = BTreeMap::new();
    let mut told = |line| missing(&command(line).expect("it is one"), &mut helps);
    assert!(told("sudo memtrace top --once   # --nonsense").is_empty());
    assert_eq!(told("memtrace top --nonsense=1 | less --other"), ["top has no --nonsense"]);
    assert_eq!(told("memtrace nonsense"), ["no command nonsense"]);
    assert_eq!(command("printf memtrace"), None);
}

#[test]
fn the_readme_is_an_overview() {
    let pages = pages();
    let readme = pages
        .iter()
        .find(|(path, _)| path.ends_with("README.md") && !path.ends_with("decisions/README.md"));
    let lines = readme.expect("it is there").1.lines().count();
    assert!(lines <= LONGEST, "{lines} lines, at most {LONGEST}");
}
