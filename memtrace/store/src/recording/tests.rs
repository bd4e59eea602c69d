//! What is written can be read; a cut or damaged file is read up to the damage.

mod background;
mod codec;
mod damage;
mod folder;
mod kept;
mod size;

use std::path::Path;

use super::*;
use memtrace_core::fixture::samples;
use memtrace_core::sample::{FlowSample, Notice, Party, VmSample};
use memtrace_core::units::{Nanos, Pages};

/// Numbers that look like chance and aren't (SplitMix64, public domain).
#[derive(Debug)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// VMs that come, go and change places, flows that grow, words that change.
pub(super) fn moments(count: u64) -> Vec<Record> {
    let mut chance = Chance(7);
    (1..=count).map(|second| moment(second, &mut chance)).collect()
}

fn moment(second: u64, chance: &mut Chance) -> Record {
    let names = ["web", "db", "\u{1}odd \"name\"\\"];
    let mut vms: Vec<VmSample> =
        (1..).zip(names).map(|(pid, name)| samples::vm(name, pid)).collect();
    for vm in &mut vms {
        vm.process.cpu_time = Some(Nanos(second * 10_000_000 * chance.below(5)));
        vm.swap_base = (chance.below(3) == 0).then_some(-5);
        vm.threads = None;
        for histogram in vm
            .histograms
            .iter_mut()
            .flat_map(|all| [&mut all.reclaim, &mut all.swap_in, &mut all.async_fault])
        {
            histogram.truncate(4);
        }
        if let Some(counters) = &mut vm.counters {
            counters.guest_faults = second * second;
            counters.user_faults = u64::MAX - second;
        }
    }
    if second.is_multiple_of(5) {
        vms.remove((second % 3) as usize);
        vms.reverse();
    }
    let mut sample = samples::sample(second, vms);
    let flow = |causer| FlowSample { causer, victim: Party::Other, pages: Pages(second) };
    let flows = [Party::Kswapd, Party::Other].into_iter().take((second % 3) as usize);
    sample.flows = Some(flows.map(flow).collect());
    if let Some(psi) = &mut sample.host.psi {
        psi.some.avg10 = chance.below(10_000) as f64 / 100.0;
        psi.some.avg60 = 1.0 / second as f64;
    }
    if second.is_multiple_of(7) {
        let text = format!("second {second}");
        sample.notices.push(Notice { about: memtrace_core::sample::Topic::Qmp, text });
    }
    let reaction =
        memtrace_core::fixture::observed().report().map(|report| report.reaction.clone());
    Record { sample, reaction: reaction.filter(|_| second.is_multiple_of(2)) }
}

pub(super) fn write(path: &Path, moments: &[Record]) {
    let mut writer = Writer::create(path).expect("it can be made");
    for moment in moments {
        writer.push(moment.clone()).expect("it can be written");
    }
    writer.close().expect("it can be closed");
}

pub(super) fn read(path: &Path) -> (Vec<Record>, Vec<Loss>) {
    let mut reader = Reader::open(path).expect("it can be read");
    let moments = reader.by_ref().collect();
    (moments, reader.losses().to_vec())
}

#[test]
fn what_is_written_is_read() {
    let directory = tempfile::tempdir().expect("there is room");
    let path = directory.path().join("a.mtrec");
    for count in [0, 1, 9, 640] {
        let moments = moments(count);
        write(&path, &moments);
        let (read, losses) = read(&path);
        assert!(read == moments, "{count}: other moments than written");
        assert_eq!(losses, []);
        std::fs::remove_file(&path).expect("it is there");
    }
}

#[test]
fn a_file_that_is_no_recording_or_of_another_version_is_refused() {
    let directory = tempfile::tempdir().expect("there is room");
    let path = directory.path().join("a.mtrec");
    for (bytes, told) in [
        (Vec::new(), "empty file"),
        (b"something else that is long enough".to_vec(), "not a recording of memtrace"),
        (frame::begin(2), "recorded by an earlier memtrace, format 2; this one reads 3 to 4"),
        (
            frame::begin(VERSION + 1),
            "recorded by a newer memtrace, format 5; this one reads 3 to 4",
        ),
    ] {
        std::fs::write(&path, bytes).expect("it can be written");
        let error = Reader::open(&path).expect_err("it is refused").to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn a_frame_that_grows_without_end_is_refused() {
    let zeros = vec![0; frame::MOST + 1];
    let packed = frame::pack(&zeros).expect("it can be packed");
    assert!(packed.len() < 10_000);
    assert_eq!(frame::unpack(&packed), None);
    let packed = frame::pack(&zeros[1..]).expect("it can be packed");
    assert!(frame::unpack(&packed).is_some());
}
