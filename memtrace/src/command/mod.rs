//! The commands: what can be typed, and what each of them does.

pub mod advise;
pub mod check;
pub mod check_config;
pub mod doctor;
pub mod explain;
pub mod export;
pub mod fleet;
pub mod man;
pub mod metrics;
pub mod mitigate;
pub mod record;
pub mod report;
pub mod selftest;
pub mod simulate;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod top;
pub mod zabbix;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::cli::Verbosity;
use crate::sys::{exit, output};

const EXIT_STATUS: &str = "\
Exit status:
  0   all is well; also when the reader of a pipe goes away, and after Ctrl-C
  1   it failed; the reason is on standard error
  2   the command line is wrong
  77  a privilege is missing; standard error says which, and what to run
(`memtrace doctor`, `memtrace selftest` and `memtrace check` use 0 to 3 for what they found.)";

/// Who suffers memory pressure on this qemu/KVM host, who causes it, and whose pages
/// are taken. Without a command: the live view (`top`).
#[derive(Debug, Parser)]
#[command(name = "memtrace", version, max_term_width = 100, after_help = EXIT_STATUS)]
#[command(infer_subcommands = false, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(flatten)]
    pub verbosity: Verbosity,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The live view: a row for each VM, who suffers first
    Top(top::args::TopArguments),
    /// Keep this host out of memory pressure; only observes unless told to act
    #[command(after_help = mitigate::args::AFTER_HELP)]
    Mitigate(mitigate::args::MitigateArguments),
    /// Why memtrace would do something to a VM, or would not, with every number
    Explain(explain::args::ExplainArguments),
    /// Keep what is read of this host in files, to look at later
    #[command(after_help = record::args::AFTER_HELP)]
    Record(record::args::RecordArguments),
    /// Print a recording as rows, for other programs
    Export(export::args::ExportArguments),
    /// Make one page of a recording: who suffered, who caused it, when, and what was done
    #[command(after_help = report::args::AFTER_HELP)]
    Report(report::args::ReportArguments),
    /// Say from a recording how large VMs should be, and how many of them fit here
    #[command(after_help = advise::args::AFTER_HELP)]
    Advise(advise::args::AdviseArguments),
    /// One look for Nagios, Icinga and their like: is the host, or a VM, well?
    #[command(after_help = check::args::AFTER_HELP)]
    Check(check::args::CheckArguments),
    /// One look as metrics for Prometheus, printed or in a file for node_exporter
    #[command(after_help = metrics::args::AFTER_HELP)]
    Metrics(metrics::args::MetricsArguments),
    /// VMs and single values for Zabbix' agent
    #[command(after_help = zabbix::args::AFTER_HELP)]
    Zabbix(zabbix::args::ZabbixArguments),
    /// All hosts that a Prometheus knows: who needs a look, and where one more VM has room
    #[command(after_help = fleet::args::AFTER_HELP)]
    Fleet(fleet::args::FleetArguments),
    /// Print what is seen, a JSON document a line for each interval, for other programs
    #[command(after_help = stream::AFTER_HELP)]
    Stream(stream::StreamArguments),
    /// What this kernel and these permissions allow, and what is amiss here
    #[command(after_help = doctor::args::AFTER_HELP)]
    Doctor(doctor::args::DoctorArguments),
    /// Hold memtrace's numbers against the kernel's on this host, with a guest of its own
    #[command(after_help = selftest::args::AFTER_HELP)]
    Selftest(selftest::args::SelftestArguments),
    /// Try memtrace's policy, and those of others, on a simulated host
    #[command(after_help = simulate::args::AFTER_HELP)]
    Simulate(simulate::args::SimulateArguments),
    /// Say what is wrong with a configuration, or that nothing is
    #[command(after_help = check_config::AFTER_HELP)]
    CheckConfig(check_config::CheckConfigArguments),
    /// Print a manual page (roff), for example `memtrace man | man -l -`
    Man {
        /// Of this command instead of memtrace as a whole
        command: Option<String>,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell that will read it
        shell: Shell,
    },
}

impl Command {
    /// Whether it takes over the terminal, so that messages must go elsewhere.
    pub fn draws(&self) -> bool {
        match self {
            Self::Top(arguments) => top::draws(arguments),
            Self::Fleet(arguments) => fleet::draws(arguments),
            _ => false,
        }
    }

    /// Does it, and says how the process should end.
    ///
    /// # Errors
    /// Whatever kept it from being done.
    pub fn run(self, verbosity: Verbosity) -> Result<ExitCode> {
        match self {
            Self::Top(arguments) => top::run(&arguments, verbosity)?,
            Self::Mitigate(arguments) => mitigate::run(&arguments, verbosity)?,
            Self::Explain(arguments) => explain::run(&arguments, verbosity)?,
            Self::Record(arguments) => record::run(&arguments, verbosity)?,
            Self::Export(arguments) => export::run(&arguments)?,
            Self::Report(arguments) => report::run(&arguments)?,
            Self::Advise(arguments) => advise::run(&arguments)?,
            Self::Check(arguments) => return check::run(&arguments, verbosity),
            Self::Metrics(arguments) => metrics::run(&arguments, verbosity)?,
            Self::Zabbix(arguments) => return zabbix::run(&arguments, verbosity),
            Self::Fleet(arguments) => fleet::run(&arguments)?,
            Self::Stream(arguments) => stream::run(arguments, verbosity)?,
            Self::Doctor(arguments) => {
                return Ok(ExitCode::from(doctor::run(&arguments, verbosity)?));
            }
            Self::Selftest(arguments) => return selftest::run(arguments, verbosity),
            Self::Simulate(arguments) => return simulate::simulate(&arguments),
            Self::CheckConfig(arguments) => {
                let good = check_config::run(&arguments.file)?;
                return Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) });
            }
            Self::Man { command } => output::print(&man::manual(command.as_deref())?)?,
            Self::Completions { shell } => output::print(&man::completions(shell)?)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
