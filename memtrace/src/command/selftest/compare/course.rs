//! A trial whose two sides agree, and what to change in it.

use super::*;
use crate::command::selftest::subject::{Checked, Row};
use memtrace_core::accuracy::table::Verdict;
use memtrace_core::fixture::samples::{self, flow, party, set_signal};
use memtrace_core::sample::MemoryStat;
use memtrace_core::signal::{Quality, Signal};
use memtrace_core::units::Bytes;

const GUEST_PID: u32 = 7;
const BYSTANDER_PID: u32 = 8;

/// Two moments: the guest went 12000 pages out and 10000 in, and nothing happened to the
/// bystander.
#[derive(Clone)]
pub struct Course {
    pub from: TimePoint,
    pub to: TimePoint,
    pub kvm: bool,
}

impl Course {
    pub fn new() -> Self {
        let sample = |second, guest, bystander| samples::sample(second, vec![guest, bystander]);
        let (guest, bystander) =
            (samples::vm("guest", GUEST_PID), samples::vm("bystander", BYSTANDER_PID));
        let mut pressed = samples::counting(guest.clone(), |counters| {
            counters.user_faults = 11_000;
            counters.guest_faults = 13_000;
            counters.major_faults = 4_000;
            counters.async_faults = 300;
            counters.async_faults_done = 300;
            counters.swap_out_pages = 12_000;
            counters.swap_in_pages = 10_000;
            counters.swap_read_pages = 10_005;
            counters.memcg_reclaims = 500;
            counters.memcg_reclaim_ns = 1_000_000_000;
        });
        pressed.process.swap = Some(Bytes(guest.process.swap.unwrap().0 + 2_000 * 4096));
        let stat = MemoryStat {
            pgmajfault: Some(4_000),
            pswpin: Some(10_010),
            pgsteal: Some(12_050),
            workingset_refault_anon: Some(10_020),
            workingset_refault_file: Some(5),
            ..MemoryStat::default()
        };
        pressed.cgroup.as_mut().unwrap().stat = stat;
        let itself = party(&guest);
        let mut to = sample(20, pressed, bystander.clone());
        to.flows = Some(vec![flow(itself, itself, 11_000), flow(Party::Other, itself, 1_000)]);
        let zero = KernelCounters {
            swap_pages: 0,
            minor_faults: 0,
            major_faults: 0,
            reclaims: Some(0),
            reclaim_ns: Some(0),
            stat: Some(samples::vm("guest", GUEST_PID).cgroup.unwrap().stat),
            limit_hits: Some(0),
            huge_pages_refused: Some(0),
            pressure_us: Some(0),
        };
        let after = KernelCounters {
            swap_pages: 2_000,
            minor_faults: 7_000,
            major_faults: 4_000,
            reclaims: Some(502),
            reclaim_ns: Some(990_000_000),
            stat: Some(stat),
            limit_hits: Some(560),
            huge_pages_refused: Some(17),
            pressure_us: Some(1_200_000),
        };
        let mut course = Self {
            from: TimePoint {
                sample: sample(10, guest, bystander),
                guest: zero.clone(),
                bystander: zero.clone(),
                earlier: None,
            },
            to: TimePoint { sample: to, guest: after, bystander: zero, earlier: None },
            kvm: true,
        };
        course.charges_workers(Quality::absent("no fentry"));
        course
    }

    pub fn table(&self) -> Table {
        self.table_pressed(None)
    }

    pub fn table_pressed(&self, no_pressure: Option<&str>) -> Table {
        table(&Trial {
            from: &self.from,
            to: &self.to,
            guest: GUEST_PID,
            bystander: BYSTANDER_PID,
            kvm: self.kvm,
            no_pressure,
            cpus: 2,
        })
    }

    pub fn counters(&mut self, place: usize) -> &mut memtrace_ebpf::VmCounters {
        self.to.sample.vms[place].counters.as_mut().unwrap()
    }

    pub fn charges_workers(&mut self, quality: Quality) {
        set_signal(&mut self.to.sample, Signal::ReclaimForVm, quality);
    }

    pub fn stat(&mut self) -> &mut MemoryStat {
        self.to.guest.stat.as_mut().unwrap()
    }
}

fn name(row: &Row) -> String {
    format!("{}: {} ({})", row.subject, row.counter, row.source)
}

pub fn wrong(table: &Table) -> Vec<String> {
    table.rows.iter().filter(|row| row.verdict() == Verdict::Wrong).map(name).collect()
}

pub fn why_skipped(table: &Table, signal: Checked) -> Option<&str> {
    let skipped = table.skipped.iter().find(|skipped| skipped.signal == signal)?;
    Some(&skipped.reason)
}
