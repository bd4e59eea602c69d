//! What can be typed after `memtrace export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Args, Clone, Debug)]
pub struct ExportArguments {
    /// A file of a recording, or a directory of them
    pub path: PathBuf,
    /// What to print: a row for each VM in each interval, with units in the names
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    pub format: ExportFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A JSON object a line: one VM in one interval; what isn't known is null
    Jsonl,
    /// The same with a line of names first; what isn't known is empty
    Csv,
}
