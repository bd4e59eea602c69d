//! Why a gate is open or closed, and why a VM gets nothing.

use memtrace_core::format::span;
use memtrace_core::policy::Reason;
use memtrace_core::policy::reason::{Claim, Uncounted};
use memtrace_core::units::Bytes;

use super::{ago, all, distress, kinds, part, running, show, standing, terms};

const UNRECORDED: &str = "not recorded";

/// Why a gate is open or closed, or why a VM gets nothing.
pub fn reason(reason: &Reason) -> String {
    // Names each reason, so that the compiler asks for the words of a new one.
    match reason {
        Reason::Unrecorded | Reason::NotAsked | Reason::SwitchedOff => unknown(reason),
        Reason::Reported { .. } | Reason::ScopeUnknown | Reason::StateUnknown => unknown(reason),
        Reason::SizeUnknown | Reason::MaximumUnknown | Reason::CpuTimeUnknown => unknown(reason),
        Reason::FloorUnknown | Reason::NoStatistics => unknown(reason),
        Reason::StatisticsAgeUnknown | Reason::HostSideUnknown => unknown(reason),
        Reason::FreeUnknown | Reason::MajorFaultsUnknown => unknown(reason),
        Reason::DistressUnknown { .. } | Reason::GuestLacks { .. } => unknown(reason),
        Reason::DuplicateId | Reason::Excluded | Reason::WeightZero => of_vm(reason),
        Reason::Allowed { .. } | Reason::Runs | Reason::NotRunning { .. } => of_vm(reason),
        Reason::Gone | Reason::NoConnection | Reason::Unpinned => of_vm(reason),
        Reason::Encrypted | Reason::PassedThrough | Reason::DevicesUnknown => of_vm(reason),
        Reason::LockedUnknown | Reason::Locked { .. } | Reason::HugePages { .. } => of_vm(reason),
        Reason::Booted { .. } => of_vm(reason),
        Reason::Used { .. } | Reason::Stale { .. } => of_guest(reason),
        Reason::Contradicted { .. } | Reason::UsesUncounted { .. } => of_guest(reason),
        Reason::InDistress { .. } | Reason::LittleLeft { .. } => of_guest(reason),
        Reason::WasInDistress { .. } | Reason::KeepsGift { .. } => of_guest(reason),
        Reason::NoDistress => of_guest(reason),
        Reason::Size { .. } | Reason::AboveMaximum { .. } => of_balloon(reason),
        Reason::BalloonFreesNothing { .. } | Reason::NothingInFlight => of_balloon(reason),
        Reason::InFlight { .. } | Reason::Stuck { .. } | Reason::OursAlone => of_balloon(reason),
        Reason::MovedByOthers { .. } | Reason::NeverShrunk => of_balloon(reason),
        Reason::Shrunk { .. } => of_balloon(reason),
        Reason::Room { .. } | Reason::NothingToFree { .. } => of_room(reason),
        Reason::HasAll { .. } | Reason::GuestHas { .. } => of_room(reason),
        Reason::HasReceived { .. } | Reason::OnItsWay | Reason::NotFree => of_room(reason),
        Reason::LevelIs { .. } | Reason::LevelNow { .. } => of_host(reason),
        Reason::BalloonsEmpty { .. } | Reason::Refaulted { .. } => of_host(reason),
        Reason::NoHookCommand | Reason::Missing { .. } => of_host(reason),
        Reason::HookCalled { .. } => of_host(reason),
        Reason::Short { .. } | Reason::Relief { .. } => of_decision(reason),
        Reason::Undone { .. } | Reason::RunsOut { .. } | Reason::Calm { .. } => of_decision(reason),
        Reason::ColdPages { .. } | Reason::Ending { .. } => of_decision(reason),
    }
}

/// Nothing is said, or what has to be known is not.
fn unknown(reason: &Reason) -> String {
    match reason {
        Reason::NotAsked => "not asked".to_owned(),
        Reason::SwitchedOff => "switched off".to_owned(),
        Reason::Reported { text } => text.clone(),
        Reason::ScopeUnknown => "the scope's memory is not known".to_owned(),
        Reason::StateUnknown => "its state is not known".to_owned(),
        Reason::SizeUnknown => "its size is not known".to_owned(),
        Reason::MaximumUnknown => "its maximum is not known".to_owned(),
        Reason::CpuTimeUnknown => "its CPU time or number of CPUs is not known".to_owned(),
        Reason::FloorUnknown => "its floor is not known".to_owned(),
        Reason::NoStatistics => "there are no guest statistics".to_owned(),
        Reason::StatisticsAgeUnknown => "the age of the guest statistics is not known".to_owned(),
        Reason::HostSideUnknown => {
            "RSS or swap is not known, so that its statistics can't be checked".to_owned()
        }
        Reason::FreeUnknown => "free memory is not known".to_owned(),
        Reason::MajorFaultsUnknown => "its guest's major faults are not known".to_owned(),
        Reason::DistressUnknown { unknown } if unknown.is_empty() => {
            "distress is not known: no guest statistics".to_owned()
        }
        Reason::DistressUnknown { unknown } => {
            format!("distress is not known: {} unknown", kinds(unknown))
        }
        Reason::GuestLacks { what } => format!("the guest does not report its {}", part(*what)),
        _ => UNRECORDED.to_owned(),
    }
}

/// What the VM is, and whether it may be asked.
fn of_vm(reason: &Reason) -> String {
    match reason {
        Reason::DuplicateId => "another VM has the same identity".to_owned(),
        Reason::Excluded => "excluded".to_owned(),
        Reason::WeightZero => "its weight is 0".to_owned(),
        Reason::Allowed { weight } => format!("not excluded, weight {weight}"),
        Reason::Runs => "it runs".to_owned(),
        Reason::NotRunning { state } => format!("it is {}", running(*state)),
        Reason::Gone => "it is gone".to_owned(),
        Reason::NoConnection => "no connection to its hypervisor".to_owned(),
        Reason::Unpinned => "its memory is not pinned".to_owned(),
        Reason::Encrypted => {
            "its memory is encrypted (SEV, TDX and the like): no balloon frees any of it".to_owned()
        }
        Reason::PassedThrough => "a passed-through device (VFIO) pins its memory".to_owned(),
        Reason::DevicesUnknown => "whether a device pins its memory is not known".to_owned(),
        Reason::LockedUnknown => {
            "whether its memory is locked or in huge pages is not known".to_owned()
        }
        Reason::Locked { bytes } => format!("{} of it are locked", show(*bytes)),
        Reason::HugePages { bytes } => format!("{} of it are in huge pages", show(*bytes)),
        Reason::Booted { time, needed } => {
            format!("{} of CPU time, booted from {}", span(*time), span(*needed))
        }
        _ => UNRECORDED.to_owned(),
    }
}

/// What the guest says of itself, and how it fares.
fn of_guest(reason: &Reason) -> String {
    match reason {
        Reason::Used { used, size, available } => {
            format!("{} used of {}, {} available", show(*used), show(*size), show(*available))
        }
        Reason::Stale { age, limit } => {
            format!("the guest statistics are {} old, stale after {}", span(*age), span(*limit))
        }
        Reason::Contradicted { claim, claimed, most } => contradicted(*claim, *claimed, *most),
        Reason::UsesUncounted { why } => {
            format!("it uses more than the host shows of it: {}", uncounted(*why))
        }
        Reason::InDistress { symptoms } => format!("in distress: {}", all(symptoms)),
        Reason::LittleLeft { symptoms } if symptoms.is_empty() => {
            "little is available in the guest".to_owned()
        }
        Reason::LittleLeft { symptoms } => format!("little is available: {}", all(symptoms)),
        Reason::WasInDistress { since, pause } => {
            format!("in distress {}, not shrunk for {} after that", ago(*since), span(*pause))
        }
        Reason::KeepsGift { since, pause } => {
            format!("got memory {}, not shrunk for {} after that", ago(*since), span(*pause))
        }
        Reason::NoDistress => "not in distress".to_owned(),
        _ => UNRECORDED.to_owned(),
    }
}

/// How the balloon stands and moves.
fn of_balloon(reason: &Reason) -> String {
    match reason {
        Reason::Size { actual, maximum } => format!("{} of {}", show(*actual), show(*maximum)),
        Reason::AboveMaximum { actual, maximum } => {
            format!("it has {}, more than its maximum of {}", show(*actual), show(*maximum))
        }
        Reason::BalloonFreesNothing { size, rss } => format!(
            "inflating frees nothing: the balloon leaves it {}, and {} of it are resident",
            show(*size),
            show(*rss)
        ),
        Reason::NothingInFlight => "no order in flight".to_owned(),
        Reason::InFlight { left } => format!("moving, {} to go", show(*left)),
        Reason::Stuck { since, left, flagged } => format!(
            "stuck{}: no progress for {}, {} to go",
            if *flagged { ", uncooperative" } else { "" },
            span(*since),
            show(*left)
        ),
        Reason::OursAlone => "no other program moved its balloon".to_owned(),
        Reason::MovedByOthers { from, to, since } => format!(
            "its balloon was moved from {} to {} by something else {}",
            show(*from),
            show(*to),
            ago(*since)
        ),
        Reason::NeverShrunk => "never shrunk".to_owned(),
        Reason::Shrunk { since, pause } => {
            format!("shrunk {}, cool-down {}", ago(*since), span(*pause))
        }
        _ => UNRECORDED.to_owned(),
    }
}

/// What a VM can give, and what it gets.
fn of_room(reason: &Reason) -> String {
    match reason {
        Reason::Room { room, floor } => format!("{} above its {}", show(*room), terms(floor)),
        Reason::NothingToFree { used, vmm } => format!(
            "inflating would free nothing: the guest uses {}, up to {} is VMM overhead",
            show(*used),
            show(*vmm)
        ),
        Reason::HasAll { ceiling } => format!("it has its maximum of {}", show(*ceiling)),
        Reason::GuestHas { share } => format!("{share:.1} % of it is available in the guest"),
        Reason::HasReceived { grown } => {
            format!("received {} since its last statistics", show(*grown))
        }
        Reason::OnItsWay => "on its way".to_owned(),
        Reason::NotFree => "not enough is free".to_owned(),
        _ => UNRECORDED.to_owned(),
    }
}

/// How the host stands, and what it does beside balloons.
fn of_host(reason: &Reason) -> String {
    match reason {
        Reason::LevelIs { level, from } => {
            format!("it is {}, from {}", level.word(), from.word())
        }
        Reason::LevelNow { level } => format!("it is {}", level.word()),
        Reason::BalloonsEmpty { level, since, kept, patience } => format!(
            "it is {}, balloons have had nothing to give for {}; from {}, under {} \
             available with a VM in distress",
            level.word(),
            span(*since),
            span(*patience),
            show(*kept)
        ),
        Reason::Refaulted { since, within, rest, times } => format!(
            "reclaimed pages were refaulted within {}, {}: backs off for {} ({times} in a row)",
            span(*within),
            ago(*since),
            span(*rest)
        ),
        Reason::NoHookCommand => "no command is configured (hook.command)".to_owned(),
        Reason::Missing { level, missing, lasts, least, after } => format!(
            "it is {}, {} missing for {}; called from low, {} and {}",
            level.word(),
            show(*missing),
            span(*lasts),
            show(*least),
            span(*after)
        ),
        Reason::HookCalled { since, pause } => {
            format!("called {}, again after {}", ago(*since), span(*pause))
        }
        _ => UNRECORDED.to_owned(),
    }
}

/// What a decision was made by.
fn of_decision(reason: &Reason) -> String {
    match reason {
        Reason::Short { host, need, room, dead, .. } => {
            let dead =
                if dead.0 > 0 { format!(", {} of it unused", show(*dead)) } else { String::new() };
            format!(
                "{}, {} are needed, and it can spare {}{dead}",
                standing(host),
                show(*need),
                show(*room)
            )
        }
        Reason::Relief { from, wanted, share, free } => format!(
            "in distress ({}), wants {}, and its part of the {} that are free is {}",
            distress(from),
            show(*wanted),
            show(*free),
            show(*share)
        ),
        Reason::Undone { from, step, costs, spares } => format!(
            "in distress ({}): the last step, of {}, costs it {costs:.2} s a second and spares all \
             VMs {spares:.2}, so that it is undone",
            distress(from),
            show(*step)
        ),
        Reason::RunsOut { has, low, taken } => format!(
            "its guest runs out of memory ({has:.1} % available, under {low}), and {} that were \
             taken from it come back, whatever is free",
            show(*taken)
        ),
        Reason::Calm { free, before } => format!(
            "it is calm, {} are free above the calm line, and it had {} before",
            show(*free),
            show(*before)
        ),
        Reason::ColdPages { psi, limit, bytes, rss } => format!(
            "balloons can't give what is needed, its PSI some is {psi:.1} %, under {limit}, and {} \
             of its {} may be cold",
            show(*bytes),
            show(*rss)
        ),
        Reason::Ending { free, before } => format!(
            "memtrace ends, it had {} before, and {} are free above the calm line",
            show(*before),
            show(*free)
        ),
        _ => UNRECORDED.to_owned(),
    }
}

fn contradicted(claim: Claim, claimed: Bytes, most: Bytes) -> String {
    let (claimed, most) = (show(claimed), show(most));
    match claim {
        Claim::TotalOverMaximum => {
            format!("the guest claims a total of {claimed}, its maximum is {most}")
        }
        Claim::FreeOverTotal => {
            format!("the guest claims {claimed} free or available, its total is {most}")
        }
        Claim::AvailableOverSize => {
            format!("the guest claims {claimed} available, its size is {most}")
        }
        Claim::UsedOverHost => {
            format!("the guest claims {claimed} in use, RSS and swap are {most}")
        }
    }
}

const fn uncounted(why: Uncounted) -> &'static str {
    match why {
        Uncounted::Shared => "guest memory is shared, and its swap belongs to no address space",
        Uncounted::Incoming => "it was started from another's state, without its pages of zeros",
        Uncounted::MergedZeros => "KSM merges its pages of zeros with the kernel's own",
    }
}
