//! Man pages and completions, as memtrace itself prints them, and the page of its configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Shells, and what their completion scripts are called.
pub const SHELLS: [(&str, &str); 3] =
    [("bash", "memtrace"), ("zsh", "_memtrace"), ("fish", "memtrace.fish")];

const CONFIGURATION: &str = "memtrace.toml.5";

/// What precedes the configuration in its page.
const HEAD: &str = "\
.SH NAME
memtrace.toml \\- configuration of memtrace
.SH SYNOPSIS
/etc/memtrace/memtrace.toml
.br
/etc/memtrace/memtrace.d/*.toml
.SH DESCRIPTION
Settings of
.BR memtrace (8),
all optional. What follows is the shipped file: each key, with its default where it has one.
.SH KEYS
.nf
";
/// What follows it.
const FOOT: &str = "\
.fi
.SH FILES
.TP
/etc/memtrace/memtrace.toml
The configuration; without it the defaults apply.
.TP
/etc/memtrace/memtrace.d/*.toml
Read after it in the order of their names; the later file wins, key by key.
.TP
/var/lib/memtrace
The journal, and recordings.
.SH SEE ALSO
.BR memtrace (8),
.BR memtrace\\-mitigate (8)
";

/// Writes all man pages into a folder: of memtrace, its commands and its configuration. `date` is
/// theirs, in seconds since 1970.
///
/// # Errors
/// When memtrace can't be run, or the disk fails.
pub fn manual(
    program: &Path,
    configuration: &Path,
    date: &str,
    folder: &Path,
) -> Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    let mut open = vec![Vec::new()];
    while let Some(words) = open.pop() {
        let mut arguments = vec!["man"];
        arguments.extend(words.iter().map(String::as_str));
        let page = match print(program, &arguments, date) {
            // Parts of a command need no page of their own.
            Err(_) if words.len() > 1 => continue,
            page => page?,
        };
        for command in commands(&page, &words) {
            open.push([words.clone(), vec![command]].concat());
        }
        let path = folder.join(name(&page).context("a man page without a title")?);
        fs::write(&path, page)?;
        pages.push(path);
    }
    ensure!(pages.len() > 1, "memtrace's man page names no command");
    let text = fs::read_to_string(configuration)
        .with_context(|| format!("read {}", configuration.display()))?;
    let path = folder.join(CONFIGURATION);
    fs::write(&path, page(&text))?;
    pages.push(path);
    Ok(pages)
}

/// Writes completion scripts into a folder.
///
/// # Errors
/// When memtrace can't be run, or the disk fails.
pub fn completions(program: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut scripts = Vec::new();
    for (shell, name) in SHELLS {
        let path = folder.join(name);
        fs::write(&path, print(program, &["completions", shell], "0")?)?;
        scripts.push(path);
    }
    Ok(scripts)
}

/// What a page is called, by its title: `.TH MEMTRACE-TOP 8` is of `memtrace-top.8`.
fn name(page: &str) -> Option<String> {
    let title = page.lines().find_map(|line| line.strip_prefix(".TH "))?;
    let mut words = title.split_whitespace().map(|word| word.trim_matches('"'));
    let name = words.next()?.replace('\\', "").to_lowercase();
    Some(format!("{name}.{}", words.next()?))
}

/// Commands that the page of the command with these words refers to: `memtrace\-top(8)`.
fn commands(page: &str, words: &[String]) -> Vec<String> {
    let prefix = format!("memtrace-{}", words.iter().fold(String::new(), |all, w| all + w + "-"));
    let listed = page.lines().filter(|line| line.starts_with("memtrace\\-"));
    let names = listed.filter_map(|line| line.split_once('(').map(|(name, _)| name));
    let names = names.map(|name| name.replace('\\', ""));
    let names = names.filter_map(|name| name.strip_prefix(&prefix).map(str::to_owned));
    // `help COMMAND` shows the same pages.
    names.filter(|name| name != "help").collect()
}

/// The page of the configuration, which is shown as it is.
fn page(configuration: &str) -> String {
    let mut text = format!(".TH MEMTRACE.TOML 5 \"\" \"memtrace {}\"\n{HEAD}", super::VERSION);
    for line in configuration.lines() {
        // A dot or an apostrophe begins a request of roff's.
        if line.starts_with(['.', '\'']) {
            text.push_str("\\&");
        }
        text.push_str(&line.replace('\\', "\\e").replace('-', "\\-"));
        text.push('\n');
    }
    text + FOOT
}

fn print(program: &Path, arguments: &[&str], date: &str) -> Result<String> {
    let output = Command::new(program).args(arguments).env("SOURCE_DATE_EPOCH", date).output();
    let output = output.with_context(|| format!("run {}", program.display()))?;
    ensure!(output.status.success(), "memtrace {} failed", arguments.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_called_after_its_title() {
        let page = ".ie \\n(.g .ds Aq \\(aq\n.TH MEMTRACE-TOP 8  \"memtrace 0.1.0\"\n.SH NAME\n";
        assert_eq!(name(page).as_deref(), Some("memtrace-top.8"));
        assert_eq!(name(".TH memtrace\\-top \"8\"\n").as_deref(), Some("memtrace-top.8"));
        assert_eq!(name(".SH NAME\n"), None);
    }

    #[test]
    fn commands_are_those_that_the_page_lists() {
        let page = "memtrace \\- pressure\n.TP\nmemtrace\\-top(1)\nLive view\n.TP\n\
                    memtrace\\-check\\-config(8)\n";
        assert_eq!(commands(page, &[]), ["top", "check-config"]);
        let page = "memtrace\\-zabbix\\-get(8)\nOne value\n";
        assert_eq!(commands(page, &["zabbix".to_owned()]), ["get"]);
        assert!(commands("memtrace\\-top(8)\n", &["zabbix".to_owned()]).is_empty());
    }

    #[test]
    fn lines_of_the_configuration_are_no_requests() {
        let page = page("# a-b\n.so x\n'y = \"\\n\"\n");
        assert!(page.contains("\n# a\\-b\n\\&.so x\n\\&'y = \"\\en\"\n.fi\n"), "{page}");
        assert_eq!(name(&page).as_deref(), Some(CONFIGURATION));
    }
}
