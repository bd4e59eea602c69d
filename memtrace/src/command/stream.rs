//! `memtrace stream`: what `memtrace top --json` prints, and what each of its keys means.

use anyhow::Result;
use clap::Args;
use memtrace_view::export;

use crate::cli::Verbosity;
use crate::cli::look::LookArguments;
use crate::cli::print::PrintArguments;
use crate::command::top;
use crate::command::top::args::TopArguments;
use crate::sys::output;

pub const AFTER_HELP: &str = "\
It is what `memtrace top --json` prints. Every key is in docs/stream.md (--describe prints it),
with its unit; `schema_version` in each line counts up when one changes its meaning or goes away.";

#[derive(Args, Clone, Debug)]
pub struct StreamArguments {
    /// Print JSON, a document a line; there is no other form
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub look: LookArguments,
    /// Print what each key means (Markdown), and don't look
    #[arg(long, conflicts_with_all = ["count", "filter"])]
    pub describe: bool,
    /// End after N lines
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
}

impl From<StreamArguments> for TopArguments {
    fn from(stream: StreamArguments) -> Self {
        let print = PrintArguments { json: true, count: stream.count, ..PrintArguments::default() };
        Self { look: stream.look, print, ..Self::default() }
    }
}

/// Prints the stream, or describes it.
///
/// # Errors
/// As [`top::run`].
pub fn run(arguments: StreamArguments, verbosity: Verbosity) -> Result<()> {
    if arguments.describe {
        return output::print(&export::stream::page::page());
    }
    top::run(&arguments.into(), verbosity)
}
