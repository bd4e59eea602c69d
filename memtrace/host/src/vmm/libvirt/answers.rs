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

/// A domain's balloon, by its XML (docs/formatdomain.rst, "Memory balloon device").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DomainBalloon {
    pub(crate) deflate_on_oom: bool,
    pub(crate) free_page_reporting: bool,
    /// Polling period of statistics in seconds; 0: off.
    pub(crate) period: u32,
}

impl DomainBalloon {
    /// From the XML as libvirt writes it. `None`: it has no balloon.
    pub(crate) fn of(xml: &str) -> Option<Self> {
        let (_, balloon) = xml.split_once("<memballoon ")?;
        let (attributes, _) = balloon.split_once('>')?;
        if attributes.contains("model='none'") {
            return None;
        }
        let whole = !attributes.ends_with('/');
        let inside = balloon.split_once("</memballoon>").filter(|_| whole);
        let (balloon, _) = inside.unwrap_or((attributes, ""));
        let period = balloon.split_once("<stats period='");
        let period = period.and_then(|(_, rest)| rest.split_once('\'')?.0.parse().ok());
        Some(Self {
            deflate_on_oom: attributes.contains("autodeflate='on'"),
            free_page_reporting: attributes.contains("freePageReporting='on'"),
            period: period.unwrap_or(0),
        })
    }
}

/// Whether a domain's XML has a passed-through PCI device, as such or as a network interface.
pub(crate) fn has_vfio(xml: &str) -> bool {
    let hosts = |tag: &str| {
        xml.split(tag).skip(1).filter_map(|rest| rest.split_once('>')).any(|(attributes, _)| {
            ["type='pci'", "type='hostdev'"].iter().any(|kind| attributes.contains(kind))
        })
    };
    hosts("<hostdev ") || hosts("<interface ")
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

    #[test]
    fn the_period_is_found_in_the_balloon_alone() {
        let period = |inside: &str| {
            let xml = format!("<disk><stats period='9'/></disk><memballoon model='virtio'{inside}");
            DomainBalloon::of(&xml).map(|balloon| balloon.period)
        };
        assert_eq!(period("><stats period='1'/></memballoon>"), Some(1));
        assert_eq!(period("><stats period='0'/></memballoon>"), Some(0));
        assert_eq!(period("><alias name='x'/></memballoon>"), Some(0));
        assert_eq!(period("/><x><stats period='3'/></x>"), Some(0));
        assert_eq!(period("/><x><stats period='3'/></x></memballoon>"), Some(0));
        assert_eq!(DomainBalloon::of("<memballoon model='none'/>"), None);
        assert_eq!(DomainBalloon::of("<domain/>"), None);
    }

    #[test]
    fn what_the_balloon_does_by_itself_is_said_in_its_own_tag() {
        let of = |xml: &str| {
            let balloon = DomainBalloon::of(xml).expect("there is one");
            [balloon.deflate_on_oom, balloon.free_page_reporting]
        };
        assert_eq!(of("<memballoon model='virtio' autodeflate='on'/>"), [true, false]);
        assert_eq!(of("<memballoon model='virtio' freePageReporting='on'/>"), [false, true]);
        assert_eq!(of("<memballoon model='virtio'/><x autodeflate='on'/>"), [false, false]);
        assert_eq!(of("<memballoon model='virtio' autodeflate='off'/>"), [false, false]);
    }

    #[test]
    fn devices_that_are_passed_through_are_found() {
        for xml in [
            "<hostdev mode='subsystem' type='pci' managed='yes'>",
            "<interface type='network'/><interface type='hostdev'>",
        ] {
            assert!(has_vfio(xml), "{xml}");
        }
        for xml in ["", "<hostdev mode='subsystem' type='usb'>", "<interface type='bridge'>"] {
            assert!(!has_vfio(xml), "{xml}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(xml in "(<memballoon |<hostdev |<stats period='|</memballoon>|.){0,20}",
                          pairs: Vec<(u32, u64)>) {
            DomainBalloon::of(&xml);
            has_vfio(&xml);
            MemoryStats::new(pairs);
        }
    }
}
