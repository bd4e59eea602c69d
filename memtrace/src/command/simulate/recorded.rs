//! `memtrace simulate --from-recording`: a scenario file out of a recorded host.

use std::path::Path;

use anyhow::{Context, Result};

use crate::command::losses;
use crate::command::report::Progress;
use crate::sys::interrupt::Interrupt;
use crate::sys::output;
use memtrace_core::sim::recorded::Recorded;
use memtrace_core::units::Nanos;
use memtrace_store::recording::Recording;

/// Samples are looked at so far apart.
const APART: Nanos = Nanos(Nanos::SECOND.0 * 10);

/// # Errors
/// When the recording can't be read, or makes no scenario.
pub(super) fn run(path: &Path) -> Result<()> {
    let source = path.display();
    let mut recording = Recording::open(path).with_context(|| format!("cannot read {source}"))?;
    recording.thin(APART);
    let interrupt = Interrupt::watch()?;
    let mut progress = Progress::new();
    let (mut recorded, mut any) = (Recorded::default(), false);
    for record in recording.by_ref() {
        interrupt.check()?;
        progress.at(record.sample.wall);
        any = true;
        if !recorded.add(&record.sample) {
            break;
        }
    }
    progress.end();
    if !any {
        return Err(losses::no_samples(path, recording.losses()));
    }
    losses::tell(recording.losses());
    let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
    let scenario = recorded.scenario(&name).with_context(|| source.to_string())?;
    output::print(&scenario.to_toml()?)
}
