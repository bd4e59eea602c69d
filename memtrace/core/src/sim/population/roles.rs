//! What each role's load is like, in a VM of a size. Sizes are MiB.

use super::distributions::{self as from, Role};
use super::random::Random;
use crate::sim::load::{Load, Needs, Step};
use crate::sim::size::Size;

/// What a VM is drawn with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Its memory, and what its load needs of it at its peak.
    pub(super) memory: u64,
    pub(super) needs: u64,
    /// Page cache that was read once, and how much of such is read in a second.
    pub(super) read_once: u64,
    pub(super) streams: u64,
    /// The host's day.
    pub(super) day: u64,
}

impl Room {
    /// The needs, with so many per cent of them hot and cold, and cached files for the rest.
    fn split(&self, hot: u64, cold: u64) -> Needs {
        let part = |percent: u64| Size::mib(self.needs * percent / 100);
        Needs {
            hot: part(hot),
            cold: part(cold),
            cache: part(100_u64.saturating_sub(hot + cold)),
            read_once: Size::mib(self.read_once),
            streams: Size::mib(self.streams),
        }
    }
}

/// Such a share of the hot and the cold.
fn quiet(needs: Needs, percent: u64) -> Needs {
    let part = |size: Size| Size::mib(size.in_mib() * percent / 100);
    Needs { hot: part(needs.hot), cold: part(needs.cold), ..needs }
}

/// The same, and no less than what becomes `busy` while a burst of so many seconds lasts.
fn before_burst(busy: Needs, percent: u64, lasts: u64) -> Needs {
    let allocated = busy.hot.in_mib() + busy.cold.in_mib();
    let kept = allocated.saturating_sub(lasts * from::BURST_MIB_PER_SECOND);
    quiet(busy, percent.max(kept * 100 / allocated.max(1)))
}

/// Hot, cold and cached in a usual mix.
fn usual(random: &mut Random, room: &Room) -> Needs {
    let (hot, cold) = (random.within(&(35..=65)), random.within(&(5..=25)));
    room.split(hot, cold)
}

pub(super) fn load(random: &mut Random, role: Role, room: &Room) -> Load {
    match role {
        Role::Idle => Load::Steady { needs: quiet(room.split(30, 40), 60) },
        Role::Web => by_day(random, room, [3, 6, 8]),
        Role::Batch => by_night(random, room),
        Role::Database => Load::Steady { needs: usual(random, room) },
        Role::Snapshots => snapshots(random, room),
        Role::Bursts => {
            let every = random.within(&from::BURST_EVERY);
            let lasts = random.within(&from::BURST_LASTS).min(every / 2);
            bursts(random, room, every, lasts)
        }
        // The other's turn is drawn with the pair.
        Role::Turns => {
            let turn = random.within(&from::TURN);
            let busy = room.split(85, 5);
            let quiet = before_burst(busy, random.within(&(15..=35)), turn);
            Load::Bursty { quiet, busy, first: turn, every: 2 * turn, lasts: turn }
        }
        Role::Leaks => leak(random, room),
        Role::Heap => heap(random, room),
        Role::Files => Load::Steady { needs: room.split(20, 10) },
        Role::Streams => {
            let streams = Size::mib(random.within(&from::STREAM_MIB));
            Load::Steady { needs: Needs { streams, ..room.split(50, 20) } }
        }
        Role::Windows => match random.chance(50) {
            true => Load::Steady { needs: usual(random, room) },
            false => by_day(random, room, [2, 5, 9]),
        },
        Role::Starts => Load::Booting {
            touches: Size::mib(room.memory / random.within(&from::BOOT_PARTS)),
            lasts: random.within(&from::BOOT_SECONDS),
            needs: usual(random, room),
        },
        Role::Reboots => Load::Steady { needs: usual(random, room) },
    }
}

/// The same a turn later.
pub(super) fn other_turn(load: &Load) -> Load {
    match load {
        Load::Bursty { quiet, busy, first, every, lasts } => {
            let first = if *first == *lasts { 2 * lasts } else { *lasts };
            Load::Bursty { quiet: *quiet, busy: *busy, first, every: *every, lasts: *lasts }
        }
        other => other.clone(),
    }
}

/// Quiet by night; day begins, is full and ends at these tenths.
fn by_day(random: &mut Random, room: &Room, tenths: [u64; 3]) -> Load {
    let busy = usual(random, room);
    let night = quiet(busy, random.within(&from::QUIET_PERCENT));
    let [dawn, noon, dusk] = tenths.map(|tenth| room.day * tenth / 10);
    let steps = [(0, night), (dawn, night), (noon, busy), (dusk, busy), (room.day - 1, night)];
    phases(&steps, Some(room.day))
}

fn by_night(random: &mut Random, room: &Room) -> Load {
    let (hot, cold) = (random.within(&(50..=80)), random.within(&(0..=10)));
    let busy = room.split(hot, cold);
    let idle = quiet(busy, random.within(&from::QUIET_PERCENT));
    let at = |tenth| room.day * tenth / 10;
    // A batch begins within seconds.
    let begins = at(8) + random.within(&(5..=30));
    phases(
        &[(0, busy), (at(2), busy), (at(2) + 5, idle), (at(8), idle), (begins, busy)],
        Some(room.day),
    )
}

fn bursts(random: &mut Random, room: &Room, every: u64, lasts: u64) -> Load {
    let busy = usual(random, room);
    let quiet = before_burst(busy, random.within(&from::QUIET_PERCENT), lasts);
    let first = random.within(&(1..=every));
    Load::Bursty { quiet, busy, first, every, lasts }
}

fn snapshots(random: &mut Random, room: &Room) -> Load {
    let needs = usual(random, &Room { needs: room.needs * 7 / 10, ..*room });
    let copied = needs.hot.in_mib() * random.within(&from::COPIED_PERCENT) / 100;
    let copies = Needs { cold: Size::mib(needs.cold.in_mib() + copied), ..needs };
    let every = random.within(&from::SNAPSHOT_EVERY);
    let lasts = random.within(&from::SNAPSHOT_LASTS);
    let begins = random.within(&(1..=every - lasts - 2));
    let steps =
        [(0, needs), (begins, needs), (begins + lasts, copies), (begins + lasts + 1, needs)];
    phases(&steps, Some(every))
}

fn leak(random: &mut Random, room: &Room) -> Load {
    let from = usual(random, &Room { needs: room.needs / 2, ..*room });
    let until = room.needs.saturating_sub(room.needs / 2).max(1);
    let seconds = random.within(&from::LEAK_SECONDS);
    // At least 64 KiB.
    let per_second = Size::kib((until * 1024 / seconds).max(64));
    Load::Growing { from, per_second, until: Size::mib(until) }
}

fn heap(random: &mut Random, room: &Room) -> Load {
    let (hot, cold) = (random.within(&(40..=60)), random.within(&(25..=35)));
    let full = room.split(hot, cold);
    let small = quiet(full, random.within(&from::QUIET_PERCENT));
    let begins = random.within(&(1..=from::SECONDS / 2));
    let grown = begins + random.within(&from::HEAP_SECONDS);
    phases(&[(0, small), (begins, small), (grown, full)], None)
}

fn phases(steps: &[(u64, Needs)], every: Option<u64>) -> Load {
    let steps = steps.iter().map(|(at, needs)| Step { at: *at, needs: *needs }).collect();
    Load::Phases { steps, every }
}
