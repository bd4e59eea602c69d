//! Alert rules. Pure. Limits and durations are those of systems in production use: KubeVirt's alert
//! for a guest (headroom under 5 %, and swapping over 1 MiB/s or 5 major faults a second, for 5
//! minutes), Hyper-V's minute of pressure, MOM's 5 %.

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
    pub condition: Condition,
    /// In the unit of [`Condition::unit`].
    pub limit: f64,
    pub lasting: Nanos,
    pub severity: Severity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
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
    /// A balloon does not move towards its target, for longer than `policy.flagged`.
    BalloonStuck,
    /// The host's OOM killer killed a process.
    OomKill,
    /// A guest's own OOM killer killed one of its processes.
    GuestOomKill,
    /// memtrace can't act.
    NotActing,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitUnit {
    Percent,
    MibPerSecond,
    Seconds,
}

impl LimitUnit {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Percent => "%",
            Self::MibPerSecond => "MiB/s",
            Self::Seconds => "s",
        }
    }
}

/// What a rule found, with its numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// A number beside the limit of its rule, in the unit of [`Condition::unit`].
    Measured {
        value: f64,
        limit: f64,
    },
    /// Whether a balloon stays where it is although memtrace has set a target.
    Balloon {
        stuck: bool,
    },
    /// The notices of the kernel's OOM kills in this interval.
    OomKills {
        notices: Vec<String>,
    },
    /// Processes that a guest's OOM killer has killed in this interval.
    GuestOomKills {
        count: u64,
    },
    /// What keeps memtrace from acting, in the words of the system.
    Acting {
        problem: Option<String>,
    },
    VmGone,
    RuleOff,
}

/// One look at one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleReading {
    pub vm: Option<Named>,
    /// Whether the rule holds, and by what. `None`: not known.
    pub found: Option<(bool, Finding)>,
}

impl Condition {
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

    /// What its limit counts. `None`: it has no limit.
    pub const fn unit(self) -> Option<LimitUnit> {
        match self {
            Self::HostMemoryLow | Self::HostPressure | Self::VmStalled | Self::GuestMemoryLow => {
                Some(LimitUnit::Percent)
            }
            Self::HostSwapping | Self::VmSwapping => Some(LimitUnit::MibPerSecond),
            Self::GuestSilent => Some(LimitUnit::Seconds),
            Self::BalloonStuck | Self::OomKill | Self::GuestOomKill | Self::NotActing => None,
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
        Rule { condition: self, limit, lasting: Nanos(minutes * MINUTE.0), severity }
    }
}

impl Rule {
    /// Evaluates the rule on a step. `kills` remembers guests' kills.
    pub fn read(&self, step: &Step, kills: &mut Kills) -> Vec<RuleReading> {
        let condition = self.condition;
        match condition {
            Condition::NotActing => {
                let problem = step.reaction.problem.clone();
                let found = Some((problem.is_some(), Finding::Acting { problem }));
                vec![RuleReading { vm: None, found }]
            }
            Condition::BalloonStuck => stuck(step),
            Condition::OomKill => vec![oom_kill(&step.snapshot)],
            Condition::GuestOomKill => kills.read(step),
            Condition::HostMemoryLow | Condition::HostPressure | Condition::HostSwapping => {
                vec![self.measured(None, host(condition, &step.snapshot))]
            }
            _ => watched(step)
                .map(|vm| self.measured(Some(named(vm)), of_vm(condition, vm)))
                .collect(),
        }
    }

    fn measured(&self, vm: Option<Named>, (value, upwards): (Option<f64>, bool)) -> RuleReading {
        let limit = self.limit;
        let found = value.map(|value| {
            let holds = if upwards { value > limit } else { value < limit };
            (holds, Finding::Measured { value, limit })
        });
        RuleReading { vm, found }
    }
}

pub(super) fn named(vm: &VmView) -> Named {
    Named { vm: vm.id, name: vm.name.clone(), labels: vm.labels.clone() }
}

/// Each VM's balloon, as the policy sees it.
fn stuck(step: &Step) -> Vec<RuleReading> {
    let flagged = &step.reaction.decisions.flagged;
    let read = |vm: &VmView| {
        let stuck = flagged.contains(&vm.id);
        RuleReading { vm: Some(named(vm)), found: Some((stuck, Finding::Balloon { stuck })) }
    };
    watched(step).map(read).collect()
}

/// VMs outside the scope are not this memtrace's to alert about.
pub(super) fn watched(step: &Step) -> impl Iterator<Item = &VmView> {
    let outside = &step.reaction.outside_scope;
    step.snapshot.vms.iter().filter(|vm| !outside.contains(&vm.id))
}

/// The kernel side reports each as it happens; without it, kills are unknown.
fn oom_kill(snapshot: &Snapshot) -> RuleReading {
    let kills = snapshot.notices.iter().filter(|notice| notice.about == Topic::Oom);
    let notices: Vec<String> = kills.map(|notice| notice.text.clone()).collect();
    let counts = snapshot
        .signals
        .iter()
        .any(|status| status.signal == Signal::OomKills && !status.quality.is_absent());
    RuleReading {
        vm: None,
        found: counts.then_some((!notices.is_empty(), Finding::OomKills { notices })),
    }
}

/// The number, and whether more is worse.
fn host(condition: Condition, snapshot: &Snapshot) -> (Option<f64>, bool) {
    let host = &snapshot.host;
    match condition {
        Condition::HostMemoryLow => {
            (share(host.memory_available.value, host.memory_total.value), false)
        }
        Condition::HostPressure => (host.psi.value.map(|psi| psi.some.avg10), true),
        _ => (host.swap_in.value.map(|rate| rate.0 / MIB), true),
    }
}

fn of_vm(condition: Condition, vm: &VmView) -> (Option<f64>, bool) {
    match condition {
        Condition::VmStalled => (vm.stalled.value.map(|share| share.0), true),
        Condition::GuestSilent => (vm.guest_age.value.map(Nanos::seconds), true),
        Condition::GuestMemoryLow => (headroom(vm), false),
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
