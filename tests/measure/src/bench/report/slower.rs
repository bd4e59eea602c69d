//! The table of programs that are slower, and what of that is firing alone.

use super::super::slowdown::{Round, Row};
use super::super::statistics::{Spread, ratio, spread};
use super::super::{Task, table::Table};
use super::{task, unknown};

/// A row for each benchmark and kind of task.
pub fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(
        2,
        &["benchmark", "task", "off", "on", "slower by", "95 % interval", "aim", "empty programs"],
    );
    for row in rows {
        let times = |time: fn(&Round) -> f64| row.rounds.iter().map(time).collect::<Vec<_>>();
        let than_off = |time: fn(&Round) -> f64| {
            ratio(&row.rounds.iter().map(|round| (round.off, time(round))).collect::<Vec<_>>())
        };
        let (slower, firing) = (than_off(|round| round.on), than_off(|round| round.empty));
        let most = if row.task == Task::Vm { 1.03 } else { 1.01 };
        table.row([
            row.load.to_owned(),
            task(row.task).to_owned(),
            milliseconds(&times(|round| round.off)),
            milliseconds(&times(|round| round.on)),
            slower.map_or_else(unknown, |ratio| percent(ratio.median)),
            slower.map_or_else(unknown, interval),
            slower.map_or_else(unknown, |ratio| judge(ratio, most).to_owned()),
            firing.map_or_else(unknown, |ratio| {
                format!("{} ({})", percent(ratio.median), interval(ratio))
            }),
        ]);
    }
    table
}

fn milliseconds(values: &[f64]) -> String {
    spread(values).map_or_else(unknown, |spread| format!("{:.0} ms", spread.median / 1e6))
}

fn percent(ratio: f64) -> String {
    format!("{:+.1} %", (ratio - 1.0) * 100.0)
}

fn interval(ratio: Spread) -> String {
    format!("{} to {}", percent(ratio.low), percent(ratio.high))
}

/// Whether a ratio is at most `most`, as far as its interval tells.
fn judge(ratio: Spread, most: f64) -> &'static str {
    match ratio {
        Spread { high, .. } if high <= most => "holds",
        Spread { low, .. } if low > most => "missed",
        _ => "open",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slower_program_is_reported_with_its_interval_and_with_what_firing_takes() {
        let round = Round { off: 100e6, empty: 101e6, on: 102e6 };
        let row = Row { load: "swap thrash", task: Task::Vm, rounds: vec![round; 9] };
        let text = table(&[row]).render();
        for wanted in [" +2.0 % to +2.0 % |", "holds", " +1.0 % (+1.0 % to +1.0 %)"] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
    }

    #[test]
    fn an_interval_on_both_sides_of_the_aim_decides_nothing() {
        let spread = |low, high| Spread { low, median: 1.0, high };
        assert_eq!(judge(spread(0.99, 1.005), 1.01), "holds");
        assert_eq!(judge(spread(1.02, 1.05), 1.01), "missed");
        assert_eq!(judge(spread(0.9, 1.2), 1.01), "open");
    }
}
