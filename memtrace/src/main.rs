//! The binary: parses the command line, starts the messages, dispatches, and turns the
//! result into an exit code.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use memtrace::cli::{Arguments, Command, TopArguments, Verbosity};
use memtrace::selftest::guest::GuestArguments;
use memtrace::{
    advise, check, config, doctor, documents, exit, export, exporting, fleet, logging, metrics,
    mitigate, output, recording, report, selftest, simulate, top, zabbix,
};

fn main() -> ExitCode {
    if let Some(guest) = GuestArguments::of_this_process() {
        return ended(guest.run().map(|()| ExitCode::SUCCESS));
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return misused(&error),
    };
    let command = arguments.command.unwrap_or_else(|| Command::Top(TopArguments::default()));
    let draws = match &command {
        Command::Top(arguments) => top::draws(arguments),
        Command::Fleet(arguments) => fleet::draws(arguments),
        _ => false,
    };
    logging::start(arguments.verbosity, draws);
    ended(run(command, arguments.verbosity))
}

/// Help and version are no mistakes.
fn misused(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && check::is_meant(std::env::args_os().skip(1)) {
        let (code, text) = check::misused();
        // There is nobody left to tell when these fail.
        let _ = error.print();
        let _ = output::print(&text);
        return code;
    }
    error.exit()
}

fn ended(result: Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        let (code, text) = exit::of_error(&error);
        // There is nobody left to tell when this fails.
        let _ = std::io::stderr().write_all(text.unwrap_or_default().as_bytes());
        code
    })
}

fn run(command: Command, verbosity: Verbosity) -> Result<ExitCode> {
    match command {
        Command::Top(arguments) => top::run(&arguments, verbosity)?,
        Command::Mitigate(arguments) => mitigate::run(&arguments, verbosity)?,
        Command::Explain(arguments) => mitigate::explain::run(&arguments, verbosity)?,
        Command::Record(arguments) => recording::run(&arguments, verbosity)?,
        Command::Export(arguments) => exporting::run(&arguments)?,
        Command::Report(arguments) => report::run(&arguments)?,
        Command::Advise(arguments) => advise::run(&arguments)?,
        Command::Check(arguments) => return check::run(&arguments, verbosity),
        Command::Metrics(arguments) => metrics::run(&arguments, verbosity)?,
        Command::Stream(arguments) if arguments.describe => {
            output::print(&export::stream::page::page())?;
        }
        Command::Zabbix(arguments) => return zabbix::run(&arguments, verbosity),
        Command::Fleet(arguments) => fleet::run(&arguments)?,
        Command::Stream(arguments) => top::run(&arguments.into(), verbosity)?,
        Command::Doctor(arguments) => {
            return Ok(ExitCode::from(doctor::run(&arguments, verbosity)?));
        }
        Command::Selftest(arguments) => return selftest::run(arguments, verbosity),
        Command::Simulate(arguments) => return simulate::simulate(&arguments),
        Command::CheckConfig(arguments) => {
            let good = config::run_check(&arguments.file)?;
            return Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) });
        }
        Command::Man { command } => output::print(&documents::manual(command.as_deref())?)?,
        Command::Completions { shell } => output::print(&documents::completions(shell)?)?,
    }
    Ok(ExitCode::SUCCESS)
}
