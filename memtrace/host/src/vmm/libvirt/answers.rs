//! Interprets libvirt's answers. Pure, without libvirt's types.

use memtrace_core::sample::GuestStats;
use memtrace_core::units::{Bytes, WallNanos};

// Tags of virDomainMemoryStats (libvirt-domain.h); sizes are in KiB.
const SWAP_IN: u32 = 0;
const SWAP_OUT: u32 = 1;
const MAJOR_FAULT: u32 = 2;
const MINOR_FAULT: u32 = 3;
const UNUSED: u32 = 4;
const AVAILABLE: u32 = 5;
const ACTUAL_BALLOON: u32 = 6;
const USABLE: u32 = 8;
const LAST_UPDATE: u32 = 9;
const DISK_CACHES: u32 = 10;

/// Balloon and statistics of one domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemoryStats {
    pub(crate) actual: Option<Bytes>,
    /// `None`: the guest gave none.
    pub(crate) guest: Option<GuestStats>,
}

impl MemoryStats {
    /// From pairs of tag and value. Mind the names: libvirt's "available" is the guest's
    /// total, its "unused" is free, its "usable" is what Linux calls available.
    pub(crate) fn new(pairs: impl IntoIterator<Item = (u32, u64)>) -> Self {
        let mut actual = None;
        let mut guest = GuestStats::default();
        for (tag, value) in pairs.into_iter().filter(|&(_, value)| value != u64::MAX) {
            let size = Some(Bytes::from_kib(value));
            match tag {
                SWAP_IN => guest.swap_in = size,
                SWAP_OUT => guest.swap_out = size,
                MAJOR_FAULT => guest.major_faults = Some(value),
                MINOR_FAULT => guest.minor_faults = Some(value),
                UNUSED => guest.free = size,
                AVAILABLE => guest.total = size,
                ACTUAL_BALLOON => actual = size,
                USABLE => guest.available = size,
                LAST_UPDATE if value > 0 => {
                    guest.updated = value.checked_mul(1_000_000_000).map(WallNanos);
                }
                DISK_CACHES => guest.disk_caches = size,
                _ => {}
            }
        }
        let given = [guest.total, guest.free, guest.available].iter().any(Option::is_some);
        Self { actual, guest: given.then_some(guest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libvirts_names_are_translated() {
        let stats = MemoryStats::new([
            (UNUSED, 100),
            (AVAILABLE, 500),
            (ACTUAL_BALLOON, 512),
            (7, 99),
            (USABLE, 300),
            (LAST_UPDATE, 1_700_000_000),
            (SWAP_IN, u64::MAX),
        ]);
        assert_eq!(stats.actual, Some(Bytes(512 * 1024)));
        let guest = stats.guest.unwrap();
        assert_eq!(guest.free, Some(Bytes(100 * 1024)));
        assert_eq!(guest.total, Some(Bytes(500 * 1024)));
        assert_eq!(guest.available, Some(Bytes(300 * 1024)));
        assert_eq!(guest.swap_in, None);
        assert_eq!(guest.updated, Some(WallNanos(1_700_000_000_000_000_000)));
    }

    #[test]
    fn a_balloon_alone_is_no_statistics() {
        let stats = MemoryStats::new([(ACTUAL_BALLOON, 512), (LAST_UPDATE, 0), (7, 9)]);
        assert_eq!(stats.actual, Some(Bytes(512 * 1024)));
        assert_eq!(stats.guest, None);
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(pairs: Vec<(u32, u64)>) {
            MemoryStats::new(pairs);
        }
    }
}
