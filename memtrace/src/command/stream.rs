//! `memtrace stream`: the JSON lines of `memtrace top --json`, and the description of their keys.

use anyhow::Result;
use clap::Args;
use memtrace_view::export;
use memtrace_view::export::stream::keys::{KeyPath, Selection};

use crate::cli::look::LookArguments;
use crate::cli::print::PrintArguments;
use crate::cli::{Verbosity, count};
use crate::command::top;
use crate::command::top::args::TopArguments;
use crate::sys::output;

pub const AFTER_HELP: &str = "\
The same as `memtrace top --json`. Keys and units are in docs/stream.md (--describe prints it);
`schema_version` in each line is incremented when a key is removed or changes its meaning.

A line has all that is known, some 5 KB for each VM and 10 KB more. Examples of less:
  memtrace stream --only vms.name,vms.stalled,host.psi
  memtrace stream --without signals,flows,reaction.decisions.thoughts

Where it reads another memtrace's samples and that one ends, it says so on standard error, waits for
the next one, and goes on with that one's second sample; with --count it ends.";

#[derive(Args, Clone, Debug)]
pub struct StreamArguments {
    /// Print JSON lines (the only format); with --describe the JSON Schema
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub look: LookArguments,
    /// Print the description of all keys (Markdown, or JSON Schema with --json) and exit
    #[arg(long, conflicts_with_all = ["count", "filter", "only", "without"])]
    pub describe: bool,
    /// Print these keys alone (host,vms or host.psi,vms.name,vms.stalled) and schema_version, wall
    /// and interval
    #[arg(long, value_name = "KEY,...", value_delimiter = ',', value_parser = KeyPath::parse)]
    pub only: Vec<KeyPath>,
    /// Leave these keys out (signals,reaction.decisions.thoughts)
    #[arg(long, value_name = "KEY,...", value_delimiter = ',',
        value_parser = KeyPath::parse_dispensable)]
    pub without: Vec<KeyPath>,
    /// Exit after N lines
    #[arg(short = 'n', long, value_name = "N", value_parser = count)]
    pub count: Option<u64>,
}

impl From<StreamArguments> for TopArguments {
    fn from(stream: StreamArguments) -> Self {
        let print = PrintArguments { json: true, count: stream.count, ..PrintArguments::default() };
        let keys = Selection { only: stream.only, without: stream.without };
        Self { look: stream.look, print, keys, ..Self::default() }
    }
}

/// Prints the stream, or its description.
///
/// # Errors
/// As [`top::run`].
pub fn run(arguments: StreamArguments, verbosity: Verbosity) -> Result<()> {
    if arguments.describe && arguments.json {
        return output::print(&format!("{:#}\n", export::stream::schema()));
    }
    if arguments.describe {
        return output::print(&export::stream::page::page());
    }
    top::run(&arguments.into(), verbosity)
}
