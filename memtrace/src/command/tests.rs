//! Command lines are understood, or refused with a useful message.

use std::ffi::OsStr;
use std::time::Duration;

use clap::CommandFactory;

use super::check::args::CheckArguments;
use super::metrics::args::{MetricsArguments, MetricsForm};
use super::record::args::RecordArguments;
use super::top::args::TopArguments;
use super::*;
use crate::cli::ColorChoice;
use crate::command::check::range::Range;
use memtrace_core::filter::Filter;
use memtrace_core::units::Bytes;
use memtrace_view::columns::{self, ColumnId, Sort};

fn top(arguments: &[&str]) -> Result<TopArguments, clap::Error> {
    let typed = ["memtrace", "top"].into_iter().chain(arguments.iter().copied());
    match Arguments::try_parse_from(typed)?.command {
        Some(Command::Top(arguments)) => Ok(arguments),
        other => panic!("not top: {other:?}"),
    }
}

fn refusal(arguments: &[&str]) -> String {
    top(arguments).expect_err("it is refused").to_string()
}

#[test]
fn the_description_of_the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn nothing_typed_means_the_defaults() {
    let top = top(&[]).expect("it is accepted");
    assert_eq!(format!("{top:?}"), format!("{:?}", TopArguments::default()));
}

#[test]
fn intervals_from_a_tenth_to_a_minute_are_accepted() {
    for (text, millis) in [("0.1", 100), ("2.5", 2500), ("60", 60_000)] {
        let top = top(&["--interval", text]).expect("it is accepted");
        assert_eq!(top.look.interval, Duration::from_millis(millis));
    }
    for text in ["0", "0.09", "61", "-1", "nan", "inf", "1e300", "soon", ""] {
        let error = refusal(&[&format!("--interval={text}")]);
        assert!(error.contains("from 100ms to 1min"), "{text}: {error}");
    }
}

#[test]
fn short_options_are_those_of_top() {
    let typed = top(&["-d", "5", "-b", "-p", "web"]).expect("it is accepted");
    assert_eq!((typed.look.interval, typed.print.plain), (Duration::from_secs(5), true));
    assert_eq!(typed.filter().as_ref().map(Filter::expression), Some("web"));
    assert!(top(&["-p", "web", "--filter", "x"]).is_err());
}

#[test]
fn a_recording_is_that_of_the_usual_place_everywhere() {
    let usual = std::path::Path::new(memtrace_store::recording::DIRECTORY);
    let other = std::path::Path::new("/x");
    let of = |typed: &[&str]| {
        let typed = ["memtrace"].into_iter().chain(typed.iter().copied());
        match Arguments::try_parse_from(typed).expect("it is accepted").command {
            Some(Command::Top(top)) => top.replay,
            Some(Command::Export(export)) => Some(export.path),
            Some(Command::Report(report)) => Some(report.path),
            Some(Command::Advise(advise)) => Some(advise.recording),
            Some(Command::Record(record)) => Some(record.directory().to_owned()),
            Some(Command::Simulate(simulate)) => simulate.replay.or(simulate.from_recording),
            other => panic!("no command with a recording: {other:?}"),
        }
    };
    for typed in [
        &["top", "--replay"][..],
        &["export"],
        &["report", "-o", "-"],
        &["advise"],
        &["record"],
        &["simulate", "--replay"],
        &["simulate", "--from-recording"],
    ] {
        assert_eq!(of(typed).as_deref(), Some(usual), "{typed:?}");
    }
    for typed in [
        &["top", "--replay", "/x"][..],
        &["top", "--recording", "/x"],
        &["export", "/x"],
        &["report", "/x", "-o", "-"],
        &["advise", "--recording", "/x"],
        &["advise", "--dir", "/x"],
        &["record", "/x"],
        &["record", "--dir", "/x"],
        &["simulate", "--replay", "/x"],
        &["simulate", "--from-recording", "/x"],
    ] {
        assert_eq!(of(typed).as_deref(), Some(other), "{typed:?}");
    }
}

#[test]
fn a_column_that_does_not_exist_is_answered_with_those_that_do() {
    let error = refusal(&["--sort", "nonsense"]);
    for column in columns::all() {
        assert!(error.contains(column.name), "{error}");
    }
}

#[test]
fn a_bad_filter_says_what_is_wrong_with_it() {
    let error = refusal(&["--filter", "web("]);
    assert!(error.contains("unclosed group"), "{error}");
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    for pair in [["--json", "--plain"], ["--once", "--count=2"]] {
        assert!(top(&pair).is_err(), "{pair:?}");
    }
    assert!(top(&["--count", "0"]).is_err());
}

#[test]
fn a_direction_may_follow_the_column() {
    let top = top(&["--sort", "caused:asc"]).expect("it is accepted");
    assert_eq!(top.sort, Sort { column: ColumnId::Caused, descending: false });
}

#[test]
fn colours_follow_the_choice_then_no_color_then_the_terminal() {
    let set = Some(OsStr::new("1"));
    let empty = Some(OsStr::new(""));
    assert!(ColorChoice::Always.wanted(false, set));
    assert!(!ColorChoice::Never.wanted(true, None));
    assert!(ColorChoice::Auto.wanted(true, None));
    assert!(ColorChoice::Auto.wanted(true, empty));
    assert!(!ColorChoice::Auto.wanted(true, set));
    assert!(!ColorChoice::Auto.wanted(false, None));
}

#[test]
fn a_recording_has_its_time_and_its_bounds() {
    let record = |arguments: &[&str]| {
        let typed = ["memtrace", "record"].into_iter().chain(arguments.iter().copied());
        match Arguments::try_parse_from(typed)?.command {
            Some(Command::Record(arguments)) => Ok(arguments),
            other => panic!("not record: {other:?}"),
        }
    };
    let usual = record(&[]).expect("it is accepted");
    assert_eq!((usual.duration, usual.max_size), (None, Bytes(1 << 30)));
    for (text, mib) in [("100", 100), ("2GiB", 2048), ("1.5 G", 1536), ("8MiB", 8)] {
        let typed = record(&["--max-size", text]).expect("it is accepted");
        assert_eq!(typed.max_size, Bytes(mib << 20), "{text}");
    }
    for (text, seconds) in [("20s", 20), ("90m", 5400), ("24h", 86_400), ("1h30m", 5400)] {
        let typed = record(&["--for", text]).expect("it is accepted");
        assert_eq!(typed.duration, Some(Duration::from_secs(seconds)), "{text}");
    }
    for wrong in [
        ["--for", "0s"],
        ["--for", "-1h"],
        ["--for", "soon"],
        ["--max-size", "7"],
        ["--max-size", "soon"],
        ["--max-size", "99999T"],
    ] {
        let refused: Result<RecordArguments, clap::Error> = record(&wrong);
        assert!(refused.is_err(), "{wrong:?}");
    }
}

#[test]
fn a_threshold_has_a_metric_that_there_is_and_a_range() {
    let check = |arguments: &[&str]| {
        let typed = ["memtrace", "check"].into_iter().chain(arguments.iter().copied());
        match Arguments::try_parse_from(typed)?.command {
            Some(Command::Check(arguments)) => Ok(arguments),
            other => panic!("not check: {other:?}"),
        }
    };
    let typed = check(&["web", "-w", "swap_in=2", "-w", "stalled=", "-c", "swap_in=@4:9"]);
    let typed = typed.expect("it is accepted");
    assert_eq!((typed.vm.as_deref(), typed.interval), (Some("web"), Duration::from_secs(2)));
    assert_eq!(
        typed.warning.iter().map(|one| one.range.is_some()).collect::<Vec<_>>(),
        [true, false]
    );
    for wrong in ["swap_in", "nonsense=1", "swap_in=x", "swap_in=9:4", "=1"] {
        let refused: Result<CheckArguments, clap::Error> = check(&["-c", wrong]);
        assert!(refused.is_err(), "{wrong}");
    }
}

#[test]
fn a_textfile_has_a_form_of_its_own_and_a_name_that_is_read() {
    let metrics = |arguments: &[&str]| {
        let typed = ["memtrace", "metrics"].into_iter().chain(arguments.iter().copied());
        match Arguments::try_parse_from(typed)?.command {
            Some(Command::Metrics(arguments)) => Ok(arguments),
            other => panic!("not metrics: {other:?}"),
        }
    };
    let usual = metrics(&[]).expect("it is accepted");
    assert_eq!((usual.interval, usual.format), (Duration::from_secs(2), MetricsForm::Openmetrics));
    let file = metrics(&["--textfile", "/a/b.prom"]).expect("it is accepted");
    assert_eq!(file.textfile, Some("/a/b.prom".into()));
    for wrong in [
        &["--textfile", "b.txt"][..],
        &["--textfile", ".prom"],
        &["--textfile", "b.prom", "--format", "prometheus"],
        &["--describe", "--textfile", "b.prom"],
    ] {
        let refused: Result<MetricsArguments, clap::Error> = metrics(wrong);
        assert!(refused.is_err(), "{wrong:?}");
    }
}

#[test]
fn a_stream_is_json_of_the_top_command() {
    let typed = ["memtrace", "stream", "--json", "-n", "3", "--interval", "5", "--filter", "^w"];
    let Some(Command::Stream(stream)) = Arguments::parse_from(typed).command else {
        panic!("not stream");
    };
    let top = TopArguments::from(stream);
    assert!(top.print.json && !top.print.once && !top.print.plain);
    assert_eq!((top.print.count, top.look.interval), (Some(3), Duration::from_secs(5)));
    assert_eq!(top.look.filter.as_ref().map(Filter::expression), Some("^w"));
}

/// The lines of a table in a help: what is named, and the ranges at the end of the line.
fn thresholds(help: &str, of_vm: bool) -> Vec<(String, Vec<String>)> {
    let (host, vm) = help.split_once("VM metrics:\n").expect("there are two tables");
    let table = if of_vm { vm } else { host };
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default().to_owned();
        let is_range = |word: &&str| word.parse::<Range>().is_ok();
        let mut ranges: Vec<String> = words.rev().take_while(is_range).map(str::to_owned).collect();
        ranges.reverse();
        (name, ranges)
    };
    let lines = table.lines().skip_while(|line| !line.starts_with("  "));
    lines.take_while(|line| line.starts_with("  ")).map(line).collect()
}

#[test]
fn the_help_of_check_tells_all_metrics_with_the_thresholds_that_hold() {
    use crate::command::check::metric::{Metric, of_host, of_vm};
    let snapshot = memtrace_core::fixture::demo();
    for (is_vm, values) in [(false, of_host(&snapshot.host)), (true, of_vm(&snapshot.vms[0]))] {
        let of = |metric: Metric| {
            let ranges = metric.defaults(is_vm).into_iter().flatten();
            (metric.name().to_owned(), ranges.map(|range| range.to_string()).collect())
        };
        let holds: Vec<(String, Vec<String>)> =
            values.iter().map(|value| of(value.metric)).collect();
        assert_eq!(thresholds(check::args::AFTER_HELP, is_vm), holds);
    }
}
