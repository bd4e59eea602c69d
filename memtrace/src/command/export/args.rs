//! Arguments of `memtrace export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Args, Clone, Debug)]
pub struct ExportArguments {
    /// Recording: a file, or a directory of files
    #[arg(default_value = memtrace_store::recording::DIRECTORY)]
    pub path: PathBuf,
    /// Output format: one row per VM and interval, with units in the column names
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    pub format: ExportFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// JSON lines, one object per VM and interval; unknown values are null
    Jsonl,
    /// CSV with a header; unknown values are empty
    Csv,
}
