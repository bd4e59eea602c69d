//! Recordings of each version of the format that was released, and of the present one, kept as
//! they were written: a later memtrace goes on reading them. What is seen of them is held by
//! `memtrace/tests/kept.rs`.

use std::path::PathBuf;

use super::*;

fn file(version: u32) -> PathBuf {
    let name = format!("src/recording/tests/kept/v{version}.{EXTENSION}");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Moments with all that makes the format: VMs that come, go and change places, strange names,
/// fractions, negative numbers, reactions and notices; and with rates. For a version that has
/// no file yet, the test makes one of them and fails; it is to be looked at and committed,
/// never written again.
fn moments_to_keep() -> Vec<Record> {
    let mut kept = moments(12);
    for (second, moment) in (1..).zip(&mut kept) {
        for vm in &mut moment.sample.vms {
            let rate = second * u64::from(vm.pid);
            vm.swap_base = None;
            vm.process.cpu_time = Some(Nanos(rate * 100_000_000));
            if let Some(counters) = &mut vm.counters {
                counters.user_faults = rate * 30;
                counters.major_faults = rate * 7;
                counters.swap_out_pages = rate * 256;
                counters.swap_in_pages = rate * 128;
                counters.memcg_reclaims = rate;
                counters.memcg_reclaim_ns = rate * 20_000_000;
                counters.reclaimed_pages = rate * 300;
            }
        }
    }
    kept
}

#[test]
fn the_version_that_is_written_is_kept() {
    let path = file(VERSION);
    if !path.exists() {
        write(&path, &moments_to_keep());
        panic!("{} was made: look at it, and commit it", path.display());
    }
    let begin = std::fs::read(&path).expect("it can be read");
    assert_eq!(begin.first_chunk().and_then(frame::version), Some(VERSION));
}
