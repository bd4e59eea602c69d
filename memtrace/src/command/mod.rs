//! The commands: their arguments, and their implementations.

pub(crate) mod advise;
pub mod check;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod exporter;
pub(crate) mod fleet;
pub mod line;
mod losses;
pub(crate) mod man;
pub(crate) mod measured;
pub(crate) mod metrics;
pub(crate) mod mitigate;
pub(crate) mod record;
pub(crate) mod report;
pub(crate) mod scraped;
pub mod selftest;
pub(crate) mod simulate;
pub(crate) mod status;
pub(crate) mod stream;
#[cfg(test)]
mod tests;
pub mod top;
pub(crate) mod zabbix;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::cli::Verbosity;
use crate::sys::output;

const EXIT_STATUS: &str = "\
Exit status:
  0    success; also after Ctrl-C of a view, a stream, `mitigate` or `record`, and when the
       reader of a pipe closes it
  1    failure; the reason is on standard error
  2    usage error
  3    `memtrace status`: nothing runs
  4    no such VM, or several that are called so
  77   missing privilege; standard error names it and the command to run
  78   invalid configuration; each error is printed with file, line, column and key
  130  Ctrl-C before the result of check, metrics, report and the like (143: SIGTERM)
(`memtrace doctor`, `memtrace selftest` and `memtrace check` return their result as 0 to 3.)";

/// Memory pressure on a qemu/KVM host, per VM: stalls, their causes, and reclaimed pages.
/// Without a command: the live view (`top`).
#[derive(Debug, Parser)]
#[command(name = "memtrace", version, max_term_width = 100, after_help = EXIT_STATUS)]
#[command(infer_subcommands = false)]
pub struct Arguments {
    #[command(flatten)]
    pub verbosity: Verbosity,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Live view: one row per VM, most stalled first
    Top(top::args::TopArguments),
    /// Relieve memory pressure by ballooning and cgroup reclaim; observe-only by default
    #[command(after_help = mitigate::args::AFTER_HELP)]
    Mitigate(mitigate::args::MitigateArguments),
    /// Explain the policy's decision for a VM, with all inputs and thresholds
    Explain(explain::args::ExplainArguments),
    /// Record samples of this host to files
    #[command(after_help = record::args::AFTER_HELP)]
    Record(record::args::RecordArguments),
    /// Convert a recording to JSON lines or CSV
    Export(export::args::ExportArguments),
    /// Render a recording as an HTML report: stalls, causes, decisions and alerts
    #[command(after_help = report::args::AFTER_HELP)]
    Report(report::args::ReportArguments),
    /// Recommend VM sizes, swap size and overcommit from a recording or Prometheus
    #[command(after_help = advise::args::AFTER_HELP)]
    Advise(advise::args::AdviseArguments),
    /// Nagios/Icinga plugin: check the host or one VM
    #[command(after_help = check::args::AFTER_HELP)]
    Check(check::args::CheckArguments),
    /// Print Prometheus metrics once, or write them for node_exporter's textfile collector
    #[command(after_help = metrics::args::AFTER_HELP)]
    Metrics(metrics::args::MetricsArguments),
    /// Serve Prometheus metrics, or keep a textfile up to date, until stopped
    #[command(after_help = exporter::args::AFTER_HELP)]
    Exporter(exporter::args::ExporterArguments),
    /// Zabbix agent: VM discovery and single values
    #[command(after_help = zabbix::args::AFTER_HELP)]
    Zabbix(zabbix::args::ZabbixArguments),
    /// Overview of all hosts in a Prometheus: state, forecast, placement of a new VM
    #[command(after_help = fleet::args::AFTER_HELP)]
    Fleet(fleet::args::FleetArguments),
    /// Stream snapshots as JSON lines, one per interval
    #[command(after_help = stream::AFTER_HELP)]
    Stream(stream::StreamArguments),
    /// Which memtrace runs on this host, and what it has taken from which VM
    #[command(after_help = status::args::AFTER_HELP)]
    Status(status::args::StatusArguments),
    /// Check kernel support and privileges; audit host and VMs
    #[command(after_help = doctor::args::AFTER_HELP)]
    Doctor(doctor::args::DoctorArguments),
    /// Verify memtrace's counters against the kernel, using a temporary guest
    #[command(after_help = selftest::args::AFTER_HELP)]
    Selftest(selftest::args::SelftestArguments),
    /// Run ballooning policies on simulated hosts, or memtrace's on a recording
    #[command(after_help = simulate::args::AFTER_HELP)]
    Simulate(simulate::args::SimulateArguments),
    /// Validate a configuration, or print what holds and where it comes from
    #[command(after_help = config::args::AFTER_HELP)]
    Config(config::args::ConfigArguments),
    /// As `memtrace config check`, which it was once
    #[command(hide = true)]
    CheckConfig(config::args::ConfigFile),
    /// Print a man page (roff), for example `memtrace man | man -l -`
    Man {
        /// Man page of this command, for example zabbix get [default: of memtrace]
        #[arg(value_name = "COMMAND")]
        words: Vec<String>,
    },
    /// Print a shell completion script
    Completions {
        /// Target shell
        shell: Shell,
    },
}

impl Command {
    /// Whether it draws full-screen, so that log messages must not go to the terminal.
    pub fn draws(&self) -> bool {
        match self {
            Self::Top(arguments) => top::draws(arguments),
            Self::Fleet(arguments) => fleet::draws(arguments),
            _ => false,
        }
    }

    /// Runs the command, and returns the exit code of the process.
    ///
    /// # Errors
    /// Those of the command.
    pub fn run(self, verbosity: Verbosity) -> Result<ExitCode> {
        match self {
            Self::Top(arguments) => top::run(&arguments, verbosity)?,
            Self::Mitigate(arguments) => mitigate::run(&arguments, verbosity)?,
            Self::Explain(arguments) => explain::run(&arguments, verbosity)?,
            Self::Record(arguments) => record::run(&arguments, verbosity)?,
            Self::Export(arguments) => export::run(&arguments)?,
            Self::Report(arguments) => report::run(&arguments)?,
            Self::Advise(arguments) => advise::run(&arguments)?,
            Self::Check(arguments) => return Ok(check::run(&arguments, verbosity)),
            Self::Metrics(arguments) => metrics::run(&arguments, verbosity)?,
            Self::Exporter(arguments) => exporter::run(&arguments, verbosity)?,
            Self::Zabbix(arguments) => return zabbix::run(&arguments, verbosity),
            Self::Fleet(arguments) => fleet::run(&arguments)?,
            Self::Stream(arguments) => stream::run(arguments, verbosity)?,
            Self::Doctor(arguments) => {
                return Ok(ExitCode::from(doctor::run(&arguments, verbosity)?));
            }
            Self::Status(arguments) => return status::run(&arguments),
            Self::Selftest(arguments) => return selftest::run(arguments, verbosity),
            Self::Simulate(arguments) => return simulate::simulate(&arguments),
            Self::Config(arguments) => return config::run(&arguments.command),
            Self::CheckConfig(file) => return config::check(&file),
            Self::Man { words } => output::print(&man::manual(&words)?)?,
            Self::Completions { shell } => output::print(&man::completions(shell)?)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
