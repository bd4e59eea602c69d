//! The binary: parses the command line, sets up logging, dispatches, and returns the exit code.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Result;

use memtrace::command::selftest::guest::GuestArguments;
use memtrace::command::top::args::TopArguments;
use memtrace::command::{Command, check, line};
use memtrace::sys::{exit, logging, output};

fn main() -> ExitCode {
    if let Some(guest) = GuestArguments::of_this_process() {
        return ended(guest.run().map(|()| ExitCode::SUCCESS));
    }
    let arguments = match line::parse(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => return misused(&error),
    };
    let command = arguments.command.unwrap_or_else(|| Command::Top(TopArguments::default()));
    logging::start(arguments.verbosity, command.draws());
    ended(command.run(arguments.verbosity))
}

/// Help and version are no errors.
fn misused(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && check::is_meant(std::env::args_os().skip(1)) {
        let (code, text) = check::misused();
        // Nothing can be done if these fail.
        let _ = error.print();
        let _ = output::print(&text);
        return code;
    }
    error.exit()
}

fn ended(result: Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        let (code, text) = exit::of_error(&error);
        logging::tell(tracing::Level::ERROR, &text.unwrap_or_default());
        code
    })
}
