//! memtrace's chores, one file or folder a task.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[path = "../../memtrace/build/compile.rs"]
mod compile;
mod ebpf;
#[path = "../../memtrace/build/kept.rs"]
mod kept;
mod paths;

/// memtrace's chores.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the eBPF object from source and keep it in memtrace/ebpf
    Ebpf(ebpf::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Ebpf(arguments) => ebpf::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
