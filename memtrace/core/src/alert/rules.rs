//! What is worth an alert. Pure. The numbers and durations are those of others who have
//! them in use: KubeVirt's alert for a guest (headroom under 5 %, and swapping over 1 MiB/s
//! or 5 major faults a second, for 5 minutes), Hyper-V's minute of pressure, MOM's 5 %.

use super::Severity;
use super::kills::Kills;
use crate::model::Snapshot;
use crate::model::snapshot::VmView;
use crate::reactor::Step;
use crate::reactor::entry::Named;
use crate::sample::Topic;
use crate::signal::Signal;
use crate::units::{Bytes, Nanos};

const MINUTE: Nanos = Nanos(60 * Nanos::SECOND.0);
const MIB: f64 = 1_048_576.0;

/// A condition, and how long it has to hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    pub kind: Kind,
    /// In the unit of [`Kind::unit`].
    pub limit: f64,
    pub lasting: Nanos,
    pub severity: Severity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Less than the limit of the host's memory is available.
    HostMemoryLow,
    /// Tasks wait for memory more than this (PSI some, over 10 s).
    HostPressure,
    HostSwapping,
    VmStalled,
    VmSwapping,
    /// Less than the limit is available in the guest, while the host brings its pages back.
    GuestMemoryLow,
    /// The guest has said nothing of its memory for this long.
    GuestSilent,
    /// A balloon does not move though it was told to, for longer than `policy.flagged`.
    BalloonStuck,
    /// The host's OOM killer chose somebody.
    OomKill,
    /// A guest's own OOM killer chose one of its processes.
    GuestOomKill,
    /// Something keeps memtrace from acting.
    NotActing,
}

/// One look at one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub vm: Option<Named>,
    /// `None`: not known.
    pub holds: Option<bool>,
    pub text: String,
}

impl Kind {
    pub const ALL: [Self; 11] = [
        Self::HostMemoryLow,
        Self::HostPressure,
        Self::HostSwapping,
        Self::VmStalled,
        Self::VmSwapping,
        Self::GuestMemoryLow,
        Self::GuestSilent,
        Self::BalloonStuck,
        Self::OomKill,
        Self::GuestOomKill,
        Self::NotActing,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::HostMemoryLow => "host_memory_low",
            Self::HostPressure => "host_pressure",
            Self::HostSwapping => "host_swapping",
            Self::VmStalled => "vm_stalled",
            Self::VmSwapping => "vm_swapping",
            Self::GuestMemoryLow => "guest_memory_low",
            Self::GuestSilent => "guest_silent",
            Self::BalloonStuck => "balloon_stuck",
            Self::OomKill => "oom_kill",
            Self::GuestOomKill => "guest_oom_kill",
            Self::NotActing => "not_acting",
        }
    }

    /// What its limit counts.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::HostMemoryLow | Self::HostPressure | Self::VmStalled | Self::GuestMemoryLow => {
                "%"
            }
            Self::HostSwapping | Self::VmSwapping => "MiB/s",
            Self::GuestSilent => "s",
            Self::BalloonStuck | Self::OomKill | Self::GuestOomKill | Self::NotActing => "",
        }
    }

    /// The rule as it is unless the operator says otherwise.
    pub const fn rule(self) -> Rule {
        use Severity::{Critical, Warning};
        let (limit, minutes, severity) = match self {
            Self::HostMemoryLow => (5.0, 1, Critical),
            Self::HostPressure => (10.0, 5, Warning),
            Self::HostSwapping | Self::VmSwapping => (1.0, 5, Warning),
            Self::VmStalled => (10.0, 1, Warning),
            Self::GuestMemoryLow => (5.0, 5, Warning),
            Self::GuestSilent => (60.0, 1, Warning),
            Self::BalloonStuck => (0.0, 0, Warning),
            Self::OomKill | Self::GuestOomKill | Self::NotActing => (0.0, 0, Critical),
        };
        Rule { kind: self, limit, lasting: Nanos(minutes * MINUTE.0), severity }
    }
}

impl Rule {
    /// Holds the rule against a step. `kills` is what it remembers of guests' kills.
    pub fn read(&self, step: &Step, kills: &mut Kills) -> Vec<Reading> {
        let (kind, limit) = (self.kind, self.limit);
        match kind {
            Kind::NotActing => {
                let problem = step.reaction.problem.as_ref();
                let text = match problem {
                    Some(problem) => format!("memtrace can't act: {problem}"),
                    None => "memtrace can act again".to_owned(),
                };
                vec![Reading { vm: None, holds: Some(problem.is_some()), text }]
            }
            Kind::BalloonStuck => stuck(step),
            Kind::OomKill => vec![oom_kill(&step.snapshot)],
            Kind::GuestOomKill => kills.read(&step.snapshot),
            Kind::HostMemoryLow | Kind::HostPressure | Kind::HostSwapping => {
                vec![about(None, host(kind, &step.snapshot), limit, kind)]
            }
            _ => {
                let vms = step.snapshot.vms.iter();
                vms.map(|vm| about(Some(named(vm)), of_vm(kind, vm), limit, kind)).collect()
            }
        }
    }
}

pub(super) fn named(vm: &VmView) -> Named {
    Named { vm: vm.id, name: vm.name.clone() }
}

/// Each VM's balloon, as the policy sees it.
fn stuck(step: &Step) -> Vec<Reading> {
    let flagged = &step.reaction.decisions.flagged;
    let read = |vm: &VmView| {
        let holds = flagged.contains(&vm.id);
        let how =
            if holds { "does not move though it was told to" } else { "isn't stuck any more" };
        let text = format!("the balloon of {} {how}", vm.name);
        Reading { vm: Some(named(vm)), holds: Some(holds), text }
    };
    step.snapshot.vms.iter().map(read).collect()
}

/// The kernel side tells of each as it happens; without it nobody knows who it was.
fn oom_kill(snapshot: &Snapshot) -> Reading {
    let kills = snapshot.notices.iter().filter(|notice| notice.about == Topic::Oom);
    let kills: Vec<&str> = kills.map(|notice| notice.text.as_str()).collect();
    let counts = snapshot
        .signals
        .iter()
        .any(|status| status.signal == Signal::OomKills && !status.quality.is_absent());
    let text = if kills.is_empty() { "no more of late".to_owned() } else { kills.join("; ") };
    Reading { vm: None, holds: counts.then_some(!kills.is_empty()), text }
}

/// The number, and whether more is worse.
fn host(kind: Kind, snapshot: &Snapshot) -> (Option<f64>, bool) {
    let host = &snapshot.host;
    match kind {
        Kind::HostMemoryLow => (share(host.memory_available.value, host.memory_total.value), false),
        Kind::HostPressure => (host.psi.value.map(|psi| psi.some.avg10), true),
        _ => (host.swap_in.value.map(|rate| rate.0 / MIB), true),
    }
}

fn of_vm(kind: Kind, vm: &VmView) -> (Option<f64>, bool) {
    match kind {
        Kind::VmStalled => (vm.stalled.value.map(|share| share.0), true),
        Kind::GuestSilent => (vm.guest_age.value.map(Nanos::seconds), true),
        Kind::GuestMemoryLow => (headroom(vm), false),
        _ => (vm.swap_in.value.map(|rate| rate.0 / MIB), true),
    }
}

/// What is available in the guest, in per cent; all of it, as far as this alert goes, while
/// nothing of it is brought back.
fn headroom(vm: &VmView) -> Option<f64> {
    let headroom = share(vm.guest_available.value, vm.guest_total.value)?;
    let swapping = vm.swap_in.value.map(|rate| rate.0 > MIB);
    let faulting = vm.async_faults.value.map(|rate| rate.0 > 5.0);
    match (swapping, faulting) {
        (Some(true), _) | (_, Some(true)) => Some(headroom),
        (Some(false), Some(false)) => Some(100.0),
        _ => None,
    }
}

fn share(part: Option<Bytes>, whole: Option<Bytes>) -> Option<f64> {
    part?.share_of(whole?).map(|share| share.0)
}

fn about(
    vm: Option<Named>,
    (value, upwards): (Option<f64>, bool),
    limit: f64,
    kind: Kind,
) -> Reading {
    let holds = value.map(|value| if upwards { value > limit } else { value < limit });
    let value = value.unwrap_or_default();
    let who = vm.as_ref().map_or("the host", |named| named.name.as_str());
    let (what, unit) = (words(kind), kind.unit());
    let against = match (holds, upwards) {
        (Some(true), true) => format!("over {limit} {unit}"),
        (Some(true), false) => format!("under {limit} {unit}"),
        _ => format!("within {limit} {unit} again"),
    };
    let text = format!("{what} of {who} is {value:.1} {unit}, {against}");
    Reading { vm, holds, text }
}

const fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::HostMemoryLow => "the available memory",
        Kind::HostPressure => "the memory pressure (PSI some)",
        Kind::HostSwapping | Kind::VmSwapping => "the rate of swap-ins",
        Kind::VmStalled => "the time waited for memory",
        Kind::GuestMemoryLow => "the memory available in the guest",
        Kind::GuestSilent => "the age of the guest's statistics",
        Kind::BalloonStuck | Kind::OomKill | Kind::GuestOomKill | Kind::NotActing => "the state",
    }
}
