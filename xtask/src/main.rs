//! memtrace's chores, one file or folder a task.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod child;
#[path = "../../memtrace/host/build/compile.rs"]
mod compile;
mod date;
mod demo;
mod ebpf;
mod feeds;
mod interrupt;
#[path = "../../memtrace/host/build/kept.rs"]
mod kept;
mod lab;
mod paths;
mod progress;
mod relief;
mod setup;
mod test;
mod trials;
mod truth;
mod vm;

/// memtrace's chores.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measure what memtrace costs
    Bench(bench::Arguments),
    /// Real VMs under memory pressure in the live view
    Demo(demo::Arguments),
    /// Build the eBPF object from source and keep it in memtrace/host/ebpf
    Ebpf(ebpf::Arguments),
    /// Try memtrace's feeds with the real programs that they are for, beside real VMs
    Feeds(feeds::Arguments),
    /// Try on whole kernels whether `memtrace mitigate --enforce` relieves real KVM guests
    Relief(relief::Arguments),
    /// Fetch everything that the other tasks need and that isn't here yet
    Setup,
    /// Real VMs under memory pressure, up and down
    Lab(lab::Arguments),
    /// Run every check and test there is
    Test(test::Arguments),
    /// Kill, hang and fill what memtrace works with as it moves balloons of real VMs
    Trials(trials::Arguments),
    /// Try memtrace on whole kernels, each in a VM, with real KVM guests inside
    Vm(vm::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Bench(arguments) => done(bench::run(&arguments)),
        Task::Demo(arguments) => done(demo::run(&arguments)),
        Task::Ebpf(arguments) => done(ebpf::run(&arguments)),
        Task::Feeds(arguments) => done(feeds::run(&arguments)),
        Task::Relief(arguments) => relief::run(&arguments),
        Task::Setup => done(set_up()),
        Task::Lab(arguments) => done(lab::run(&arguments)),
        Task::Test(arguments) => test::run(&arguments),
        Task::Trials(arguments) => done(trials::run(&arguments)),
        Task::Vm(arguments) => vm::run(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn set_up() -> anyhow::Result<()> {
    interrupt::listen()?;
    let missing = setup::run(setup::Scope::Everything)?;
    anyhow::ensure!(missing.is_empty(), "some of it could not be had");
    progress::say("everything is here");
    Ok(())
}

fn done(result: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    result.map(|()| ExitCode::SUCCESS)
}
