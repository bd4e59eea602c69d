//! The steps of a full run.

use std::process::Command;

use anyhow::Result;
use memtrace_lab::compile::{self, Pair};
use memtrace_lab::local::Lab;
use memtrace_lab::local::plan::Manager;
use memtrace_lab::outcome::Outcome;
use memtrace_lab::{paths, trials};
use memtrace_measure::fidelity;

use super::cargo::{cargo, one, tests};
use super::{Step, deny, live, promtool};
use crate::{ebpf, fuzz};
use memtrace_packages as package;

/// The crate that links libvirt.
const HELPER: &str = "memtrace-libvirt";
/// Limit of the memory cgroup that tests press in: less than they want.
const POOL_MIB: u32 = 128;

/// Steps that need no VM.
pub const HOST: &[Step] = &[
    Step { name: "format", run: format },
    Step { name: "clippy", run: clippy },
    Step { name: "clippy, eBPF programs", run: clippy_programs },
    Step { name: "stable build, without libvirt's headers", run: build },
    Step { name: "stable build, the helper for libvirt", run: build_helper },
    Step { name: "licences, advisories and bans: cargo deny", run: deny::run },
    Step { name: "tests", run: all_tests },
    Step { name: "fuzzing", run: fuzz::step },
    Step { name: "metrics and alert rules: promtool", run: promtool::run },
    Step { name: "eBPF object from source", run: rebuild },
];

/// Steps with real VMs, or with whole systems.
pub const LIVE: &[Step] = &[
    Step { name: "packages", run: package::step },
    Step { name: "live: plain qemu guests", run: live::plain },
    Step { name: "live: libvirt domains", run: live::libvirt },
    Step { name: "live: trials of plain qemu guests", run: || trials::all(Manager::Plain) },
    Step { name: "live: trials of libvirt domains", run: || trials::all(Manager::Libvirt) },
    Step { name: "live: a scenario with real guests", run: fidelity::smoke },
    Step { name: "live: integrations and their real programs", run: memtrace_integrations::all },
    Step { name: "level 2: kernel 6.1", run: || live::level_2("6.1") },
    Step { name: "level 2: kernel 6.12", run: || live::level_2("6.12") },
    Step { name: "level 2: kernel 7.2", run: || live::level_2("7.2") },
];

fn format() -> Result<Outcome> {
    one(&mut cargo(&["fmt", "--all", "--check"]))
}

fn clippy() -> Result<Outcome> {
    let mut command = cargo(&["clippy", "--quiet", "--locked", "--workspace", "--all-targets"]);
    command.args(left_out());
    one(command.args(["--", "-D", "warnings"]))
}

fn clippy_programs() -> Result<Outcome> {
    let pair = Pair::read(&paths::ebpf_crate())?;
    let tools = match compile::find_tools(&paths::target(), &pair) {
        Ok(tools) => tools,
        Err(why) => return Ok(Outcome::skipped(format!("{why:#}"))),
    };
    let clippy =
        compile::command(&paths::workspace(), &tools, &paths::target().join("ebpf"), "clippy");
    one(clippy?.args(["--quiet", "--", "-D", "warnings"]))
}

fn build() -> Result<Outcome> {
    one(&mut cargo(&["build", "--quiet", "--locked", "--package", "memtrace"]))
}

fn build_helper() -> Result<Outcome> {
    if let Some(reason) = no_libvirt() {
        return Ok(Outcome::skipped(reason));
    }
    one(&mut cargo(&["build", "--quiet", "--locked", "--package", HELPER]))
}

fn all_tests() -> Result<Outcome> {
    let mut command = cargo(&["test", "--locked", "--workspace", "--no-fail-fast"]);
    command.args(left_out());
    // Some tests press memory in it.
    let pool = match Lab::pool(POOL_MIB) {
        Ok(pool) => Some(pool),
        Err(why) => {
            println!("no memory cgroup and swap to test in: {why:#}");
            None
        }
    };
    if let Some(parent) = pool.as_ref().and_then(Lab::parent) {
        command.env("MEMTRACE_TEST_POOL", parent);
    }
    let outcome = tests(&mut command)?;
    pool.map_or(Ok(()), Lab::down)?;
    Ok(outcome)
}

fn rebuild() -> Result<Outcome> {
    let pair = Pair::read(&paths::ebpf_crate())?;
    match compile::find_tools(&paths::target(), &pair) {
        Ok(_) => ebpf::build(true).map(|()| Outcome::passed(1)),
        Err(why) => Ok(Outcome::skipped(format!("{why:#}"))),
    }
}

/// Arguments by which cargo leaves out what can't be built here.
fn left_out() -> &'static [&'static str] {
    if no_libvirt().is_none() { &[] } else { &["--exclude", HELPER] }
}

/// Why memtrace's helper for libvirt can't be built here, if so.
fn no_libvirt() -> Option<&'static str> {
    let found = Command::new("pkg-config").args(["--exists", "libvirt"]).status();
    (!found.is_ok_and(|status| status.success())).then_some("libvirt's headers aren't installed")
}
