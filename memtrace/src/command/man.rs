//! Man pages and completion scripts, generated from the command line's definition.

use std::{env, io};

use anyhow::{Context, Error, Result, bail};
use clap::{Arg, Command};
use clap_complete::Shell;
use jiff::{Timestamp, Zoned};

use super::line;
use crate::sys::exit::Misused;

/// Of programs for those who run a host (man-pages(7)).
const SECTION: &str = "8";

/// The man page of memtrace, or of the command with these words, as roff.
///
/// # Errors
/// [`Misused`] when there is no such command; it lists the valid ones. If the page is not UTF-8,
/// which isn't expected.
pub fn manual(words: &[String]) -> Result<String> {
    let command = named(words)?;
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_uppercase();
    let page = clap_mangen::Man::new(command.clone())
        .title(name)
        .section(SECTION)
        .date(date(env::var("SOURCE_DATE_EPOCH").ok().as_deref()))
        // The version is that of memtrace, which commands don't have.
        .source(format!("memtrace {}", env!("CARGO_PKG_VERSION")))
        .manual("memtrace");
    let mut text = rendered(|to| page.render_title(to))?;
    // Each part that is rendered alone begins with the same definitions.
    let head = text.split(".TH ").next().unwrap_or_default().to_owned();
    let part = |render: &dyn Fn(&mut Vec<u8>) -> io::Result<()>| {
        let part = rendered(render)?;
        Ok::<_, Error>(part.strip_prefix(&head).map(str::to_owned).unwrap_or(part))
    };
    text += &part(&|to| page.render_name_section(to))?;
    text += &synopsis(&command);
    text += &part(&|to| page.render_description_section(to))?;
    text += &part(&|to| page.render_options_section(to))?;
    if command.get_subcommands().any(|one| !one.is_hide_set()) {
        text += &part(&|to| page.render_subcommands_section(to))?;
    }
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    text += &sections(&after);
    if words.is_empty() {
        text += FILES;
    }
    Ok(text)
}

fn rendered(render: impl Fn(&mut Vec<u8>) -> io::Result<()>) -> Result<String> {
    let mut roff = Vec::new();
    render(&mut roff).context("cannot write the man page")?;
    String::from_utf8(roff).context("the man page is not UTF-8")
}

const FILES: &str = "\
.SH FILES
.TP
/etc/memtrace/memtrace.toml, /etc/memtrace/memtrace.d/*.toml
Configuration; \\fBmemtrace config show \\-\\-default\\fR prints every key.
.TP
/var/lib/memtrace
Journal of \\fBmemtrace mitigate\\fR.
.TP
/var/lib/memtrace/recordings
Recordings.
";

/// Of the page: of the sources where a build says so (reproducible-builds.org), else today.
fn date(epoch: Option<&str>) -> String {
    let of_build = epoch.and_then(|text| Timestamp::from_second(text.parse().ok()?).ok());
    of_build.unwrap_or_else(|| Zoned::now().timestamp()).strftime("%Y-%m-%d").to_string()
}

/// The command with these words; memtrace itself without any.
fn named(words: &[String]) -> Result<Command> {
    let mut memtrace = line::command();
    memtrace.build();
    let mut command = &memtrace;
    for word in words {
        let Some(found) = command.find_subcommand(word) else {
            let shown = command.get_subcommands().filter(|one| !one.is_hide_set());
            let names: Vec<_> = shown.map(Command::get_name).collect();
            if names.is_empty() {
                bail!(Misused(format!("{} has no commands", command.get_name())));
            }
            bail!(Misused(format!("no command {word:?}; commands: {}", names.join(", "))));
        };
        command = found;
    }
    Ok(command.clone())
}

/// With the value of each option.
fn synopsis(command: &Command) -> String {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut text = format!(".SH SYNOPSIS\n\\fB{}\\fR", escaped(name));
    let shown = |arg: &&Arg| !arg.is_hide_set();
    for option in command.get_opts().filter(shown).chain(flags(command)) {
        let name = option.get_long().map(|long| format!("--{long}"));
        let name = name.or_else(|| option.get_short().map(|short| format!("-{short}")));
        let name = format!("\\fB{}\\fR", escaped(&name.unwrap_or_default()));
        let whole = [vec![name], values(option)].concat().join(" ");
        text += &format!("\n{}", bracketed(&whole, option.is_required_set()));
    }
    for positional in command.get_positionals().filter(shown) {
        let whole = values(positional).join(" ");
        text += &format!("\n{}", bracketed(&whole, positional.is_required_set()));
    }
    if command.get_subcommands().any(|one| !one.is_hide_set()) {
        text +=
            &format!("\n{}", bracketed("\\fICOMMAND\\fR", command.is_subcommand_required_set()));
    }
    text + "\n"
}

fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    let flag =
        |arg: &&Arg| !arg.get_action().takes_values() && !arg.is_positional() && !arg.is_hide_set();
    command.get_arguments().filter(flag)
}

fn values(arg: &Arg) -> Vec<String> {
    if !arg.get_action().takes_values() {
        return Vec::new();
    }
    let names = arg.get_value_names().unwrap_or_default().iter();
    names.map(|name| format!("\\fI{}\\fR", escaped(name))).collect()
}

fn bracketed(text: &str, required: bool) -> String {
    if required { text.to_owned() } else { format!("[{text}]") }
}

/// The text after a help, each part that has a title as a section; tables keep their lines.
fn sections(text: &str) -> String {
    let mut roff = String::new();
    let mut is_open = false;
    for line in text.lines() {
        let title = TITLES.iter().find(|title| line.starts_with(**title) && line.ends_with(':'));
        if let Some(title) = title {
            roff +=
                &format!("{}.SH {}\n", if is_open { ".fi\n" } else { "" }, title.to_uppercase());
            // What a title goes on to say.
            let more = line.get(title.len()..).unwrap_or_default().trim_matches([' ', ':']);
            if !more.is_empty() {
                roff += &format!("{}\n", escaped(more));
            }
        } else if !is_open {
            roff += ".SH NOTES\n";
        }
        if title.is_some() || !is_open {
            roff += ".nf\n";
            is_open = true;
        }
        if title.is_none() {
            roff += &format!("{}\n", escaped(line));
        }
    }
    if is_open { roff + ".fi\n" } else { roff }
}

/// Titles of parts of a help that are sections of a man page.
const TITLES: [&str; 2] = ["Exit status", "Examples"];

/// Text without requests and escapes of roff.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    match text.chars().next() {
        Some('.' | '\'') => format!("\\&{text}"),
        _ => text,
    }
}

/// The completion script for a shell.
///
/// # Errors
/// If the script is not UTF-8, which isn't expected.
pub fn completions(shell: Shell) -> Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut line::command(), "memtrace", &mut script);
    String::from_utf8(script).context("the completion script is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(words: &str) -> String {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        manual(&words).expect("there is a page")
    }

    #[test]
    fn every_command_has_a_manual_page_that_names_its_options() {
        let top = page("top");
        assert!(top.contains(".TH MEMTRACE-TOP 8 "), "{top}");
        for option in ["interval", "sort", "filter", "once"] {
            assert!(top.contains(&format!("\\-\\-{option}")), "{option} is not in {top}");
        }
        for command in line::command().get_subcommands() {
            let title = format!(".TH MEMTRACE-{} 8", command.get_name().to_uppercase());
            assert!(page(command.get_name()).contains(&title), "{title}");
        }
        let whole = page("");
        for section in ["EXIT STATUS", "FILES", "SUBCOMMANDS"] {
            assert!(whole.contains(&format!("\n.SH {section}\n")), "{section}: {whole}");
        }
        assert!(whole.contains("78   invalid configuration"), "{whole}");
    }

    #[test]
    fn a_page_has_its_date_and_version_and_values_of_options() {
        let get = page("zabbix get");
        let title = get.lines().find(|line| line.starts_with(".TH")).expect("it has a title");
        assert!(title.starts_with(".TH MEMTRACE-ZABBIX-GET 8 20"), "{title}");
        let version = format!("\"memtrace {}\" memtrace", env!("CARGO_PKG_VERSION"));
        assert!(title.ends_with(&version), "{title}");
        let synopsis = "\\fBmemtrace zabbix get\\fR\n[\\fB\\-\\-source\\fR \\fIPLACE\\fR]\n";
        assert!(get.contains(synopsis), "{get}");
        assert!(get.contains("\n\\fIKEY\\fR\n[\\fIVM\\fR]\n"), "{get}");
        assert!(get.contains("\n[\\fB\\-\\-no\\-libvirt\\fR]\n"), "a flag has no value: {get}");
        assert_eq!(get.matches(".ds Aq").count(), 2, "the definitions are there once: {get}");
        assert_eq!(date(Some("1700000000")), "2023-11-14");
        assert!(date(Some("soon")).starts_with("20"));
    }

    #[test]
    fn a_command_that_does_not_exist_is_answered_with_those_that_do() {
        let error = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            manual(&words).expect_err("there is none").to_string()
        };
        let all = "top, mitigate, explain, record, export, report, advise, check, metrics, exporter, \
                   zabbix, fleet, stream, status, doctor, selftest, simulate, config, man, completions";
        assert!(error(&["nonsense"]).contains(all), "{}", error(&["nonsense"]));
        assert!(error(&["zabbix", "put"]).contains("commands: discover, get"));
        assert_eq!(error(&["top", "get"]), "top has no commands");
    }

    #[test]
    fn completions_know_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = completions(shell).expect("there is a script");
            assert!(script.contains("doctor"), "{shell}");
        }
    }
}
