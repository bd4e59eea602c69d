//! docs/relief.md from the runs' verdicts. Pure but for the writing.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result};
use memtrace_lab::paths;
use memtrace_lab_host::roles::CONFIGURATION;

use super::place::Place;
use super::plot;
use super::run::Run;
use super::verdict::{Demand, Row, Verdict};

/// Two runs at one place.
pub struct Pair {
    pub place: Place,
    pub observe: Run,
    pub enforce: Run,
    pub verdict: Verdict,
}

/// Writes the page, and its pictures.
///
/// # Errors
/// When one can't be drawn or written.
pub fn write(pairs: &[Pair]) -> Result<()> {
    let docs = paths::workspace().join("docs");
    for (pair, picture) in pairs.iter().zip(pictures(pairs)) {
        if let Some(picture) = picture {
            let svg = plot::draw(pair.place.level(), &pair.observe, &pair.enforce)?;
            fs::write(docs.join(picture), svg).context("write the picture")?;
        }
    }
    fs::write(docs.join("relief.md"), page(pairs)).context("write the page")
}

/// The picture's file of each pair: of the first kernel, and of each kind of guests here.
fn pictures(pairs: &[Pair]) -> Vec<Option<String>> {
    let is_kernel = |pair: &Pair| matches!(pair.place, Place::Kernel(_));
    let first = pairs.iter().position(is_kernel);
    let of = |(number, pair): (usize, &Pair)| match pair.place {
        Place::Kernel(_) => (first == Some(number)).then(|| "relief.svg".to_owned()),
        Place::Host(_) => Some(format!("relief-{}.svg", pair.place.name())),
        Place::Scene(_) => None,
    };
    pairs.iter().enumerate().map(of).collect()
}

fn page(pairs: &[Pair]) -> String {
    let mut text = String::from(HEAD);
    for (pair, picture) in pairs.iter().zip(pictures(pairs)) {
        let Pair { place, observe, verdict, .. } = pair;
        let _ = writeln!(text, "\n## {}\n", place.title(observe));
        if matches!(place, Place::Host(_)) {
            let _ = writeln!(text, "{HERE}");
        }
        let _ = writeln!(text, "{}", table(verdict));
        let _ = writeln!(
            text,
            "memtrace took {:.0} MiB from the guests at most; {:.0} MiB of that were back after \
             {:.0} s of calm.",
            verdict.taken, verdict.back, verdict.calm
        );
        for problem in &verdict.problems {
            let _ = writeln!(text, "\n**Missed**: {problem}.");
        }
        if let Some(picture) = picture {
            let _ = writeln!(text, "\n![sizes, waiting, swap-ins, without and with]({picture})");
        }
    }
    let _ = write!(text, "\n## The configuration\n\n```toml\n{CONFIGURATION}```\n");
    text
}

fn table(verdict: &Verdict) -> String {
    let mut text =
        String::from("| web | told by | without | with | less by |\n|---|---|--:|--:|--:|\n");
    for row in &verdict.rows {
        let Row { what, source, unit, observed, enforced, demand } = row;
        let number = |value: &Option<f64>| {
            value.map_or("-".to_owned(), |value| format!("{} {unit}", digits(value)))
        };
        let factor = match (demand, row.factor()) {
            (Demand::Never, _) | (_, None) => String::new(),
            (_, Some(factor)) if factor.is_infinite() => "all of it".to_owned(),
            (_, Some(factor)) => format!("{factor:.1} x"),
        };
        let (observed, enforced) = (number(observed), number(enforced));
        let _ = writeln!(
            text,
            "| {what} | {source} | {} | {} | {factor} |",
            observed.trim_end(),
            enforced.trim_end()
        );
    }
    text
}

/// As many as say something.
fn digits(value: f64) -> String {
    if value.abs() >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

const HEAD: &str = "\
# Relief of real guests

Written by `cargo xtask relief PLACE... --write`; not edited by hand.

A host with 2 GiB and a swap disk runs four KVM guests of 1 GiB each, overcommitted twice
(level 2 of the lab: the host itself is emulated, so that times are long, and what counts
is one run against the other). `web` has touched 640 MiB that it needs by day, and leaves
them alone by night. By night each of the three others touches 420 MiB in its turn, keeps
them for 5 s, and gives them back to its own kernel. The host doesn't know of that: it keeps
them, is short, and swaps what was not touched for longest, which is what `web` needs. By
day `web` walks over its memory again. Then it is shut down, and it is calm.

Each kernel is booted twice: once `memtrace mitigate` looks on (without), once it acts
(`--enforce`). What `web` suffers is counted from the beginning of the night to the end of
the day. Waiting and what comes back from swap have to fall to a tenth; nobody may be
killed; when it is calm, memory has to return.
";

/// Of level 1.
const HERE: &str = "\
The same on a real machine (level 1 of the lab), in less time: `web` and three others of 1 GiB
each, emulated, share a memory cgroup of 2 GiB, which is memtrace's scope: that it is full is
what is to be relieved, for the machine has memory enough. Each guest may read 16 MiB a second
from swap. What tasks waited is the cgroup's PSI. It doesn't count waits for swap but of what is
missed again soon, and without fentry, as here, memtrace counts waits in reclaim alone; what
`web` waited in all is in the kernel's delay accounting.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn row(observed: f64, enforced: f64, demand: Demand) -> Row {
        let (observed, enforced) = (Some(observed), Some(enforced));
        Row { what: "waited", source: "PSI", unit: "s", observed, enforced, demand }
    }

    #[test]
    fn the_table_says_by_how_much_less_and_nothing_where_that_says_nothing() {
        let falls = Demand::Falls { least: 1.0 };
        let rows =
            vec![row(30.0, 1.5, falls), row(120.4, 0.0, falls), row(0.0, 0.0, Demand::Never)];
        let unknown = Row { enforced: None, ..row(2.0, 0.0, Demand::Told) };
        let verdict = Verdict {
            rows: rows.into_iter().chain([unknown]).collect(),
            taken: 1.0,
            back: 1.0,
            calm: 1.0,
            problems: Vec::new(),
        };
        let table = table(&verdict);
        let lines: Vec<&str> = table.lines().skip(2).collect();
        let expected = [
            "| waited | PSI | 30 s | 1.50 s | 20.0 x |",
            "| waited | PSI | 120 s | 0 s | all of it |",
            "| waited | PSI | 0 s | 0 s |  |",
            "| waited | PSI | 2 s | - |  |",
        ];
        assert_eq!(lines, expected);
    }
}
