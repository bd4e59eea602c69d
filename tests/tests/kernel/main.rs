//! memtrace's programs on the running kernel, with stand-ins for VMs. Needs BPF; where
//! that isn't to be had, each test says so and counts as skipped.

mod lifecycle;
mod signals;

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
    let obstacle = open().err().map(|error| format!("{error:#}"));
    if let Some(reason) = &obstacle {
        println!("skipped, because BPF can't be used here: {reason}");
    }
    let tests: Vec<(&str, Test)> = [signals::TESTS, lifecycle::TESTS].concat();
    let trials = tests
        .into_iter()
        .map(|(name, test)| {
            Trial::test(name, move || test().map_err(|error| Failed::from(format!("{error:#}"))))
                .with_ignored_flag(obstacle.is_some())
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The kernel side, as memtrace itself opens it.
pub fn open() -> anyhow::Result<Box<dyn KernelSide>> {
    probe::open(Path::new("/sys"), false)
}
