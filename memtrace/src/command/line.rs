//! The command line as it is shown: commands in groups, options under headings, and the forms of
//! values, told in the same words everywhere.

use std::ffi::OsString;
use std::fmt::Write;

use clap::{Arg, Command, CommandFactory, FromArgMatches};

use super::Arguments;

/// The commands by what they are for.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Look", &["top", "doctor", "selftest", "explain", "status"]),
    ("Act", &["mitigate"]),
    ("History", &["record", "report", "export", "advise", "simulate"]),
    ("Integrate", &["metrics", "exporter", "check", "zabbix", "stream", "fleet"]),
    ("Miscellaneous", &["config", "man", "completions", "help"]),
];

/// Forms of values, by the name that a help has for them.
const FORMS: [(&str, &str); 2] = [
    ("DURATION", "500ms, 5s, 3min, 1h30min, 7d, or a number of seconds"),
    ("SIZE", "512M, 1.5G, 16GiB; M, MB and MiB are the same, powers of 1024"),
];

/// Headings of options, and which are under them. Others come first.
const HEADINGS: [(&str, &[&str]); 2] = [
    (
        "Output",
        &["once", "json", "plain", "count", "color", "format", "textfile", "describe", "output"],
    ),
    (
        "Sources",
        &[
            "config",
            "state_dir",
            "no_libvirt",
            "attach",
            "always",
            "samples",
            "source",
            "replay",
            "from",
            "recording",
            "dir",
            "prometheus",
            "host",
        ],
    ),
];

/// A command with fewer options of its own has them in one list.
const MANY: usize = 6;

/// The definition with what is shown of it.
pub fn command() -> Command {
    let memtrace = Arguments::command();
    let names: Vec<String> =
        memtrace.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let memtrace =
        names.iter().fold(memtrace, |memtrace, name| memtrace.mut_subcommand(name, dressed));
    let template = template(&memtrace);
    memtrace.mut_args(last_in_help).help_template(template)
}

/// What was typed.
///
/// # Errors
/// When that is no command line of memtrace; also a help or version that was asked for.
pub fn parse(typed: impl IntoIterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(typed)?;
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// With headings and the forms of values, and its own commands likewise.
fn dressed(command: Command) -> Command {
    let names: Vec<String> =
        command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let command = names.iter().fold(command, |command, name| command.mut_subcommand(name, dressed));
    let command = with_forms(command);
    let option = |arg: &&Arg| !arg.is_positional() && !arg.is_hide_set();
    let options = command.get_arguments().filter(option).count();
    if options < MANY { command } else { command.mut_args(under_heading) }
}

/// `-v` of all commands is no news.
fn last_in_help(arg: Arg) -> Arg {
    if arg.get_id() == "verbose" { arg.display_order(900) } else { arg }
}

fn under_heading(arg: Arg) -> Arg {
    let id = arg.get_id().as_str();
    let found = HEADINGS.iter().find(|(_, ids)| ids.contains(&id)).map(|(heading, _)| *heading);
    match found {
        Some(heading) if !arg.is_positional() => arg.help_heading(heading),
        _ => arg,
    }
}

/// Tells at the end of the help what a DURATION and a SIZE are, where options have them.
fn with_forms(command: Command) -> Command {
    let named = |form: &str| {
        let names = command.get_arguments().filter(|arg| !arg.is_hide_set());
        names.filter_map(Arg::get_value_names).flatten().any(|name| name.as_str() == form)
    };
    let forms: Vec<String> = FORMS
        .iter()
        .filter(|(name, _)| named(name))
        .map(|(name, form)| format!("{name}: {form}."))
        .collect();
    if forms.is_empty() {
        return command;
    }
    let before = command.get_after_help().map(|text| format!("\n\n{text}")).unwrap_or_default();
    command.after_help(format!("{}{before}", forms.join("\n")))
}

/// The help of memtrace itself: clap has one list of commands only.
fn template(memtrace: &Command) -> String {
    let header = *memtrace.get_styles().get_header();
    let literal = *memtrace.get_styles().get_literal();
    let mut text = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    for (group, names) in GROUPS {
        // Writing to a string doesn't fail.
        let _ = writeln!(text, "\n{header}{group}:{header:#}");
        for name in names {
            let about = memtrace.find_subcommand(name).and_then(Command::get_about);
            let about = about.map_or_else(|| HELP.to_owned(), ToString::to_string);
            let _ = writeln!(text, "  {literal}{name:<11}{literal:#}  {about}");
        }
    }
    let _ = write!(text, "\n{header}Options:{header:#}\n{{options}}{{after-help}}");
    text
}

/// Of the command that clap adds.
const HELP: &str = "Print the help of a command: memtrace help zabbix get";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let command = command();
        let shown = command.get_subcommands().filter(|one| !one.is_hide_set());
        let mut names: Vec<&str> = shown.map(Command::get_name).chain(["help"]).collect();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        names.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(grouped, names);
    }

    #[test]
    fn the_forms_of_values_are_told_where_they_are_wanted() {
        let command = command();
        let after = |name: &str| {
            let found = command.find_subcommand(name).and_then(Command::get_after_help);
            found.map(ToString::to_string).unwrap_or_default()
        };
        assert!(after("top").starts_with("DURATION: 500ms, 5s, "), "{}", after("top"));
        assert!(after("record").contains("SIZE: 512M, ") && after("record").contains("DURATION: "));
        assert!(!after("simulate").contains("DURATION: "));
    }

    #[test]
    fn it_is_consistent_and_reads_what_the_definition_reads() {
        command().debug_assert();
        let typed = ["memtrace", "top", "--interval", "5"].map(OsString::from);
        let told = format!("{:?}", parse(typed).expect("it is accepted").command);
        assert!(told.contains("interval: 5s"), "{told}");
    }
}
