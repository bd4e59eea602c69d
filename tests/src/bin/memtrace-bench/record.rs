//! What a moment of recording costs, beside the sample and the derivation of the same moment.

use std::path::Path;

use anyhow::{Context, Result};
use memtrace_core::model::derive;
use memtrace_core::sample::Sample;
use memtrace_core::source::Source;
use memtrace_host::hostfs::HostRoot;
use memtrace_host::live::{LiveOptions, LiveSource};
use memtrace_host::probe::{self, Hooking};
use memtrace_measure::measured::Recording;
use memtrace_store::recording::{Record, Writer};
use memtrace_tests::wait;

use crate::herd::Herd;
use crate::scale::{TICK, cpu_ns, moved};

/// Four frames of ten seconds, packing included; the first is a keyframe.
const MOMENTS: u32 = 43;
/// The first frame is written with a moment that is ten seconds after its first, or a little more;
/// from the second on each is what came since the one before.
const FIRST: u32 = 13;

/// Records `vms` stand-ins, which all sleep or are all busy, a moment a second.
pub fn measure(pool: &Path, vms: u32, busy: bool) -> Result<Recording> {
    let root = HostRoot::live().context("reading the table of mounts")?;
    let kernel = probe::open(Path::new("/sys"), false, Hooking::OnDemand)?;
    let mut source = LiveSource::new(root, Ok(kernel), LiveOptions { libvirt: false, qmp: false });
    let herd = Herd::start(pool, vms, busy)?;
    let mut previous = wait::until("the stand-ins to be found", || {
        let sample = source.sample(None).ok()?;
        (sample.vms.len() >= vms as usize).then_some(sample)
    })?;
    let folder = tempfile::tempdir()?;
    let mut writer = Writer::create(&folder.path().join("bench.mtrec"))?;
    let mut cost = Recording { vms, busy, moments: MOMENTS - FIRST, ..Recording::default() };
    for index in 0..MOMENTS {
        source.wait(TICK);
        if index == FIRST {
            cost.first_bytes = writer.length();
            cost = Recording { sample_ns: 0, derive_ns: 0, record_ns: 0, moved: 0, ..cost };
        }
        previous = tick(&mut source, &previous, &mut writer, &mut cost)?;
    }
    drop(herd);
    let each = |sum: u64| sum / u64::from(cost.moments.max(1));
    Ok(Recording {
        sample_ns: each(cost.sample_ns),
        derive_ns: each(cost.derive_ns),
        record_ns: each(cost.record_ns),
        bytes: each(writer.length() - cost.first_bytes),
        moved: cost.moved / cost.moments.max(1),
        ..cost
    })
}

fn tick(
    source: &mut LiveSource,
    previous: &Sample,
    writer: &mut Writer,
    cost: &mut Recording,
) -> Result<Sample> {
    let begun = cpu_ns();
    let sample = source.sample(None)?;
    let sampled = cpu_ns();
    let snapshot = derive(Some(previous), &sample);
    let derived = cpu_ns();
    drop(snapshot);
    let moment = Record { sample: sample.clone(), reaction: None };
    let copied = cpu_ns();
    writer.push(moment)?;
    cost.sample_ns += sampled - begun;
    cost.derive_ns += derived - sampled;
    cost.record_ns += cpu_ns() - copied;
    cost.moved += moved(previous, &sample)?;
    Ok(sample)
}
