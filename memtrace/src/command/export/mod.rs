//! `memtrace export`: a recording as rows, derived by the same code as live.

pub(crate) mod args;

use anyhow::{Context, Result};

use crate::command::losses;
use crate::sys::output;
use args::{ExportArguments, ExportFormat};
use memtrace_core::format::several;
use memtrace_store::tape::Tape;
use memtrace_view::export::rows;

/// Prints a whole recording; unreadable parts are reported on standard error.
///
/// # Errors
/// When nothing of it can be read, or the output can't be written.
pub fn run(arguments: &ExportArguments) -> Result<()> {
    let path = arguments.path.display();
    let mut tape = Tape::open(&arguments.path).with_context(|| format!("cannot read {path}"))?;
    let exported = export(&mut tape, arguments.format, output::print);
    if matches!(exported, Ok(Exported { samples: 0, .. })) {
        return Err(losses::no_samples(&arguments.path, tape.losses()));
    }
    losses::tell(tape.losses());
    let Exported { samples, rows } = exported?;
    if rows == 0 {
        let samples = several(samples, "sample");
        tracing::warn!("no rows: {path} has {samples}, and a row needs two samples of a VM");
    }
    Ok(())
}

/// Number of samples read, and of rows printed.
#[derive(Debug, Default)]
struct Exported {
    samples: u64,
    rows: u64,
}

fn export(
    tape: &mut Tape,
    format: ExportFormat,
    mut print: impl FnMut(&str) -> Result<()>,
) -> Result<Exported> {
    let mut exported = Exported::default();
    for mut shown in tape {
        if exported.samples == 0 && format == ExportFormat::Csv {
            print(&rows::csv_header()?)?;
        }
        exported.samples = exported.samples.saturating_add(1);
        shown.decided().aim(&mut shown.snapshot);
        // The first is only the base of the second's rates.
        if shown.snapshot.interval.is_none() || shown.snapshot.vms.is_empty() {
            continue;
        }
        let text = match format {
            ExportFormat::Jsonl => rows::json_lines(&shown.snapshot),
            ExportFormat::Csv => rows::csv(&shown.snapshot)?,
        };
        exported.rows = exported.rows.saturating_add(shown.snapshot.vms.len() as u64);
        print(&text)?;
    }
    Ok(exported)
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::fixture::samples;
    use memtrace_core::model::{Measured, derive};
    use memtrace_core::reactor::{Reaction, Target};
    use memtrace_core::sample::{Sample, VmSample};
    use memtrace_core::units::Bytes;
    use memtrace_store::recording::{Record, Writer};

    const TARGET: Bytes = Bytes(300 << 20);

    /// The sizes decided then, by VM.
    fn reaction(sample: &Sample) -> Reaction {
        let to = |vm: &VmSample| Target { vm: vm.id, to: TARGET, at: sample.wall, ordered: true };
        Reaction { targets: sample.vms.iter().map(to).collect(), ..Reaction::default() }
    }

    #[test]
    fn a_recording_gives_the_rows_that_were_live() {
        let directory = tempfile::tempdir().expect("there is room");
        let path = directory.path().join("a.mtrec");
        let mut writer = Writer::create(&path).expect("it can be made");
        let samples: Vec<Sample> =
            (1..4).map(|second| samples::sample(second, vec![samples::vm("a", 7)])).collect();
        for sample in &samples {
            let moment = Record { sample: sample.clone(), reaction: Some(reaction(sample)) };
            writer.push(moment).expect("it is written");
        }
        writer.close().expect("it is closed");
        for (format, lines) in [(ExportFormat::Jsonl, 2), (ExportFormat::Csv, 3)] {
            let mut tape = Tape::open(&path).expect("it can be read");
            let mut printed = String::new();
            let add = |text: &str| {
                printed.push_str(text);
                Ok(())
            };
            let exported = export(&mut tape, format, add).expect("it is printed");
            assert_eq!((exported.samples, exported.rows), (3, 2));
            assert_eq!(printed.lines().count(), lines);
            let mut live = derive(Some(&samples[1]), &samples[2]);
            live.vms[0].balloon_target = Measured::exact(TARGET);
            let last = match format {
                ExportFormat::Jsonl => rows::json_lines(&live),
                ExportFormat::Csv => rows::csv(&live).expect("it is text"),
            };
            assert!(printed.ends_with(&last), "{printed}");
        }
    }

    #[test]
    fn a_recording_without_vms_has_a_header_in_csv() {
        let directory = tempfile::tempdir().expect("there is room");
        let path = directory.path().join("a.mtrec");
        let mut writer = Writer::create(&path).expect("it can be made");
        for second in 1..4 {
            let sample = samples::sample(second, Vec::new());
            writer.push(Record { sample, reaction: None }).expect("it is written");
        }
        writer.close().expect("it is closed");
        let mut tape = Tape::open(&path).expect("it can be read");
        let mut printed = String::new();
        let add = |text: &str| {
            printed.push_str(text);
            Ok(())
        };
        let exported = export(&mut tape, ExportFormat::Csv, add).expect("it is printed");
        assert_eq!((exported.samples, exported.rows), (3, 0));
        assert!(printed.starts_with("unix_seconds,") && printed.lines().count() == 1, "{printed}");
    }
}
