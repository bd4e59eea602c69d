//! `memtrace top --replay`: shows a recording instead of the live host.

use std::path::Path;

use anyhow::{Context, Result};
use jiff::tz::TimeZone;

use super::args::TopArguments;
use super::print::Form;
use super::{Mode, PATIENCE, form, view_options};
use crate::command::losses;
use crate::config::Config;
use crate::service::player::play;
use crate::service::terminal;
use crate::service::view_input::ViewInput;
use crate::sys::interrupt::Interrupt;
use crate::sys::output;
use crate::sys::runtime;
use memtrace_core::live::Control;
use memtrace_core::replay::time::{self, Relative};
use memtrace_store::tape::{Shown, Tape, UNDECIDED};

/// Runs until the user quits, the end or the count is reached, or Ctrl-C.
///
/// # Errors
/// When nothing can be read of the recording, or the output can't be written.
pub(super) fn run(arguments: &TopArguments, path: &Path, mode: Mode) -> Result<()> {
    let mut tape = Tape::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    tape.steady();
    let Some(first) = begin(&mut tape, arguments.from.as_deref())? else {
        return Err(losses::no_samples(path, tape.losses()));
    };
    match form(mode, arguments) {
        None => view(arguments, tape, first),
        Some(form) => {
            let interrupt = Interrupt::watch()?;
            let count = arguments.print.most();
            let moments = std::iter::once(first).chain(&mut tape);
            let moments = moments.take_while(|_| interrupt.check().is_ok());
            let printed = all(moments, &form, count, output::print);
            losses::tell(tape.losses());
            if printed? == 0 && interrupt.check().is_ok() {
                tracing::warn!("nothing to print: {} has one sample from here", path.display());
            }
            Ok(())
        }
    }
}

/// The first record; `None`: the recording is empty.
fn begin(tape: &mut Tape, from: Option<&str>) -> Result<Option<Shown>> {
    let first = tape.next();
    let (Some(from), Some(shown)) = (from, &first) else { return Ok(first) };
    let to = time::parse(from, &TimeZone::system(), shown.snapshot.wall, Relative::Position);
    let to = to.map_err(|why| anyhow::anyhow!("--from {from}: {why}"))?;
    Ok(tape.go(to))
}

/// Prints `count` snapshots with rates, or all; gives how many there were.
fn all(
    moments: impl Iterator<Item = Shown>,
    form: &Form,
    count: Option<u64>,
    mut print: impl FnMut(&str) -> Result<()>,
) -> Result<usize> {
    let most = count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let with_rates = moments.filter(|shown| shown.snapshot.interval.is_some());
    let mut printed = 0;
    for mut shown in with_rates.take(most) {
        let decided = shown.decided();
        decided.aim(&mut shown.snapshot);
        let separator = if printed > 0 { form.separator() } else { "" };
        print(&format!("{separator}{}", form.encode(&shown.snapshot, &decided)?))?;
        printed += 1;
    }
    Ok(printed)
}

fn view(arguments: &TopArguments, tape: Tape, first: Shown) -> Result<()> {
    let config = match crate::config::chosen(arguments.look.config.as_deref()) {
        Err(error) if arguments.look.config.is_some() => return Err(error),
        config => config.unwrap_or_else(|_| Config::default()),
    };
    let runtime = runtime::current_thread()?;
    let control = Control { interval: arguments.look.interval, detail: None, stop: false };
    let (handle, remote) = play((tape, Some(first)), config.alert.rules(), control);
    let input = ViewInput::replayed(handle.clone(), remote, UNDECIDED.into());
    runtime.block_on(async {
        let result = terminal::run(input, view_options(arguments)).await;
        handle.stop(PATIENCE).await;
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Arguments, Command};
    use clap::Parser;
    use memtrace_core::fixture::samples;
    use memtrace_core::model::{Snapshot, derive};
    use memtrace_core::sample::Sample;
    use memtrace_store::recording::{Record, Writer};
    use memtrace_view::export::plain::PlainOptions;

    fn samples() -> Vec<Sample> {
        (1..=5).map(|second| samples::sample(second, vec![samples::vm("a", 7)])).collect()
    }

    /// A file of five seconds; in the last one there is a reaction.
    fn recorded(directory: &Path) -> Tape {
        let path = directory.join("a.mtrec");
        let mut writer = Writer::create(&path).expect("it can be made");
        for (number, sample) in samples().into_iter().enumerate() {
            let reaction =
                memtrace_core::fixture::observed().report().map(|told| told.reaction.clone());
            let reaction = reaction.filter(|_| number == 4);
            writer.push(Record { sample, reaction }).expect("it is written");
        }
        writer.close().expect("it is closed");
        Tape::open(&path).expect("it can be read")
    }

    fn printed(from: Option<&str>, count: Option<u64>, form: &Form) -> Vec<String> {
        let directory = tempfile::tempdir().expect("there is room");
        let mut tape = recorded(directory.path());
        let first = begin(&mut tape, from).expect("it begins");
        let mut texts = Vec::new();
        let add = |text: &str| {
            texts.push(text.to_owned());
            Ok(())
        };
        all(first.into_iter().chain(&mut tape), form, count, add).expect("it is printed");
        texts
    }

    fn json() -> Form {
        Form::Json {
            sort: memtrace_view::columns::Sort::default(),
            filter: None,
            keys: memtrace_view::export::stream::keys::Selection::default(),
        }
    }

    #[test]
    fn every_moment_that_has_rates_is_printed_as_it_would_have_been_live() {
        let texts = printed(None, None, &json());
        let samples = samples();
        let live: Vec<Snapshot> =
            samples.windows(2).map(|pair| derive(Some(&pair[0]), &pair[1])).collect();
        let read: Vec<Snapshot> =
            texts.iter().map(|text| serde_json::from_str(text).expect("it is one")).collect();
        let walls = |all: &[Snapshot]| all.iter().map(|one| one.wall).collect::<Vec<_>>();
        assert_eq!(walls(&read), walls(&live));
        assert_eq!(read[..3], live[..3]);
        assert!(texts[0].contains(UNDECIDED) && !texts[3].contains(UNDECIDED), "{texts:?}");
        assert!(texts[3].contains("\"soft\""), "{}", texts[3]);
    }

    #[test]
    fn it_begins_at_the_given_time_and_ends_with_the_count() {
        let texts = printed(Some("+3s"), Some(1), &Form::Plain(PlainOptions::default()));
        let [text] = &texts[..] else { panic!("{texts:?}") };
        assert!(text.contains("2023-11-14T22:13:24"), "{text}");
        assert_eq!(printed(Some("+1h"), None, &json()).len(), 1);
    }

    #[test]
    fn an_invalid_time_is_reported() {
        let directory = tempfile::tempdir().expect("there is room");
        let error = begin(&mut recorded(directory.path()), Some("soon")).expect_err("it is none");
        assert!(error.to_string().contains("--from soon: not a time"), "{error}");
    }

    #[test]
    fn from_needs_a_recording() {
        let parse = |options: &[&str]| {
            Arguments::try_parse_from(["memtrace", "top"].iter().chain(options)).map(
                |typed| matches!(typed.command, Some(Command::Top(top)) if top.replay.is_some()),
            )
        };
        assert!(parse(&["--from", "14:05"]).is_err());
        assert!(parse(&["--replay", "a", "--no-libvirt"]).is_err());
        assert_eq!(parse(&["--replay", "a", "--from=-1h"]).ok(), Some(true));
    }
}
