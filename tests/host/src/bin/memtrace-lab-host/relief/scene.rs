//! The guests of the relief measurement on a host of its own. Data only.

use memtrace_lab_host::roles::{DONORS, GUEST_MIB, WEB};
use memtrace_lab_host::scenario::{Group, MAX, Memory, NOISY, Plan, Scenario, Work};

const fn guest(name: &'static str) -> Plan {
    let work = Work::Linux("idle");
    Plan { name, cgroup: Some(name), memory: Memory::Private, mib: GUEST_MIB, work, ..NOISY }
}

const fn group(name: &'static str) -> Group {
    Group { name, limits: &[] }
}

/// Three donors and the one that suffers, the last. Each has a cgroup of its own, without
/// limits: the host as a whole is short.
pub const SCENE: Scenario = Scenario {
    name: "relief",
    about: "four guests of 1 GiB on a host of 2 GiB",
    guests: &[guest(DONORS[0]), guest(DONORS[1]), guest(DONORS[2]), guest(WEB)],
    groups: &[group(DONORS[0]), group(DONORS[1]), group(DONORS[2]), group(WEB)],
    huge_pages: false,
    timed: false,
    ..MAX
};
