//! Further scenes on this machine, each without memtrace and with it: roles that swap, with
//! programs that allocate anyway and with ones that ask first, and a hot page cache beside
//! bursts. What is compared is not only who waited, but what was done meanwhile: a guest that is
//! refused its memory waits for nothing.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use memtrace_core::sim::Scenario;
use memtrace_lab::{paths, progress};
use serde::{Deserialize, Serialize};

use super::run::Mode;
use crate::live::{self, LiveRun, OfGuest, Rule};

/// Names of the scenes, as of their files.
pub const SCENES: [&str; 3] = ["turns", "turns-asking", "cache"];

/// With memtrace at least such a part of the work is to be done.
const WORK: f64 = 0.95;
/// Seconds by which two runs of the same differ on a machine that others use, and the part.
const NOISE_SECONDS: f64 = 1.0;
const NOISE: f64 = 1.05;

/// A scene without memtrace and with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    pub about: String,
    observe: LiveRun,
    enforce: LiveRun,
}

/// Runs a scene, or takes runs of the last time.
///
/// # Errors
/// When a run fails, none was kept, or the user interrupts.
pub fn pair(name: &str, memtrace: Option<&Path>, runs: impl Fn(Mode) -> bool) -> Result<Pair> {
    let folder = paths::workspace().join("tests/measure/scenes");
    let path = folder.join(format!("{name}.toml"));
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let scenario = Scenario::parse(name, &text)?;
    let once = |mode: Mode, rule| match memtrace {
        Some(memtrace) if runs(mode) => {
            progress::say(&format!("{name}, {}", mode.word()));
            keep(name, mode, live::run(&scenario, rule, memtrace)?)
        }
        _ => kept(name, mode),
    };
    Ok(Pair {
        observe: once(Mode::Observe, Rule::Looks)?,
        enforce: once(Mode::Enforce, Rule::Memtrace)?,
        about: scenario.about,
    })
}

/// Writes docs/relief-scenes.md.
///
/// # Errors
/// When it can't be written.
pub fn write(pairs: &[(&str, Pair)]) -> Result<()> {
    let path = paths::workspace().join("docs/relief-scenes.md");
    fs::write(&path, page(pairs)).with_context(|| format!("write {}", path.display()))
}

fn page(pairs: &[(&str, Pair)]) -> String {
    let mut text = String::from(HEAD);
    for (name, pair) in pairs {
        let run = &pair.enforce;
        let told = |text: &Option<String>| text.clone().unwrap_or("unknown".to_owned());
        let (kernel, date) = (told(&run.kernel), told(&run.date));
        text.push_str(&format!("\n## {name}, {kernel}, {date}\n\n{}\n\n", pair.about));
        text.push_str(&pair.table());
        for problem in pair.problems() {
            text.push_str(&format!("\n**Missed**: {problem}.\n"));
        }
    }
    text
}

const HEAD: &str = "\
# Work done, and waits

Written by `cargo xtask relief turns turns-asking cache --write`; not edited by hand.

Further scenes beside [relief.md](relief.md): three plain qemu guests of 1 GiB share a memory cgroup
of 2 GiB on a machine with two CPUs, which emulate them, for 240 s. Each may read 16 MiB a second
from swap. Scenes are files that the simulator reads as well (`tests/measure/scenes`); the guests'
programs follow their loads. Once memtrace looks on, once it acts, with the same configuration as
there.

A guest that does without memory waits for nothing. So what is demanded is not less waiting alone:
at least 95 % of the work (memory touched) that is done without memtrace, no turn refused,
allocation failed or process killed that isn't without it, and nobody may wait longer (by more than
1 s and 5 %). *Waited within* is the guest's own PSI: its programs waited for their kernel, for
files that were cached, say.
";

fn keep(name: &str, mode: Mode, run: LiveRun) -> Result<LiveRun> {
    let path = file(name, mode);
    fs::create_dir_all(path.parent().unwrap_or(&path))?;
    fs::write(&path, serde_json::to_string(&run)?).context("keep the run")?;
    Ok(run)
}

fn kept(name: &str, mode: Mode) -> Result<LiveRun> {
    let path = file(name, mode);
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    Ok(serde_json::from_str(&text)?)
}

fn file(name: &str, mode: Mode) -> PathBuf {
    paths::target().join("lab/relief").join(format!("{name}-{}.json", mode.word()))
}

/// A number of all guests or of one.
type Pick = fn(&OfGuest) -> Option<f64>;
type Count = fn(&OfGuest) -> Option<u64>;

const ROWS: [(&str, &str, Pick); 7] = [
    ("waited for the host, s", "delay accounting", |guest| guest.waited),
    ("waited within, s", "the guest's PSI", |guest| guest.waited_within),
    ("memory touched, GiB", "the guest", |guest| Some(guest.touched? / 1024.0)),
    ("refused turns", "the guest", |guest| Some(guest.refused? as f64)),
    ("failed allocations and OOM kills", "the guest", |guest| {
        Some(guest.failed? as f64 + guest.guest_ooms? as f64)
    }),
    ("the guest's major faults", "the guest", |guest| Some(guest.guest_faults? as f64)),
    ("major faults on the host", "memory.stat", |guest| Some(guest.major_faults? as f64)),
];

impl Pair {
    /// What was demanded and not reached, in words.
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> =
            [&self.observe, &self.enforce].iter().filter_map(|run| run.failed.clone()).collect();
        if problems.is_empty() {
            problems.extend(self.work());
            problems.extend(self.refusals());
            problems.extend(self.waits());
        }
        problems
    }

    fn work(&self) -> Option<String> {
        let touched = |run: &LiveRun| run.sum(|guest| guest.touched);
        let Some((without, with)) = touched(&self.observe).zip(touched(&self.enforce)) else {
            return Some("what guests touched is not known".to_owned());
        };
        (with < WORK * without).then(|| {
            let percent = with / without * 100.0;
            format!("only {percent:.0} % of the work without memtrace were done")
        })
    }

    fn refusals(&self) -> Vec<String> {
        let counts: [(&str, Count); 3] = [
            ("turns refused", |guest| guest.refused),
            ("allocations failed", |guest| guest.failed),
            ("processes killed in guests", |guest| guest.guest_ooms),
        ];
        let more = counts.into_iter().filter_map(|(what, pick)| {
            let (without, with) = (self.observe.count(pick), self.enforce.count(pick));
            let (Some(without), Some(with)) = (without, with) else {
                return Some(format!("{what}: not known"));
            };
            (with > without).then(|| format!("{with} {what}, without memtrace {without}"))
        });
        more.collect()
    }

    /// No guest may be slower, and all together have to wait less.
    fn waits(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let guests = self.observe.guests.iter().zip(&self.enforce.guests);
        for (without, with) in guests {
            let Some((before, after)) = waited(without).zip(waited(with)) else { continue };
            if after > before * NOISE + NOISE_SECONDS {
                let name = &without.name;
                problems.push(format!("{name} waited {after:.1} s, without memtrace {before:.1}"));
            }
        }
        let all = |run: &LiveRun| run.sum(waited);
        if let Some((before, after)) = all(&self.observe).zip(all(&self.enforce))
            && after >= before
            && before > NOISE_SECONDS
        {
            problems.push(format!("all waited {after:.1} s, without memtrace {before:.1}"));
        }
        problems
    }

    /// As a table of Markdown.
    pub fn table(&self) -> String {
        let mut text =
            String::from("| all guests | told by | without | with |\n|---|---|--:|--:|\n");
        let mut row = |what: &str, source: &str, [without, with]: [Option<f64>; 2]| {
            let (without, with) = (digits(without), digits(with));
            text.push_str(&format!("| {what} | {source} | {without} | {with} |\n"));
        };
        let both = [&self.observe, &self.enforce];
        for (what, source, pick) in ROWS {
            row(what, source, both.map(|run| run.sum(pick)));
        }
        row("the host read from swap, MiB", "vmstat", both.map(|run| run.swapped_in));
        row("the host wrote to swap, MiB", "vmstat", both.map(|run| run.swapped_out));
        row("tasks of the pool waited, s", "PSI", both.map(|run| run.pressure));
        for (number, guest) in self.observe.guests.iter().enumerate() {
            let of = |run: &LiveRun| run.guests.get(number).and_then(waited);
            row(&format!("`{}` waited in all, s", guest.name), "both", both.map(of));
        }
        row("load average of the machine", "/proc/loadavg", both.map(|run| run.load_average[1]));
        text
    }
}

/// For the host and within.
fn waited(guest: &OfGuest) -> Option<f64> {
    Some(guest.waited? + guest.waited_within?)
}

/// As many as say something.
fn digits(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.abs() >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.2}"),
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.about)?;
        write!(f, "{}", self.table())?;
        for problem in self.problems() {
            writeln!(f, "MISSED: {problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(waited: f64, touched: f64, refused: u64) -> OfGuest {
        OfGuest {
            name: "a".to_owned(),
            waited: Some(waited),
            waited_within: Some(0.0),
            touched: Some(touched),
            refused: Some(refused),
            failed: Some(0),
            guest_ooms: Some(0),
            ..OfGuest::default()
        }
    }

    fn problems(without: OfGuest, with: OfGuest) -> Vec<String> {
        let run = |guest| LiveRun { guests: vec![guest], ..LiveRun::default() };
        Pair { about: String::new(), observe: run(without), enforce: run(with) }.problems()
    }

    #[test]
    fn less_waiting_with_the_work_done_is_good() {
        assert_eq!(problems(guest(40.0, 1000.0, 0), guest(7.0, 960.0, 0)), [""; 0]);
    }

    #[test]
    fn work_not_done_is_no_relief() {
        let missed = problems(guest(40.0, 1000.0, 0), guest(0.0, 300.0, 8));
        let expected = [
            "only 30 % of the work without memtrace were done",
            "8 turns refused, without memtrace 0",
        ];
        assert_eq!(missed, expected);
    }

    #[test]
    fn nobody_may_be_slower() {
        let missed = problems(guest(10.0, 1000.0, 0), guest(20.0, 1000.0, 0));
        let expected =
            ["a waited 20.0 s, without memtrace 10.0", "all waited 20.0 s, without memtrace 10.0"];
        assert_eq!(missed, expected);
        let unknown = OfGuest { touched: None, ..guest(1.0, 1.0, 0) };
        assert_eq!(problems(unknown, guest(1.0, 1.0, 0))[0], "what guests touched is not known");
    }

    #[test]
    fn the_page_says_what_was_missed() {
        let run = |guest| LiveRun { guests: vec![guest], ..LiveRun::default() };
        let (observe, enforce) = (run(guest(9.0, 10.0, 0)), run(guest(1.0, 10.0, 2)));
        let page = page(&[("turns", Pair { about: "Turns.".to_owned(), observe, enforce })]);
        assert!(page.contains("## turns, unknown, unknown\n\nTurns.\n\n| all guests"), "{page}");
        assert!(page.contains("**Missed**: 2 turns refused, without memtrace 0."), "{page}");
    }

    #[test]
    fn the_table_says_what_is_not_known() {
        let run = LiveRun { guests: vec![guest(1.5, 2048.0, 3)], ..LiveRun::default() };
        let pair = Pair { about: String::new(), observe: run.clone(), enforce: run };
        let table = pair.table();
        assert!(table.contains("| memory touched, GiB | the guest | 2 | 2 |"), "{table}");
        assert!(table.contains("| the guest's major faults | the guest | - | - |"), "{table}");
        assert!(table.contains("| `a` waited in all, s | both | 1.50 | 1.50 |"), "{table}");
    }
}
