//! What two runs amount to: how the guest that needs its memory by day fared while memtrace
//! looked on, and while it acted. Pure.

use std::fmt;

use memtrace_lab_host::roles::WEB;
use memtrace_lab_host::series::{OfOne, Point};

use super::run::Run;

/// From the first batch to the end of the day's work: what it suffers is of this time.
const SUFFERED: [&str; 2] = ["night", "day"];
/// By this factor stall and swap-ins have to fall.
const FACTOR: f64 = 10.0;
/// Share of the taken memory that has to be back after a while of calm.
const BACK: f64 = 0.5;

/// Of the lab: this machine, or a host of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabLevel {
    One,
    Two,
}

impl LabLevel {
    /// How long a guest waited for memory, where the level shows it best: on level 1 without
    /// fentry memtrace sees no wait for swap's disk, and the kernel counts as pressure only
    /// what is missed again soon (mm/page_io.c, `folio_test_workingset`).
    pub fn waited(self) -> fn(&OfOne) -> Option<f64> {
        match self {
            Self::One => |guest| guest.reclaiming,
            Self::Two => |guest| guest.stalled,
        }
    }
}

/// What is wanted of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Demand {
    /// It falls to a tenth. Inconclusive where it was below `least` without memtrace.
    Falls { least: f64 },
    /// It is 0 while memtrace acts.
    Never,
    /// Nothing: it is there to be read.
    Told,
}

/// One number of both runs. `None`: not known.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub what: &'static str,
    pub source: &'static str,
    pub unit: &'static str,
    pub observed: Option<f64>,
    pub enforced: Option<f64>,
    pub demand: Demand,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub rows: Vec<Row>,
    /// MiB that memtrace had taken from all guests at most, and what of it was back at the
    /// end.
    pub taken: f64,
    pub back: f64,
    /// Seconds of calm after the load.
    pub calm: f64,
    /// What is wrong, a sentence each. Empty: it relieves.
    pub problems: Vec<String>,
}

impl Verdict {
    pub fn of(level: LabLevel, observe: &Run, enforce: &Run) -> Self {
        let rows = rows(level, observe, enforce);
        let (taken, back) = returned(enforce);
        let mut problems: Vec<String> = [observe, enforce]
            .iter()
            .filter_map(|run| Some(format!("{}: {}", run.mode.word(), run.failed.as_ref()?)))
            .collect();
        problems.extend(rows.iter().filter_map(Row::problem));
        if taken <= 0.0 {
            problems.push("nothing was taken from any guest".to_owned());
        } else if back < taken * BACK {
            problems.push(format!("of {taken:.0} MiB that were taken only {back:.0} are back"));
        }
        Self { rows, taken, back, calm: calm(enforce), problems }
    }
}

impl Row {
    /// How many times less it is while memtrace acts; infinite where it is 0.
    pub fn factor(&self) -> Option<f64> {
        let (observed, enforced) = (self.observed?, self.enforced?);
        (observed > 0.0).then(|| observed / enforced)
    }

    fn problem(&self) -> Option<String> {
        let Self { what, source, observed, enforced, demand, .. } = self;
        let (Some(observed), Some(enforced)) = (*observed, *enforced) else {
            return (*demand != Demand::Told).then(|| format!("{what} ({source}): not known"));
        };
        let fell = enforced * FACTOR <= observed;
        let text = match *demand {
            Demand::Falls { least } if observed < least => {
                format!("{observed:.2} is too little to learn from")
            }
            Demand::Falls { .. } if !fell => {
                format!("{observed:.2} fell to no less than {enforced:.2}")
            }
            Demand::Never if enforced > 0.0 => format!("{enforced:.0} while memtrace acted"),
            Demand::Falls { .. } | Demand::Never | Demand::Told => return None,
        };
        Some(format!("{what} ({source}): {text}"))
    }
}

type Pick = fn(&Point) -> Option<f64>;

fn rows(level: LabLevel, observe: &Run, enforce: &Run) -> Vec<Row> {
    let seconds = Demand::Falls { least: 1.0 };
    let amount = Demand::Falls { least: 64.0 };
    // On level 2 kernel workers wait for swap in the guest's place: asynchronous faults, which
    // the kernel counts as pressure of the host and not of the guest's cgroup.
    let (slow, seen) = match level {
        LabLevel::One => (seconds, Demand::Told),
        LabLevel::Two => (Demand::Told, seconds),
    };
    let all: [(&str, &str, &str, Demand, Pick); 10] = [
        ("waited in reclaim, on level 1 for swap too", "delay accounting", "s", slow, |point| {
            web(point)?.reclaiming
        }),
        ("waited for memory", "memtrace", "s", seen, |point| web(point)?.stalled),
        ("waited for memory", "PSI of its cgroup", "s", Demand::Told, |point| web(point)?.pressure),
        ("came back from swap", "memtrace", "MiB", amount, |point| web(point)?.swapped_in),
        ("came back from swap", "memory.stat", "MiB", amount, |point| web(point)?.refaulted),
        ("major faults", "memory.stat", "", Demand::Told, |point| {
            Some(web(point)?.major_faults? as f64)
        }),
        ("the host read from swap", "vmstat", "MiB", Demand::Told, |point| point.host.swapped_in),
        ("the host wrote to swap", "vmstat", "MiB", Demand::Told, |point| point.host.swapped_out),
        ("tasks of host or pool waited", "PSI", "s", seen, |point| point.host.pressure),
        ("killed for want of memory", "vmstat", "", Demand::Never, |point| {
            Some(point.host.killed? as f64)
        }),
    ];
    let grown = all.into_iter().map(|(what, source, unit, demand, pick)| Row {
        what,
        source,
        unit,
        observed: growth(observe, pick),
        enforced: growth(enforce, pick),
        demand,
    });
    let awake = Row {
        what: "until it had walked over its memory once by day",
        source: "the guest",
        unit: "s",
        observed: awake(observe),
        enforced: awake(enforce),
        demand: Demand::Told,
    };
    grown.chain([awake]).collect()
}

pub fn web(point: &Point) -> Option<&OfOne> {
    point.guests.iter().find(|guest| guest.name == WEB)
}

/// From the last moment before the night to the last of the day.
fn growth(run: &Run, pick: Pick) -> Option<f64> {
    let first = run.points.iter().rposition(|point| point.phase == "before")?;
    let last = run.points.iter().rposition(|point| SUFFERED.contains(&point.phase.as_str()))?;
    Some(pick(run.points.get(last)?)? - pick(run.points.get(first)?)?)
}

/// Seconds of the day until it had touched as much as it had before.
fn awake(run: &Run) -> Option<f64> {
    let touched = |point: &Point| web(point)?.touched;
    let own = touched(run.points.iter().rfind(|point| point.phase == "before")?)?;
    let night = run.points.iter().rfind(|point| point.phase == "night")?;
    let from = touched(night)?;
    let mut day = run.points.iter().filter(|point| point.phase == "day");
    let done = day.find(|point| touched(point).is_some_and(|now| now - from >= own))?;
    Some(done.at - night.at)
}

/// MiB that the others lacked at most, and what of it they had again at the end.
fn returned(run: &Run) -> (f64, f64) {
    let sizes = |point: &Point| {
        let others = point.guests.iter().filter(|guest| guest.name != WEB);
        others.map(|guest| guest.size).sum::<Option<f64>>()
    };
    let all: Vec<f64> = run.points.iter().filter_map(sizes).collect();
    let (Some(first), Some(last)) = (all.first(), all.last()) else { return (0.0, 0.0) };
    let least = all.iter().copied().fold(f64::INFINITY, f64::min);
    (first - least, last - least)
}

/// Seconds from the first moment of the calm to the last.
fn calm(run: &Run) -> f64 {
    let mut at = run.points.iter().filter(|point| point.phase == "calm").map(|point| point.at);
    let first = at.next();
    first.zip(at.next_back()).map_or(0.0, |(first, last)| last - first)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            let number = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.2}"));
            let (observed, enforced) = (number(row.observed), number(row.enforced));
            let Row { what, source, unit, .. } = row;
            writeln!(f, "{what:<50} {source:<18} {observed:>10} {enforced:>10} {unit}")?;
        }
        writeln!(
            f,
            "taken at most {:.0} MiB, back {:.0} MiB after {:.0} s of calm",
            self.taken, self.back, self.calm
        )?;
        match self.problems.as_slice() {
            [] => writeln!(f, "it relieves"),
            problems => problems.iter().try_for_each(|problem| writeln!(f, "WRONG: {problem}")),
        }
    }
}

#[cfg(test)]
mod tests;
