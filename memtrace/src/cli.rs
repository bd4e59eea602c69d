//! What can be typed, and its help. What it means is decided elsewhere.

mod advise;
mod check;
mod doctor;
mod fleet;
mod look;
mod metrics;
mod mitigate;
mod print;
mod record;
mod report;
mod simulate;
mod zabbix;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::columns::{self, Sort};
use crate::filter::Filter;

pub use advise::AdviseArguments;
pub use check::{CheckArguments, StreamArguments, Threshold};
pub use doctor::DoctorArguments;
pub use fleet::FleetArguments;
pub use look::LookArguments;
pub use metrics::{MetricsArguments, MetricsForm};
pub use mitigate::{ExplainArguments, MitigateArguments};
pub use print::PrintArguments;
pub use record::{ExportArguments, ExportFormat, RecordArguments};
pub use report::ReportArguments;
pub use simulate::SimulateArguments;
pub use zabbix::{ZabbixArguments, ZabbixCommand, ZabbixSource};

/// Shortest and longest interval between two samples, in seconds.
pub const INTERVAL_SECONDS: [f64; 2] = [0.1, 60.0];

const EXIT_STATUS: &str = "\
Exit status:
  0   all is well; also when the reader of a pipe goes away, and after Ctrl-C
  1   it failed; the reason is on standard error
  2   the command line is wrong
  77  a privilege is missing; standard error says which, and what to run
(`memtrace doctor`, `memtrace selftest` and `memtrace check` use 0 to 3 for what they found.)";

const TOP_EXAMPLES: &str = "\
Examples:
  memtrace top                        the live view, every second
  memtrace top --sort caused          the VM that takes most comes first
  memtrace top --sort name:desc --filter '^web'
  memtrace top --once                 one plain table, with rates over one interval
  memtrace top --json --interval 5    a JSON document every 5 s, one a line
  memtrace top --plain --count 10     ten plain tables, for a log
  memtrace top --replay /var/lib/memtrace/recordings --from 14:05

Standard output that is no terminal gets --plain unless --json is given.";

fn top_after_help() -> String {
    let names: Vec<&str> = columns::all().iter().map(|column| column.name).collect();
    format!("Columns to sort by: {}\n\n{TOP_EXAMPLES}", names.join(", "))
}

const CHECK_CONFIG_EXIT_STATUS: &str = "\
Exit status:
  0   it can be used
  1   it can't; each mistake is told with file, line, column and key";

const SELFTEST_AFTER_HELP: &str = "\
It starts a guest of its own (96 MiB; a KVM guest, or an ordinary process where KVM can't run
it) in a cgroup of its own (64 MiB), lets it swap for some seconds, and compares. It changes
no VM and no other cgroup. Swap gets some 40 MiB more to hold, and kernel.task_delayacct is
on for as long; both are as before at the end, after Ctrl-C, SIGTERM and SIGHUP too.

Required are: major faults, asynchronous faults, swap-ins, swap-outs, memcg reclaim, who takes
from whom, and refaults. Asynchronous faults may fail to happen (swap that answers at once, as
zram, leads to none). The other signals are listed and don't count for the exit status unless
they are wrong: some are approximate on any kernel, some are an extra that not every kernel
allows, and some are not checked because provoking them would harm this host.

Exit status:
  0    every required signal is exact
  1    degraded: one is approximate, absent, or could not be checked (no swap, no cgroup)
  2    wrong: a number is further from the kernel's than it may be
  77   a privilege is missing
  129, 130, 143   ended by SIGHUP, Ctrl-C, SIGTERM; there is no result";

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

/// How much is told on standard error.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Verbosity {
    /// Tell more on standard error: -v what is done, -vv every detail, the eBPF programs' too.
    /// With the live view, send it to a file: `memtrace -vv top 2>log`
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The live view: a row for each VM, who suffers first
    Top(TopArguments),
    /// Keep this host out of memory pressure; only observes unless told to act
    #[command(after_help = mitigate::AFTER_HELP)]
    Mitigate(MitigateArguments),
    /// Why memtrace would do something to a VM, or would not, with every number
    Explain(ExplainArguments),
    /// Keep what is read of this host in files, to look at later
    #[command(after_help = record::AFTER_HELP)]
    Record(RecordArguments),
    /// Print a recording as rows, for other programs
    Export(ExportArguments),
    /// Make one page of a recording: who suffered, who caused it, when, and what was done
    #[command(after_help = report::AFTER_HELP)]
    Report(ReportArguments),
    /// Say from a recording how large VMs should be, and how many of them fit here
    #[command(after_help = advise::AFTER_HELP)]
    Advise(AdviseArguments),
    /// One look for Nagios, Icinga and their like: is the host, or a VM, well?
    #[command(after_help = check::CHECK_AFTER_HELP)]
    Check(CheckArguments),
    /// One look as metrics for Prometheus, printed or in a file for node_exporter
    #[command(after_help = metrics::AFTER_HELP)]
    Metrics(MetricsArguments),
    /// VMs and single values for Zabbix' agent
    #[command(after_help = zabbix::AFTER_HELP)]
    Zabbix(ZabbixArguments),
    /// All hosts that a Prometheus knows: who needs a look, and where one more VM has room
    #[command(after_help = fleet::AFTER_HELP)]
    Fleet(FleetArguments),
    /// Print what is seen, a JSON document a line for each interval, for other programs
    #[command(after_help = check::STREAM_AFTER_HELP)]
    Stream(StreamArguments),
    /// What this kernel and these permissions allow, and what is amiss here
    #[command(after_help = doctor::AFTER_HELP)]
    Doctor(DoctorArguments),
    /// Hold memtrace's numbers against the kernel's on this host, with a guest of its own
    #[command(after_help = SELFTEST_AFTER_HELP)]
    Selftest(SelftestArguments),
    /// Try memtrace's policy, and those of others, on a simulated host
    #[command(after_help = simulate::AFTER_HELP)]
    Simulate(SimulateArguments),
    /// Say what is wrong with a configuration, or that nothing is
    #[command(after_help = CHECK_CONFIG_EXIT_STATUS)]
    CheckConfig(CheckConfigArguments),
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

#[derive(Args, Clone, Debug)]
#[command(after_help = top_after_help())]
pub struct TopArguments {
    #[command(flatten)]
    pub look: LookArguments,
    #[command(flatten)]
    pub print: PrintArguments,
    /// Sort by this column; numbers from the largest and words from A, unless said otherwise
    #[arg(short, long, value_name = "COLUMN[:asc|:desc]", default_value = "stall")]
    #[arg(value_parser = sort)]
    pub sort: Sort,
    /// Show a recording (`memtrace record`): a file, or a directory of them. --interval is the
    /// time from one moment to the next; what is printed doesn't wait
    #[arg(long, value_name = "PATH", conflicts_with_all = ["no_libvirt", "state_dir"])]
    pub replay: Option<PathBuf>,
    /// Begin the replay here: 14:05 (of its first day), '2026-11-23 14:05', +10m
    #[arg(long, value_name = "TIME", requires = "replay")]
    pub from: Option<String>,
}

impl Default for TopArguments {
    /// As if nothing was typed.
    fn default() -> Self {
        Self {
            look: LookArguments::default(),
            print: PrintArguments::default(),
            sort: Sort::default(),
            replay: None,
            from: None,
        }
    }
}

#[derive(Args, Clone, Copy, Debug)]
pub struct SelftestArguments {
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// Use colours; `auto` honours NO_COLOR and asks whether the output is a terminal
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}

#[derive(Args, Clone, Debug)]
pub struct CheckConfigArguments {
    /// The file; what is in the directory beside it (memtrace.d for memtrace.toml) is read too
    #[arg(default_value = crate::config::FILE)]
    pub file: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    Auto,
    Always,
    Never,
}

impl ColorChoice {
    /// Whether colours are wanted on an output that `is_terminal`. `no_color` is the
    /// variable NO_COLOR, of which any text but the empty one counts (no-color.org).
    pub fn wanted(self, is_terminal: bool, no_color: Option<&std::ffi::OsStr>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => is_terminal && no_color.is_none_or(std::ffi::OsStr::is_empty),
        }
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let [shortest, longest] = INTERVAL_SECONDS;
    let outside = || format!("not a number of seconds from {shortest} to {longest}");
    let seconds: f64 = text.parse().map_err(|_| outside())?;
    if !(shortest..=longest).contains(&seconds) {
        return Err(outside());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| outside())
}

// clap shows no more than the outermost message of an error.
fn sort(text: &str) -> Result<Sort, String> {
    columns::parse(text).map_err(|error| format!("{error:#}"))
}

fn filter(text: &str) -> Result<Filter, String> {
    Filter::parse(text).map_err(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests;
