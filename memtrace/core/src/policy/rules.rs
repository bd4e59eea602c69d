//! The parameters of memtrace's policy, each with its source. Constant while it runs. What a host
//! can't measure is declared here and not discovered on the way: a rule that skips missing numbers
//! would act more for knowing less.

use std::collections::BTreeSet;

use crate::model::{STALE_AFTER, Watermarks};
use crate::sample::{Claims, VmId};
use crate::settings::{Priority, VmSettings, VmTable};
use crate::units::{Bytes, Nanos};

use super::observation::VmObservation;
use crate::policy::capabilities::Capabilities;
use crate::policy::tri_state::share;

pub const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const SECOND: u64 = Nanos::SECOND.0;

/// Shares are in per cent: 100 is all of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Below so much of the scope's memory available it is soft, hard, low: 20 and 5 are
    /// oVirt MOM's, 10 hypeman's.
    pub soft: f64,
    pub hard: f64,
    pub low: f64,
    /// What guests use is taken only below so much available (or the reserve) where VMs wait for
    /// memory or swap is full ([`super::costs::pays`]), under pressure, by the trend, or
    /// for VMs in distress; what they have no use for below `soft`.
    pub in_use: f64,
    /// Above so much available, memory that was taken is returned. On working seeds anything from 8
    /// to 15 did equally well, and the less is kept from guests, the fewer allocations they are
    /// refused.
    pub calm_above: f64,
    /// Hysteresis: a level is left only so many points above where it begins (hypeman: 10 in, 15
    /// out).
    pub leave: f64,
    /// PSI some avg10 that counts as pressure, and that takes the full effort (qemus/qemu).
    pub psi_begin: f64,
    pub psi_full: f64,
    /// Horizon of the trend: balloons take seconds to move.
    pub horizon: Nanos,
    /// The reserve, which is never given away: ESXi's sliding minFree (899 MB and 1 % beyond 28
    /// GB), at least so much, and never more than this share of a small host.
    pub reserve: Bytes,
    pub reserve_share: f64,
    /// The least step (hypeman).
    pub least_step: Bytes,
    /// Most of a VM's maximum that it gives at once when soft (hypeman's 256 MiB, MOM's 5 %),
    /// hard and low, where there is less time.
    pub steps: [Step; 3],
    /// The same for unused memory, at hard and low: its guest doesn't miss it.
    pub dead_step: Step,
    /// Share of a guest's size, per cent, that stays free in it when unused memory is taken.
    pub guest_spare: f64,
    /// Largest step of relief for a VM in distress, from free memory.
    pub relief: Step,
    /// Most that a VM gets back at once when it is calm: 5 % in 10 s (hypeman).
    pub calm: Step,
    pub calm_pause: Nanos,
    /// Time that it has to be calm first.
    pub quiet: Nanos,
    /// Memory that was taken isn't returned sooner, unless its guest is in distress.
    pub hold: Nanos,
    /// Between two steps that shrink a VM (hypeman).
    pub cool_down: Nanos,
    /// Age from which guest statistics are stale: two periods of 2 s (Proxmox) and the second of
    /// their resolution.
    pub stale: Nanos,
    /// CPU time of each virtual CPU before a booting VM is touched (hobby daemons).
    pub boot: Nanos,
    /// Time without progress after which a balloon is stuck, and after which it is reported
    /// (squeezed).
    pub stuck: Nanos,
    pub flagged: Nanos,
    /// Time that a VM is left alone whose balloon another program moved.
    pub stand_down: Nanos,
    /// The floor: so much at least, so much of the maximum (hypeman's 50 %; less when hard and
    /// low, where what it uses still protects it: with half of each maximum out of reach, the
    /// simulated night's batch waits three times as long), so much of what the guest uses
    /// (qmemman's 1.3).
    pub floor_least: Bytes,
    pub floor_shares: [f64; 3],
    pub floor_used: f64,
    /// A VM that was in distress isn't shrunk to its ratio of size to used memory at that time,
    /// plus this margin; half of that is forgotten in this time.
    pub learnt_margin: f64,
    pub learnt_half_life: Nanos,
    /// A guest that was in distress while memtrace kept memory from it isn't shrunk to that size
    /// plus this margin for this time. Longer costs more than it saves, because loads change within
    /// minutes.
    pub too_small_margin: f64,
    pub too_small_lasts: Nanos,
    /// Burst: used memory that rises by this much, or by a tenth of the maximum, from one answer to
    /// the next is faster than relief, and may rise so again. The peak is left to the guest for
    /// this time.
    pub burst: Bytes,
    pub burst_lasts: Nanos,
    /// Available memory below which a guest is low (KubeVirt's alert), or tight, which is distress
    /// together with a symptom. Tight is just under what 1.3 x used leaves (23 %): the further
    /// apart they are, the more often a VM is shrunk, relieved and shrunk again.
    pub guest_low: f64,
    pub guest_tight: f64,
    /// Symptoms: major faults (KubeVirt: 5/s, which any program's start reaches, hence only with
    /// little available), swap traffic (KubeVirt: 1 MiB/s).
    pub guest_faults: f64,
    pub guest_swap: f64,
    /// Thrashing: major faults that are distress also with twice as much available, if less than
    /// this share of the guest is free beyond its watermarks. The guest rereads files for which its
    /// cache has no room, and cache counts as available. At 0.2 ms each they take a twentieth of
    /// its time.
    pub guest_thrash: f64,
    pub guest_full: f64,
    /// The same at any amount available, while memtrace keeps memory from the guest: a fiftieth of
    /// its time.
    pub guest_thrash_kept: f64,
    /// Distress as the host sees it: swap-ins in bytes per second, asynchronous faults per second,
    /// per cent of the time stalled.
    pub host_swap_in: f64,
    pub host_faults: f64,
    pub host_stalled: f64,
    /// Time after distress in which a VM gives nothing.
    pub recover: Nanos,
    /// Time in which memory given to a VM isn't taken again, unless the host is low: balloons would
    /// oscillate.
    pub keep: Nanos,
    /// Cold pages of a VM are reclaimed through its cgroup only below this PSI of the cgroup, at
    /// most so much per step, and once the reserve itself is short.
    pub reclaim_psi: f64,
    pub reclaim: Bytes,
    pub reclaim_pause: Nanos,
    /// Escalation steps that are switched on.
    pub inflate: bool,
    pub win_back: bool,
    pub hook: HookRules,
    /// What this host can measure. What it can't is neither asked for nor waited for.
    pub capabilities: Capabilities,
    /// Safety features that are switched off, for tests that show what each is for.
    pub without: BTreeSet<Safety>,
    /// What the operator says of single VMs.
    pub vms: Vec<VmTable>,
}

/// At most `share` per cent of a VM's maximum, and at most `most`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    pub share: f64,
    pub most: Bytes,
}

/// A feature without which a scenario fails (`sim/tests/safety.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Safety {
    /// Stale statistics are ignored.
    Fresh,
    /// A guest's statistics are checked against what the host sees.
    Trust,
    /// A VM in distress, with little left, or just out of distress gives nothing.
    Distress,
    /// A booting VM is left alone.
    Booted,
    /// Orders in flight count and are waited for, within a deadline.
    Moving,
    /// A balloon that another program moved is left alone.
    Foreign,
    /// There is a pause between two steps that shrink a VM.
    CoolDown,
    /// A VM keeps more than it uses.
    Floor,
    /// And more than that, after distress.
    Learnt,
    /// And what it used in a burst.
    Burst,
    /// What was given isn't taken back at once.
    Keep,
    /// A reserve stays free, and promised memory isn't given twice.
    Reserve,
    /// Memory is taken before it is short, by the trend.
    Forecast,
    /// A state is left, and memory goes back, some points above where it began.
    Hysteresis,
}

/// When the hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookRules {
    pub on: bool,
    /// A hook is configured.
    pub heard: bool,
    /// Time for which memory has to be missing.
    pub after: Nanos,
    /// Time between two calls while it lasts, and from one shortage to the next.
    pub pause: Nanos,
}

impl Default for HookRules {
    fn default() -> Self {
        let (after, pause) = (Nanos(30 * Nanos::SECOND.0), Nanos(600 * Nanos::SECOND.0));
        Self { on: true, heard: false, after, pause }
    }
}

/// What holds for one VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmRules {
    pub minimum: Option<Bytes>,
    pub maximum: Option<Bytes>,
    /// 1000 is ordinary, more gives less; 0 is never touched (Proxmox).
    pub weight: u32,
    pub priority: Priority,
    pub exclude: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            soft: 20.0,
            hard: 10.0,
            low: 5.0,
            in_use: 5.0,
            calm_above: 8.0,
            leave: 5.0,
            psi_begin: 10.0,
            psi_full: 50.0,
            horizon: Nanos(10 * SECOND),
            reserve: Bytes(GIB),
            reserve_share: 3.0,
            least_step: Bytes(64 * MIB),
            steps: [
                Step { share: 5.0, most: Bytes(256 * MIB) },
                Step { share: 10.0, most: Bytes(512 * MIB) },
                Step { share: 20.0, most: Bytes(2 * GIB) },
            ],
            dead_step: Step { share: 50.0, most: Bytes(2 * GIB) },
            guest_spare: 40.0,
            relief: Step { share: 25.0, most: Bytes(GIB) },
            calm: Step { share: 5.0, most: Bytes(256 * MIB) },
            calm_pause: Nanos(10 * SECOND),
            quiet: Nanos(10 * SECOND),
            hold: Nanos(120 * SECOND),
            cool_down: Nanos(5 * SECOND),
            stale: STALE_AFTER,
            boot: Nanos(20 * SECOND),
            stuck: Nanos(5 * SECOND),
            flagged: Nanos(20 * SECOND),
            stand_down: Nanos(600 * SECOND),
            floor_least: Bytes(512 * MIB),
            floor_shares: [50.0, 25.0, 15.0],
            floor_used: 1.3,
            learnt_margin: 20.0,
            learnt_half_life: Nanos(600 * SECOND),
            too_small_margin: 10.0,
            too_small_lasts: Nanos(240 * SECOND),
            burst: Bytes(256 * MIB),
            burst_lasts: Nanos(600 * SECOND),
            guest_low: 5.0,
            guest_tight: 20.0,
            guest_faults: 5.0,
            guest_swap: MIB as f64,
            guest_thrash: 250.0,
            guest_full: 10.0,
            guest_thrash_kept: 100.0,
            host_swap_in: MIB as f64,
            host_faults: 250.0,
            host_stalled: 5.0,
            recover: Nanos(5 * SECOND),
            keep: Nanos(150 * SECOND),
            reclaim_psi: 2.0,
            reclaim: Bytes(32 * MIB),
            reclaim_pause: Nanos(5 * SECOND),
            inflate: true,
            win_back: true,
            hook: HookRules::default(),
            capabilities: Capabilities::default(),
            without: BTreeSet::new(),
            vms: Vec::new(),
        }
    }
}

impl Rules {
    pub fn has(&self, safety: Safety) -> bool {
        !self.without.contains(&safety)
    }

    /// How far above its beginning a state is left, and memory goes back.
    pub fn leaves(&self) -> f64 {
        if self.has(Safety::Hysteresis) { self.leave } else { 0.0 }
    }

    /// What the operator said of a VM, and else what is ordinary. Settings by UUID are for the VM
    /// that has it; only `exclude` is also for others that say it.
    pub fn of(&self, vm: &VmObservation) -> VmRules {
        let uuid = match vm.id {
            VmId::Uuid(uuid) => Some(uuid),
            VmId::Process { .. } => None,
        };
        let settings = VmSettings::of(&self.vms, &vm.name, uuid).or(vm.settings);
        // Recordings of before had what a process says in `uuid`.
        let said = Claims { uuid: vm.claims.uuid.or(vm.uuid), ..vm.claims.clone() };
        let excluded = VmSettings::excludes(&self.vms, &said);
        VmRules {
            minimum: settings.minimum,
            maximum: settings.maximum,
            weight: settings.weight.unwrap_or(1000),
            priority: settings.priority.unwrap_or_default(),
            exclude: settings.exclude.unwrap_or(false) || excluded,
        }
    }

    /// Whether a guest of this size has no room left, of which so much is free: beyond what its
    /// kernel keeps free, as of the `maximum` that it booted with.
    pub fn is_full(&self, free: Bytes, size: Bytes, maximum: Bytes) -> bool {
        let spare = free.saturating_sub(Watermarks::kept_free(maximum));
        share(spare, size) < self.guest_full
    }

    /// What stays free whatever happens.
    pub fn kept(&self, total: Bytes) -> Bytes {
        let sliding = Bytes(857 * MIB + total.saturating_sub(Bytes(28 * GIB)).0 / 100);
        self.reserve.max(sliding).min(part(total, self.reserve_share))
    }
}

impl Step {
    /// The largest step of a VM with this maximum, never under `least`.
    pub fn of(self, maximum: Bytes, least: Bytes) -> Bytes {
        part(maximum, self.share).min(self.most).max(least)
    }
}

/// `share` per cent of an amount; never more than the amount times `share`, saturating.
pub fn part(whole: Bytes, share: f64) -> Bytes {
    Bytes((whole.0 as f64 * (share / 100.0)) as u64)
}
