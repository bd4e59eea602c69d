//! What the lab consists of. Pure.

/// How a guest is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// qemu started by us, with a QMP socket.
    Plain,
    /// A libvirt domain of type `qemu`.
    Libvirt,
}

/// What a guest does with its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// MiB that it needs all the time.
    Hold(u32),
    /// MiB that it walks over for ever.
    Cycle(u32),
    Idle,
}

impl Work {
    /// As the guest's PID 1 wants to hear it.
    pub fn command(self) -> String {
        match self {
            Self::Hold(mib) => format!("hold {mib}"),
            Self::Cycle(mib) => format!("cycle {mib}"),
            Self::Idle => "idle".to_owned(),
        }
    }
}

/// One guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestPlan {
    pub name: &'static str,
    pub uuid: &'static str,
    pub memory_mib: u32,
    pub work: Work,
    pub devices: Devices,
}

/// What a guest has beside memory and a balloon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// A disk of files to read.
    pub files: bool,
    /// Its balloon lets go before the guest kills a process.
    pub deflate_on_oom: bool,
    /// It tells the host which pages are free.
    pub free_page_reporting: bool,
}

impl Devices {
    /// As a guest of the lab has them, unless a scene wants more.
    pub const NONE: Self = Self { files: false, deflate_on_oom: false, free_page_reporting: false };
}

/// The three guests. Together they want about 1100 MiB: guest memory in use, and some 50
/// MiB of qemu itself each.
pub const GUESTS: [GuestPlan; 3] = [
    GuestPlan {
        name: "noisy",
        uuid: "6d656d74-7261-4365-8c61-620000000001",
        memory_mib: 768,
        work: Work::Cycle(560),
        devices: Devices::NONE,
    },
    GuestPlan {
        name: "victim",
        uuid: "6d656d74-7261-4365-8c61-620000000002",
        memory_mib: 256,
        work: Work::Hold(128),
        devices: Devices::NONE,
    },
    GuestPlan {
        name: "idle",
        uuid: "6d656d74-7261-4365-8c61-620000000003",
        memory_mib: 256,
        work: Work::Idle,
        devices: Devices::NONE,
    },
];

/// Who takes part, and what they share.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub guests: &'static [GuestPlan],
    /// The pool: what all guests together may use.
    pub limit_mib: u32,
    /// The swap file; more than the guests could ever swap.
    pub swap_mib: u32,
}

/// The lab's default layout.
pub const LAB: Layout = Layout { guests: &GUESTS, limit_mib: 600, swap_mib: 1536 };
/// A guest powers itself off after this long, even if we were killed.
pub const LIFETIME_SECONDS: u32 = 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_swap_file_holds_all_guests_memory() {
        let memory: u32 = GUESTS.iter().map(|guest| guest.memory_mib).sum();
        assert!(memory <= LAB.swap_mib, "an out-of-memory kill could hit a guest");
    }

    #[test]
    fn the_noisy_guest_alone_does_not_fit_beside_the_victim() {
        let wanted: u32 = GUESTS
            .iter()
            .map(|guest| match guest.work {
                Work::Hold(mib) | Work::Cycle(mib) => mib,
                Work::Idle => 0,
            })
            .sum();
        // 80 MiB a guest is the least that its kernel and qemu have touched once booted.
        assert!(wanted + 3 * 80 > LAB.limit_mib);
    }
}
