//! Arguments shared by commands that need samples, whoever takes them.

use std::path::PathBuf;

use clap::Args;

/// Whose samples are used.
#[derive(Args, Clone, Debug, Default)]
pub struct SamplesArguments {
    /// Measure also where another memtrace runs whose samples can be read
    #[arg(long)]
    pub attach: bool,
    /// Measure, with all hooks attached all the time, those that fire in each page fault too
    #[arg(long, conflicts_with = "samples")]
    pub always: bool,
    /// Read the samples that another memtrace serves on this Unix socket [default: samples.socket
    /// of the configuration, if one serves there, else measure]
    #[arg(long, value_name = "SOCKET", conflicts_with = "attach")]
    pub samples: Option<PathBuf>,
}
