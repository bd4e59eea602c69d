//! The scenarios: which guests, in which cgroups, under what pressure. Data alone; the lab
//! outside reads the names.

/// Where a guest's memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Anonymous memory of qemu.
    Private,
    /// A memfd that others could map too.
    Shared,
    /// Huge pages that were reserved for it.
    Huge,
}

/// What a guest does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Writes to this many MiB, page by page, again and again.
    Walk(u32),
    /// The same with interrupts off, so that KVM can't halt it for asynchronous faults.
    WalkDeaf(u32),
    /// Writes to this many MiB once, and halts.
    Once(u32),
    /// Halts at once.
    Halt,
    /// Boots Linux with the lab's PID 1, and sends it this command. Slow.
    Linux(&'static str),
}

/// A guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    pub name: &'static str,
    pub memory: Memory,
    pub mib: u32,
    pub work: Work,
    /// Emulated by qemu, without KVM.
    pub emulated: bool,
    /// The cgroup that it runs in; the root cgroup where there is none.
    pub cgroup: Option<&'static str>,
}

/// A cgroup, and what is written to its files, in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    pub name: &'static str,
    pub limits: &'static [(&'static str, u32)],
}

/// What is swapped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    Disk,
    Zram,
    /// The disk, through zswap.
    Zswap,
}

/// When there was enough pressure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// This many pages came back that had been reclaimed.
    Refaults(u64),
    /// The OOM killer came.
    OomKill,
}

/// A scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    pub name: &'static str,
    /// For the help and the documentation, without a full stop.
    pub about: &'static str,
    pub guests: &'static [Plan],
    pub groups: &'static [Group],
    /// Limits of the cgroup that all of them are in.
    pub parent: &'static [(&'static str, u32)],
    pub swap: Swap,
    /// The host keeps no more memory free than this, so that all of it is short.
    pub host_mib: Option<u32>,
    /// Without the multi-generational LRU.
    pub classic_lru: bool,
    /// With transparent huge pages, as the kernel comes. Where it splits them, it frees those
    /// of their pages that hold nothing but zeros, which some of its counters count as
    /// stolen.
    pub huge_pages: bool,
    /// KVM's asynchronous faults are timed through tracefs as well.
    pub timed: bool,
    pub until: Until,
}

/// A guest that walks over more than it gets.
pub const NOISY: Plan = Plan {
    name: "noisy",
    memory: Memory::Private,
    mib: 128,
    work: Work::Walk(96),
    emulated: false,
    cgroup: Some("noisy"),
};
/// A guest that has what it needs and does nothing.
pub const IDLE: Plan = Plan {
    name: "idle",
    memory: Memory::Private,
    mib: 32,
    work: Work::Halt,
    emulated: false,
    cgroup: Some("idle"),
};
pub const IDLE_GROUP: Group = Group { name: "idle", limits: &[] };
const LIMITED: Group = Group { name: "noisy", limits: &[("memory.max", 64)] };
pub const FREE: Group = Group { name: "noisy", limits: &[] };

/// The commonest: one guest under a memory.max, one beside it.
pub const MAX: Scenario = Scenario {
    name: "max",
    about: "a KVM guest under memory.max, its asynchronous faults timed, and an idle one",
    guests: &[NOISY, IDLE],
    groups: &[LIMITED, IDLE_GROUP],
    parent: &[],
    swap: Swap::Disk,
    host_mib: None,
    classic_lru: false,
    huge_pages: true,
    timed: true,
    until: Until::Refaults(8_000),
};

/// The same with nothing but base pages.
const PLAIN: Scenario = Scenario { huge_pages: false, timed: false, ..MAX };

const HOST: Scenario = Scenario {
    name: "host",
    about: "pressure on the whole host: kswapd and direct reclaim",
    guests: &[NOISY, Plan { name: "second", cgroup: Some("second"), ..NOISY }, IDLE],
    groups: &[FREE, Group { name: "second", limits: &[] }, IDLE_GROUP],
    host_mib: Some(160),
    ..PLAIN
};

/// All of them, in the order in which they run.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "pool",
        about: "two Linux guests in a pool with memory.max, one of them idle",
        guests: &[
            Plan { mib: 384, work: Work::Linux("cycle 260"), ..NOISY },
            Plan { mib: 192, work: Work::Linux("idle"), ..IDLE },
        ],
        groups: &[FREE, IDLE_GROUP],
        parent: &[("memory.max", 330)],
        timed: false,
        until: Until::Refaults(16_000),
        ..MAX
    },
    MAX,
    Scenario {
        name: "deaf",
        about: "a KVM guest with interrupts off, for which KVM makes no asynchronous faults",
        guests: &[Plan { work: Work::WalkDeaf(96), ..NOISY }, IDLE],
        ..PLAIN
    },
    Scenario {
        name: "shared",
        about: "a KVM guest with memfd memory under memory.max",
        guests: &[Plan { memory: Memory::Shared, work: Work::Walk(72), ..NOISY }, IDLE],
        ..PLAIN
    },
    Scenario {
        name: "huge",
        about: "a KVM guest on huge pages beside one under memory.max",
        guests: &[
            NOISY,
            Plan {
                name: "huge",
                memory: Memory::Huge,
                mib: 64,
                work: Work::Once(40),
                cgroup: Some("huge"),
                ..NOISY
            },
        ],
        groups: &[LIMITED, Group { name: "huge", limits: &[("memory.max", 48)] }],
        ..PLAIN
    },
    Scenario {
        name: "tcg",
        about: "a guest without KVM (TCG) under memory.max",
        guests: &[Plan { emulated: true, ..NOISY }, IDLE],
        ..PLAIN
    },
    Scenario {
        name: "together",
        about: "two KVM guests in one cgroup with memory.max",
        guests: &[NOISY, Plan { name: "second", ..NOISY }],
        groups: &[Group { name: "noisy", limits: &[("memory.max", 128)] }],
        ..PLAIN
    },
    Scenario {
        name: "high",
        about: "a KVM guest under memory.high",
        groups: &[Group { name: "noisy", limits: &[("memory.high", 64)] }, IDLE_GROUP],
        ..PLAIN
    },
    HOST,
    Scenario {
        name: "classic",
        about: "pressure on the whole host, without the multi-generational LRU",
        classic_lru: true,
        ..HOST
    },
    Scenario {
        name: "root",
        about: "pressure on the whole host with a KVM guest in the root cgroup",
        // One guest fewer, so each has to want more.
        guests: &[
            Plan { cgroup: None, mib: 192, work: Work::Walk(144), ..NOISY },
            Plan { name: "second", mib: 192, work: Work::Walk(144), ..NOISY },
        ],
        groups: &[FREE],
        ..HOST
    },
    Scenario {
        name: "zram",
        about: "a KVM guest under memory.max, swap on zram",
        swap: Swap::Zram,
        huge_pages: true,
        ..PLAIN
    },
    Scenario {
        name: "zswap",
        about: "a KVM guest under memory.max, swap through zswap",
        swap: Swap::Zswap,
        ..PLAIN
    },
    Scenario {
        name: "oom",
        about: "a KVM guest under memory.max that may not swap, until it is killed",
        groups: &[
            Group { name: "noisy", limits: &[("memory.max", 64), ("memory.swap.max", 0)] },
            IDLE_GROUP,
        ],
        until: Until::OomKill,
        ..PLAIN
    },
];

/// memtrace's own self-test, run beside the scenarios where memtrace has one.
pub const SELFTEST: &str = "selftest";

/// The tests of the eBPF programs on the host's kernel.
pub const PROGRAMS: &str = "programs";

/// What runs beside the scenarios, with what to say of it.
pub const BESIDE: &[(&str, &str)] = &[
    (SELFTEST, "memtrace's own self-test"),
    (PROGRAMS, "the tests of the eBPF programs on this kernel"),
];
