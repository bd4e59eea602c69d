//! What a guest says of itself through its balloon, which may be old or untrue.

use super::guest::{Guest, GuestTotals};
use super::memory::PageKind;
use super::scenario::{StatisticsKind, System};
use super::size::{PAGE, bytes};
use crate::sample::GuestStats;
use crate::units::{Bytes, WallNanos};

/// Seconds between two reports.
const PERIOD: u64 = 2;
/// Wall time of second 0.
pub(super) const EPOCH: u64 = 1_800_000_000_000_000_000;

/// The wall clock in a second of the scenario.
pub(super) const fn wall(second: u64) -> WallNanos {
    WallNanos(EPOCH + second * 1_000_000_000)
}

/// The last report.
#[derive(Clone, Debug, Default)]
pub(super) struct LastReport {
    pub(super) stats: Option<GuestStats>,
}

impl LastReport {
    /// A second in which the guest reports, if it is time and nothing keeps it from it.
    pub(super) fn listen(&mut self, guest: &Guest, second: u64, silent: bool) {
        let speaks = guest.is_up(second) && guest.spec.statistics != StatisticsKind::None;
        if speaks && !silent && second.is_multiple_of(PERIOD) {
            self.stats = Some(report(guest, second));
        }
    }
}

fn report(guest: &Guest, second: u64) -> GuestStats {
    let free = guest.memory[PageKind::Free].total();
    let total = match guest.spec.system {
        // virtio_balloon.c adjusts the managed pages only without deflate-on-oom.
        System::Linux if !guest.spec.deflate_on_oom => guest.actual(),
        System::Linux | System::Windows => guest.maximum(),
    };
    let since = |field: fn(&GuestTotals) -> u64| field(&guest.totals) - field(&guest.anew);
    let honest = GuestStats {
        updated: Some(wall(second)),
        total: Some(bytes(total)),
        free: Some(bytes(free)),
        available: Some(bytes(guest.available())),
        disk_caches: Some(bytes(guest.caches())),
        swap_in: Some(bytes(since(|totals| totals.swap_in))),
        swap_out: Some(bytes(since(|totals| totals.swap_out))),
        major_faults: Some(since(|totals| totals.major_faults)),
        minor_faults: Some(since(|totals| totals.minor_faults)),
        // As of most devices in use.
        oom_kills: None,
    };
    let share = |share: u64| Some(Bytes(total * PAGE.0 / 100 * share));
    match guest.spec.statistics {
        StatisticsKind::Honest | StatisticsKind::None => honest,
        StatisticsKind::ClaimsNeed => GuestStats {
            free: share(1),
            available: share(1),
            disk_caches: share(0),
            swap_in: Some(Bytes(second * 8 * (1 << 20))),
            swap_out: Some(Bytes(second * 8 * (1 << 20))),
            major_faults: Some(second * 1000),
            ..honest
        },
        StatisticsKind::ClaimsPlenty => GuestStats {
            free: share(90),
            available: share(92),
            disk_caches: share(2),
            swap_in: Some(Bytes(0)),
            swap_out: Some(Bytes(0)),
            major_faults: Some(0),
            ..honest
        },
    }
}
