//! Arguments of `memtrace simulate`.

use std::path::PathBuf;

use clap::Args;

use memtrace_core::units::Nanos;

pub const AFTER_HELP: &str = "\
Time is virtual, and a scenario always gives the same numbers; so does each seed of a population.
  stall s         time that vCPUs stalled on memory, in host and guest, plus downtime of
                  services killed by an OOM killer; * marks the lowest
  swap-in GiB     read from host swap and guest swap
  guest OOMs      processes killed by guests' OOM killers
  kills           VMs killed by the host's OOM killer
  relief s        longest continuous stall of a VM
  oscillations    balloon reversals within 2 minutes of the previous one
  needless GiB s  memory ballooned away while nothing needed it, times seconds
  orders          balloon orders; (N bad): to VMs that are booting, migrating or pinned, or
                  that an operator has just set manually
  refused         allocations that programs did without because their guest, asked first, had
                  too little available
  work %          memory accesses of the loads that took place, of those wanted

SCENARIO is the name of a built-in scenario, or the path of a scenario file (it has a / or ends in
.toml) or of a folder of such files; --show prints one as such a file.

--from-recording makes a scenario file of a host's guests. Recordings don't tell how much of a
guest's memory is hot, nor how fast its host's swap is; the file says what is assumed. At most a day.

--population N draws N hosts, from --seed on: sizes, VMs, loads, swap devices and faults are drawn
from documented distributions (docs/population.md), and a seed gives the same host on every
machine. The table is by what the guests need at one time, of what the host has for them: fits
easily (up to 85 %), fits barely, does not fit; and by whether all guests cooperate.
  regret          stall s beyond the clairvoyant's: median, 90th percentile and worst host. The
                  clairvoyant knows the next minute; it is a bound, not a policy to choose
  best %          hosts where no other policy stalls less (by over 5 % and 1 s)
  worse %         hosts where doing nothing stalls less (by over 5 % and 1 s)
  factor          largest factor over doing nothing on those, where that stalls at least 1 s
                  (else over 1 s)
  harmed %        those hosts where the policy saved no VM: one that is killed frees memory for
                  the others, so that doing nothing may stall less
A column is - where the runs it compares with (nothing, clairvoyant, others) are not among --policy.

--replay runs memtrace's policy with another configuration on a recording, and compares with the
recorded decisions. The recording does not react to the replayed decisions: where memtrace acted
while recording, only the start of each episode is comparable.

Examples:
  memtrace simulate                             all scenarios, all policies
  memtrace simulate boot-storm --policy mom     one of each
  memtrace simulate leak --explain leaky --at 500
  memtrace simulate leak --config new.toml
  memtrace simulate my-host.toml --json
  memtrace simulate --population 200 --policy nothing --policy memtrace
  memtrace simulate --population-host 10 --explain files-15 --at 800
  memtrace simulate --population-host 10 --show > my-host.toml
  memtrace simulate --from-recording > my-host.toml
  memtrace simulate --replay --config new.toml

Exit status:
  0    memtrace's policy met all expectations; or the population or replay finished
  1    an expectation was not met (the table says which), or a file is unusable
  2    usage error; also an unknown scenario, policy or VM, a second after the scenario's end,
       and a reporting seed without --reporting
  130  interrupted (Ctrl-C); nothing is printed";

#[derive(Args, Clone, Debug, Default)]
pub struct SimulateArguments {
    /// Only these scenarios: names, files or folders
    #[arg(value_name = "SCENARIO")]
    pub scenarios: Vec<String>,
    /// Only this policy; repeatable
    #[arg(long, value_name = "NAME")]
    pub policy: Vec<String>,
    /// Explain memtrace's decision for this VM (or `host`) at one second of one scenario
    #[arg(long, value_name = "VM", requires = "at", conflicts_with_all = ["policy", "list", "json"])]
    pub explain: Option<String>,
    /// Time since the scenario's begin, in whole seconds: 500, 500s, 8min
    #[arg(long, value_name = "TIME", value_parser = second, requires = "explain")]
    pub at: Option<u64>,
    /// Print the scenario as a scenario file (TOML), and exit
    #[arg(long, conflicts_with_all = ["policy", "explain", "list", "json"])]
    pub show: bool,
    /// List scenarios and policies, and exit
    #[arg(long)]
    pub list: bool,
    /// Draw so many hosts, and summarize how policies do on them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000),
        conflicts_with_all = ["scenarios", "explain", "show", "list", "population_host"])]
    pub population: Option<u64>,
    /// Seed of the first host
    #[arg(long, value_name = "SEED", requires = "population", default_value_t = 0)]
    pub seed: u64,
    /// Simulate the host of one seed
    #[arg(long, value_name = "SEED", conflicts_with_all = ["scenarios", "list"])]
    pub population_host: Option<u64>,
    /// Make a scenario file out of a recording (a file, or a directory of files)
    /// [without PATH: /var/lib/memtrace/recordings], and print it
    #[arg(long, value_name = "PATH", num_args = 0..=1,
        default_missing_value = memtrace_store::recording::DIRECTORY,
        conflicts_with_all = ["scenarios", "policy", "explain", "show", "list", "json",
        "population", "population_host", "replay"])]
    pub from_recording: Option<PathBuf>,
    /// Allow the reporting seeds, from 1000000000 on. They are for published results only: no
    /// number of a policy may be chosen by them
    #[arg(long)]
    pub reporting: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Run memtrace's policy on a recording: a file, or a directory of files [without PATH:
    /// /var/lib/memtrace/recordings]
    #[arg(long, visible_alias = "recording", value_name = "PATH", num_args = 0..=1,
        default_missing_value = memtrace_store::recording::DIRECTORY,
        conflicts_with_all = ["scenarios", "policy", "explain", "show", "list", "population",
        "population_host"])]
    pub replay: Option<PathBuf>,
    /// Configuration, and its .d/*.toml, for memtrace's policy [default: its defaults, which no
    /// host changes; with --replay /etc/memtrace/memtrace.toml]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from_recording", "show", "list"])]
    pub config: Option<PathBuf>,
}

/// Parses whole seconds, in the grammar of durations.
fn second(text: &str) -> Result<u64, String> {
    let time: Nanos = text.parse().map_err(|error| format!("{error}"))?;
    let (seconds, rest) = (time.0 / Nanos::SECOND.0, time.0 % Nanos::SECOND.0);
    (rest == 0).then_some(seconds).ok_or_else(|| "must be whole seconds".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_given_as_any_duration_is() {
        for (text, seconds) in [("500", 500), ("500s", 500), ("8min", 480), ("0", 0)] {
            assert_eq!(second(text), Ok(seconds), "{text}");
        }
        for text in ["500ms", "-5", "5x", ""] {
            assert!(second(text).is_err(), "{text}");
        }
    }
}
