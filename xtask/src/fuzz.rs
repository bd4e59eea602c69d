//! `cargo xtask fuzz`: builds the fuzzers of tests/fuzz and runs them. With stable Rust and LLVM's
//! libFuzzer, which is what cargo-fuzz does with `--sanitizer none`.

use std::fs;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use memtrace_lab::outcome::Outcome;
use memtrace_lab::{child, interrupt, paths};

/// Of a target, in a full test run.
const SECONDS: u64 = 60;
/// Longest time for one input, in seconds by the clock: inputs take milliseconds, and a busy
/// machine may keep a fuzzer waiting.
const TIMEOUT: u32 = 60;
/// Most memory of a fuzzer, in MiB. A recording may take 600.
const MEMORY: u32 = 1024;
/// Longest inputs, in bytes, of targets for which libFuzzer's own limit (4 KiB, or the longest kept
/// input) only costs time: what a user types is short, and a few keys tell as much as all.
const LONGEST: [(&str, u32); 3] = [("configuration", 900), ("journal", 1500), ("texts", 320)];
/// What instruments the code, as cargo-fuzz has it.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module \
                     -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
                     -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Cllvm-args=-sanitizer-coverage-trace-compares";
/// Named, so that the flags are not those of build scripts and macros.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

#[derive(clap::Args)]
pub struct Arguments {
    /// Duration per target
    #[arg(long, default_value_t = SECONDS, conflicts_with = "runs")]
    seconds: u64,
    /// Number of inputs per target, instead of a duration
    #[arg(long)]
    runs: Option<u64>,
    /// Fuzz targets [default: all]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// How long a fuzzer runs.
#[derive(Clone, Copy, Debug)]
enum Budget {
    Seconds(u64),
    Runs(u64),
}

/// Runs the fuzzers, and prints how many inputs each tried.
///
/// # Errors
/// When they can't be built here or don't build, there is no such target, or one tried no input or
/// found one that breaks it.
pub fn run(arguments: &Arguments) -> Result<()> {
    interrupt::listen()?;
    if let Some(reason) = obstacle() {
        bail!("{reason}");
    }
    let all = targets()?;
    let wrong = arguments.targets.iter().find(|target| !all.contains(target));
    if let Some(wrong) = wrong {
        bail!("no target is called {wrong}; there are {}", all.join(", "));
    }
    let budget = arguments.runs.map_or(Budget::Seconds(arguments.seconds), Budget::Runs);
    let chosen = if arguments.targets.is_empty() { all } else { arguments.targets.clone() };
    let outcome = fuzz(&chosen, budget)?;
    ensure!(outcome.failed == 0, "{}", outcome.failures.join("\n"));
    Ok(())
}

/// The step of a full test run: all targets for a short time.
///
/// # Errors
/// When the fuzzers don't build.
pub fn step() -> Result<Outcome> {
    if let Some(reason) = obstacle() {
        return Ok(Outcome::skipped(reason));
    }
    fuzz(&targets()?, Budget::Seconds(SECONDS))
}

/// Why the fuzzers can't be built here.
fn obstacle() -> Option<&'static str> {
    if !cfg!(target_arch = "x86_64") {
        return Some("fuzzers are built for x86-64");
    }
    // As the build of libFuzzer chooses it.
    let compiler = std::env::var("CXX").unwrap_or_default();
    let compiler = compiler.split_whitespace().next().unwrap_or("c++");
    let found = Command::new(compiler).arg("--version").stdout(Stdio::null()).status();
    (!found.is_ok_and(|status| status.success())).then_some("libFuzzer needs a C++ compiler")
}

fn targets() -> Result<Vec<String>> {
    let folder = folder().join("fuzz_targets");
    let entries = fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
    let name = |path: PathBuf| Some(path.file_stem()?.to_str()?.to_owned());
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| name(entry.path())).collect();
    names.sort();
    ensure!(!names.is_empty(), "no fuzz target in {}", folder.display());
    Ok(names)
}

fn folder() -> PathBuf {
    paths::workspace().join("tests/fuzz")
}

/// The fuzzers, their findings and their corpora.
fn output() -> PathBuf {
    paths::target().join("fuzz")
}

/// Runs as many at a time as there are CPUs.
fn fuzz(targets: &[String], budget: Budget) -> Result<Outcome> {
    build()?;
    let queue = Mutex::new(targets.iter());
    let done = Mutex::new(Outcome::default());
    let worker = || -> Result<()> {
        loop {
            // Only the standard library runs while they are locked.
            let next = queue.lock().ok().and_then(|mut queue| queue.next());
            let Some(target) = next else { return Ok(()) };
            let outcome = one(target, budget)?;
            if let Ok(mut done) = done.lock() {
                done.absorb(outcome);
            }
        }
    };
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| -> Result<()> {
        let started: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        for one in started {
            one.join().unwrap_or_else(|_| bail!("a worker panicked"))?;
        }
        Ok(())
    })?;
    Ok(done.into_inner().unwrap_or_default())
}

fn build() -> Result<()> {
    let mut command = Command::new("cargo");
    command.current_dir(paths::workspace()).stdin(Stdio::null());
    command.args(["build", "--quiet", "--locked", "--profile", "fuzz", "--target", PLATFORM]);
    command.args(["--package", "memtrace-fuzz", "--features", "libfuzzer", "--bins"]);
    command.env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", output());
    ensure!(child::status(&mut command)?.success(), "the fuzzers don't build");
    Ok(())
}

fn one(target: &str, budget: Budget) -> Result<Outcome> {
    let findings = output().join("findings").join(target);
    let corpus = output().join("corpus").join(target);
    fs::create_dir_all(&findings)?;
    fs::create_dir_all(&corpus)?;
    let mut command = Command::new(output().join(PLATFORM).join("fuzz").join(target));
    // New inputs go to the first folder.
    command.arg(&corpus).arg(folder().join("corpus").join(target));
    command.arg(match budget {
        Budget::Seconds(seconds) => format!("-max_total_time={seconds}"),
        Budget::Runs(runs) => format!("-runs={runs}"),
    });
    if let Some((_, longest)) = LONGEST.iter().find(|(name, _)| *name == target) {
        command.arg(format!("-max_len={longest}"));
    }
    command.arg(format!("-timeout={TIMEOUT}")).arg(format!("-rss_limit_mb={MEMORY}"));
    command.arg(format!("-artifact_prefix={}/", findings.display()));
    command.arg("-print_final_stats=1").stdin(Stdio::null());
    // Its messages are on standard error.
    let path = output().join(format!("{target}.log"));
    let log = fs::File::create(&path).context("make the log")?;
    let status = child::status(command.stdout(Stdio::null()).stderr(log))?;
    let log = fs::read(&path).context("read the log")?;
    let (inputs, coverage) = figures(&String::from_utf8_lossy(&log));
    println!("{target}: {inputs} inputs, {coverage} edges");
    Ok(match verdict(status.success(), inputs) {
        Ok(()) => Outcome::passed(1),
        Err(why) => {
            let (log, findings) = (path.display(), findings.display());
            let failure = format!("{target}: {why}; see {log} and {findings}");
            Outcome { failures: vec![failure], ..Outcome::failed(1) }
        }
    })
}

/// A fuzzer that tried nothing has shown nothing.
fn verdict(ended_well: bool, inputs: u64) -> Result<(), &'static str> {
    match (ended_well, inputs) {
        (false, _) => Err("it failed"),
        (true, 0) => Err("it tried no input"),
        (true, _) => Ok(()),
    }
}

/// Inputs that were tried, and covered edges, from a fuzzer's messages: `#512  NEW  cov: 90 ft: ..`
/// and `stat::number_of_executed_units: 512`.
fn figures(log: &str) -> (u64, u64) {
    let number = |text: &str| text.split_whitespace().next()?.parse().ok();
    let after = |key| log.rsplit_once(key).and_then(|(_, rest)| number(rest)).unwrap_or(0);
    (after("stat::number_of_executed_units:"), after("cov:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fuzzers_figures_are_its_last() {
        let log = "#2\tINITED cov: 90 ft: 91 corp: 1/1b exec/s: 0 rss: 30Mb\n\
                   #512\tDONE   cov: 123 ft: 140\nstat::number_of_executed_units: 512\n";
        assert_eq!(figures(log), (512, 123));
        assert_eq!(figures("error"), (0, 0));
    }

    #[test]
    fn a_fuzzer_that_tried_nothing_has_not_passed() {
        assert_eq!(verdict(true, 512), Ok(()));
        assert_eq!(verdict(true, 0), Err("it tried no input"));
        assert_eq!(verdict(false, 512), Err("it failed"));
    }
}
