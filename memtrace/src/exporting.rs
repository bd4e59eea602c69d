//! `memtrace export`: a recording as rows, by the same code that makes them live.

use anyhow::{Context, Result};

use crate::cli::{ExportArguments, ExportFormat};
use crate::export::rows;
use crate::model::derive;
use crate::output;
use crate::record::Recording;
use crate::sample::Sample;

/// Prints all of a recording; what could not be read of it is told on standard error.
///
/// # Errors
/// When nothing of it can be read, or the output can't be written.
pub fn run(arguments: &ExportArguments) -> Result<()> {
    let path = arguments.path.display();
    let mut recording =
        Recording::open(&arguments.path).with_context(|| format!("cannot read {path}"))?;
    let exported = export(&mut recording, arguments.format, output::print);
    for loss in recording.losses() {
        tracing::warn!("{loss}");
    }
    exported
}

fn export(
    recording: &mut Recording,
    format: ExportFormat,
    mut print: impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    let mut before: Option<Sample> = None;
    let mut is_first = true;
    for moment in recording {
        let snapshot = derive(before.as_ref(), &moment.sample);
        before = Some(moment.sample);
        // The first is only what the second is compared with.
        if snapshot.interval.is_none() || snapshot.vms.is_empty() {
            continue;
        }
        let text = match format {
            ExportFormat::Jsonl => rows::json_lines(&snapshot),
            ExportFormat::Csv => rows::csv(&snapshot, is_first),
        };
        is_first = false;
        print(&text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::fixture;
    use crate::record::{Moment, Writer};

    #[test]
    fn a_recording_gives_the_rows_that_were_live() {
        let directory = tempfile::tempdir().expect("there is room");
        let path = directory.path().join("a.mtrec");
        let mut writer = Writer::create(&path).expect("it can be made");
        let samples: Vec<Sample> =
            (1..4).map(|second| fixture::sample(second, vec![fixture::vm("a", 7)])).collect();
        for sample in &samples {
            let moment = Moment { sample: sample.clone(), reaction: None };
            writer.push(moment).expect("it is written");
        }
        writer.close().expect("it is closed");
        for (format, lines) in [(ExportFormat::Jsonl, 2), (ExportFormat::Csv, 3)] {
            let mut recording = Recording::open(&path).expect("it can be read");
            let mut printed = String::new();
            let add = |text: &str| {
                printed.push_str(text);
                Ok(())
            };
            export(&mut recording, format, add).expect("it is printed");
            assert_eq!(printed.lines().count(), lines);
            let live = derive(Some(&samples[1]), &samples[2]);
            let last = match format {
                ExportFormat::Jsonl => rows::json_lines(&live),
                ExportFormat::Csv => rows::csv(&live, false),
            };
            assert!(printed.ends_with(&last), "{printed}");
        }
    }
}
