//! The binary: parses the command line, starts the messages, dispatches, and turns the
//! result into an exit code.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use memtrace::cli::{Arguments, Command, TopArguments, Verbosity};
use memtrace::{doctor, documents, exit, logging, output, top};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let command = arguments.command.unwrap_or_else(|| Command::Top(TopArguments::default()));
    let draws = matches!(&command, Command::Top(arguments) if top::draws(arguments));
    logging::start(arguments.verbosity, draws);
    run(command, arguments.verbosity).unwrap_or_else(|error| {
        let (code, text) = exit::of_error(&error);
        // There is nobody left to tell when this fails.
        let _ = std::io::stderr().write_all(text.unwrap_or_default().as_bytes());
        code
    })
}

fn run(command: Command, verbosity: Verbosity) -> Result<ExitCode> {
    match command {
        Command::Top(arguments) => top::run(&arguments, verbosity)?,
        Command::Doctor(arguments) => {
            return Ok(ExitCode::from(doctor::run(arguments, verbosity)? as u8));
        }
        Command::Man { command } => output::print(&documents::manual(command.as_deref())?)?,
        Command::Completions { shell } => output::print(&documents::completions(shell)?)?,
    }
    Ok(ExitCode::SUCCESS)
}
