//! memtrace's programs on the running kernel, with stand-ins for VMs. Needs BPF; where
//! that isn't to be had, each test says so and counts as skipped.

mod lifecycle;
mod signals;
mod swap;

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use memtrace::probe::{self, KernelSide};

type Test = fn() -> anyhow::Result<()>;

fn main() -> ExitCode {
    memtrace_tests::standin::play_if_asked();
    let mut arguments = Arguments::from_args();
    // The tests watch the whole machine; two at a time would see each other.
    arguments.test_threads = Some(1);
    let no_bpf = obstacle("BPF", open().map(drop));
    let no_pool = no_bpf || obstacle("a pool", memtrace_tests::pool::find().map(drop));
    let mut trials = Vec::new();
    for (tests, skip) in
        [(signals::TESTS, no_bpf), (lifecycle::TESTS, no_bpf), (swap::TESTS, no_pool)]
    {
        trials.extend(tests.iter().map(|(name, test)| {
            Trial::test(*name, move || test().map_err(|error| Failed::from(format!("{error:#}"))))
                .with_ignored_flag(skip)
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Whether something is missing; if so, says why.
fn obstacle(what: &str, found: anyhow::Result<()>) -> bool {
    if let Err(error) = &found {
        println!("skipped: the tests that need {what}: {error:#}");
    }
    found.is_err()
}

/// The kernel side, as memtrace itself opens it.
pub fn open() -> anyhow::Result<Box<dyn KernelSide>> {
    probe::open(Path::new("/sys"), false)
}
