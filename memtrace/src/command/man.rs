//! Man pages and completion scripts, generated from the command line's definition.

use anyhow::{Context, Result, bail};
use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::command::Arguments;

/// The man page of memtrace, or of one of its commands, as roff.
///
/// # Errors
/// When the command is unknown; the message lists the valid ones.
pub fn manual(command: Option<&str>) -> Result<String> {
    let mut memtrace = Arguments::command();
    memtrace.build();
    let page = match command {
        None => memtrace,
        Some(name) => subcommand(&memtrace, name)?,
    };
    let mut roff = Vec::new();
    clap_mangen::Man::new(page).render(&mut roff).context("cannot write the man page")?;
    String::from_utf8(roff).context("the man page is not UTF-8")
}

fn subcommand(memtrace: &Command, name: &str) -> Result<Command> {
    let Some(found) = memtrace.find_subcommand(name) else {
        let names: Vec<_> = memtrace.get_subcommands().map(Command::get_name).collect();
        bail!("unknown command {name}; commands: {}", names.join(", "));
    };
    Ok(found.clone())
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
        let page = manual(Some("top")).expect("there is a page");
        for option in ["interval", "sort", "filter", "once"] {
            assert!(page.contains(&format!("\\-\\-{option}")), "{option} is not in {page}");
        }
        for command in Arguments::command().get_subcommands() {
            assert!(manual(Some(command.get_name())).is_ok(), "{}", command.get_name());
        }
        assert!(manual(None).expect("there is a page").contains("EXTRA"));
    }

    #[test]
    fn a_command_that_does_not_exist_is_answered_with_those_that_do() {
        let error = manual(Some("nonsense")).expect_err("there is none").to_string();
        let all = "top, mitigate, explain, record, export, report, advise, check, metrics, zabbix, \
                   fleet, stream, doctor, selftest, simulate, check-config, man, completions";
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
