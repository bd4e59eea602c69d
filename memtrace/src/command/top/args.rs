//! Arguments of `memtrace top`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use jiff::tz::TimeZone;
use memtrace_core::filter::Filter;
use memtrace_core::replay::time::{self, Relative};
use memtrace_core::units::WallNanos;
use memtrace_view::columns::{self, Column, ColumnId, Sort};
use memtrace_view::export::stream::keys::Selection;

use crate::cli::look::LookArguments;
use crate::cli::print::PrintArguments;

const TOP_EXAMPLES: &str = "\
Examples:
  memtrace top                        live view, refreshed every second
  memtrace top --sort caused          VMs that cause most reclaim first
  memtrace top --sort name:desc --filter '^web'
  memtrace top -p web                 one VM
  memtrace top --columns stall,cpu,limit
  memtrace top --once                 one plain table, with rates over one interval
  memtrace top --json --interval 5    JSON lines, one document every 5 s
  memtrace top --plain --count 10     ten plain tables, for a log
  memtrace top --replay --from 14:05  what was recorded

If standard output is not a terminal, --plain is the default.";

fn top_after_help() -> String {
    let names: Vec<&str> = columns::all().iter().map(|column| column.name).collect();
    format!("Columns to sort by: {}\n\n{TOP_EXAMPLES}", names.join(", "))
}

#[derive(Args, Clone, Debug)]
#[command(after_help = top_after_help())]
pub struct TopArguments {
    #[command(flatten)]
    pub look: LookArguments,
    #[command(flatten)]
    pub print: PrintArguments,
    /// Show only this VM, by name, UUID, process id, or as its platform calls it (100, shop/web)
    #[arg(short = 'p', long, conflicts_with = "filter")]
    pub vm: Option<String>,
    /// Sort by this column; default order: numbers descending, text ascending
    #[arg(short, long, value_name = "COLUMN[:asc|:desc]", default_value = "stall")]
    #[arg(value_parser = sort)]
    pub sort: Sort,
    /// Show these columns, in this order, after the name; `help` lists them
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',', hide_possible_values = true,
        value_parser = column_names(), conflicts_with = "json")]
    pub columns: Vec<String>,
    /// Show a recording: a file, or a directory of files [without PATH:
    /// /var/lib/memtrace/recordings]. --interval is the delay between two samples; --plain and
    /// --json print without delay
    #[arg(long, visible_alias = "recording", value_name = "PATH", num_args = 0..=1,
        default_missing_value = memtrace_store::recording::DIRECTORY,
        conflicts_with_all = ["no_libvirt", "state_dir", "attach", "samples", "always"])]
    pub replay: Option<PathBuf>,
    /// Start of the replay: 14:05 (on its first day), '2026-11-23 14:05', +10min
    #[arg(long, value_name = "TIME", requires = "replay", value_parser = position)]
    pub from: Option<String>,
    /// Of `memtrace stream`.
    #[arg(skip)]
    pub keys: Selection,
}

impl Default for TopArguments {
    /// The same as an empty command line.
    fn default() -> Self {
        Self {
            look: LookArguments::default(),
            print: PrintArguments::default(),
            vm: None,
            sort: Sort::default(),
            columns: Vec::new(),
            replay: None,
            from: None,
            keys: Selection::default(),
        }
    }
}

impl TopArguments {
    /// Which VMs are shown.
    pub fn filter(&self) -> Option<Filter> {
        self.vm.as_deref().map(Filter::of_vm).or_else(|| self.look.filter.clone())
    }

    /// The columns that were asked for.
    pub fn columns(&self) -> Vec<ColumnId> {
        self.columns.iter().filter_map(|name| columns::named(name)).collect()
    }

    /// Whether a list of the columns is wanted instead.
    pub fn lists_columns(&self) -> bool {
        self.columns.iter().any(|name| name == LIST)
    }
}

/// Asks for the list of columns.
const LIST: &str = "help";

/// clap suggests a similar one.
fn column_names() -> PossibleValuesParser {
    columns::all().iter().map(|column| column.name).chain([LIST]).collect::<Vec<_>>().into()
}

/// Every column with its title and what it shows.
pub fn column_list() -> String {
    let line =
        |column: &Column| format!("{:<10} {:<10} {}\n", column.name, column.title, column.help);
    columns::all().iter().map(line).collect()
}

/// Checks the form of a position in a recording, whose time is known later.
fn position(text: &str) -> Result<String, String> {
    let any = WallNanos(1_700_000_000_000_000_000);
    time::parse(text, &TimeZone::UTC, any, Relative::Position).map(|_| text.to_owned())
}

// clap shows only the outermost message of an error.
fn sort(text: &str) -> Result<Sort, String> {
    columns::parse(text).map_err(|error| format!("{error:#}"))
}
