//! memtrace's chores: the command line of the crates below tests/, the eBPF build and the test
//! run.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use memtrace_integrations as integrations;
use memtrace_lab::{demo, interrupt, local, progress, setup, trials};
use memtrace_measure::{bench, fidelity, matrix, picture, relief};
use memtrace_packages as package;

mod architecture;
mod ebpf;
mod fuzz;
mod test;

/// memtrace's chores.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Draw the crates in ARCHITECTURE.md
    Architecture(architecture::Arguments),
    /// Measure what memtrace costs
    Bench(bench::Arguments),
    /// Real VMs under memory pressure in the live view
    Demo(demo::Arguments),
    /// Build the eBPF object from source and keep it in memtrace/host/ebpf
    Ebpf(ebpf::Arguments),
    /// Hold the simulator against real guests, on the same hosts under the same rules
    Fidelity(fidelity::Arguments),
    /// Feed memtrace's parsers with inputs that a fuzzer makes up
    Fuzz(fuzz::Arguments),
    /// Try memtrace with the real programs that it works with, beside real VMs
    Integrations(integrations::Arguments),
    /// Make packages: .deb, .rpm and a tarball
    Package(package::Arguments),
    /// Draw the README's picture of the live view from a real run
    Picture(picture::Arguments),
    /// Try on whole kernels whether `memtrace mitigate --enforce` relieves real KVM guests
    Relief(relief::Arguments),
    /// Fetch everything that the other tasks need and that isn't here yet
    Setup,
    /// Real VMs under memory pressure, up and down
    Lab(local::Arguments),
    /// Run every check and test there is
    Test(test::Arguments),
    /// Kill, hang and fill what memtrace works with as it moves balloons of real VMs
    Trials(trials::Arguments),
    /// Try memtrace on whole kernels, each in a VM, with real KVM guests inside
    Vm(matrix::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Architecture(arguments) => done(architecture::run(&arguments)),
        Task::Bench(arguments) => done(bench::run(&arguments)),
        Task::Demo(arguments) => done(demo::run(&arguments)),
        Task::Ebpf(arguments) => done(ebpf::run(&arguments)),
        Task::Fidelity(arguments) => fidelity::run(&arguments),
        Task::Fuzz(arguments) => done(fuzz::run(&arguments)),
        Task::Integrations(arguments) => done(integrations::run(&arguments)),
        Task::Package(arguments) => done(package::run(&arguments)),
        Task::Picture(arguments) => done(picture::run(&arguments)),
        Task::Relief(arguments) => relief::run(&arguments),
        Task::Setup => done(set_up()),
        Task::Lab(arguments) => done(local::run(&arguments)),
        Task::Test(arguments) => test::run(&arguments),
        Task::Trials(arguments) => done(trials::run(&arguments)),
        Task::Vm(arguments) => matrix::run(&arguments),
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
