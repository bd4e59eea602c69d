//! Man pages and completion scripts, generated from the command line's definition.

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::command::Arguments;

/// The man page of memtrace, or of one of its commands, as roff.
///
/// # Errors
/// If the page is not UTF-8, which isn't expected.
pub fn manual(command: Option<Command>) -> Result<String> {
    let page = command.unwrap_or_else(built);
    let name = page.get_display_name().unwrap_or_else(|| page.get_name()).to_uppercase();
    let mut roff = Vec::new();
    // The version is that of memtrace, which commands don't have.
    let source = format!("memtrace {}", env!("CARGO_PKG_VERSION"));
    let page = clap_mangen::Man::new(page).title(name).source(source);
    page.render(&mut roff).context("cannot write the man page")?;
    String::from_utf8(roff).context("the man page is not UTF-8")
}

/// Parses the name of a command.
///
/// # Errors
/// The message for clap, when there is none; it lists the valid ones.
pub fn named(name: &str) -> Result<Box<Command>, String> {
    let memtrace = built();
    memtrace.find_subcommand(name).cloned().map(Box::new).ok_or_else(|| {
        let shown = memtrace.get_subcommands().filter(|command| !command.is_hide_set());
        let names: Vec<_> = shown.map(Command::get_name).collect();
        format!("commands: {}", names.join(", "))
    })
}

/// With what clap derives for each command, such as its full name.
fn built() -> Command {
    let mut memtrace = Arguments::command();
    memtrace.build();
    memtrace
}

/// The completion script for a shell.
///
/// # Errors
/// If the script is not UTF-8, which isn't expected.
pub fn completions(shell: Shell) -> Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "memtrace", &mut script);
    String::from_utf8(script).context("the completion script is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_manual_page_that_names_its_options() {
        let of =
            |name: &str| manual(named(name).ok().map(|command| *command)).expect("there is a page");
        let page = of("top");
        assert!(page.contains(".TH MEMTRACE-TOP 1"), "{page}");
        for option in ["interval", "sort", "filter", "once"] {
            assert!(page.contains(&format!("\\-\\-{option}")), "{option} is not in {page}");
        }
        for command in Arguments::command().get_subcommands() {
            let title = format!(".TH MEMTRACE-{} 1", command.get_name().to_uppercase());
            assert!(of(command.get_name()).contains(&title), "{title}");
        }
        assert!(manual(None).expect("there is a page").contains("EXTRA"));
    }

    #[test]
    fn a_command_that_does_not_exist_is_answered_with_those_that_do() {
        let error = named("nonsense").expect_err("there is none");
        let all = "top, mitigate, explain, record, export, report, advise, check, metrics, zabbix, \
                   fleet, stream, doctor, selftest, simulate, config, man, completions";
        assert!(error.contains(all), "{error}");
    }

    #[test]
    fn completions_know_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = completions(shell).expect("there is a script");
            assert!(script.contains("doctor"), "{shell}");
        }
    }
}
