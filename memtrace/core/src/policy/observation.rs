//! What a policy knows at one moment. Everything that may be unknown is an `Option`, and
//! unknown never leads to more action than known.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::reason::{Reason, Uncounted};
use crate::sample::{Claims, VmId, VmState};
use crate::settings::VmSettings;
use crate::units::{ByteRate, Bytes, Nanos, Percent, Rate};

/// One moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// On the monotonic clock.
    pub at: Nanos,
    pub scope: ScopeObservation,
    pub vms: Vec<VmObservation>,
}

/// The memory that the VMs share: the host's, or a cgroup's, whose limit then plays the
/// part of the host's memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScopeObservation {
    /// `None`: the host.
    pub cgroup: Option<String>,
    pub total: Option<Bytes>,
    /// Memory available without harm: MemAvailable and, with ZFS, what its ARC may give back; of a
    /// cgroup its limit less what it can't give back.
    pub available: Option<Bytes>,
    pub swap_total: Option<Bytes>,
    pub swap_free: Option<Bytes>,
    /// Averages over 10 s.
    pub psi_some: Option<Percent>,
    pub psi_full: Option<Percent>,
    /// Share of the last interval in which kswapd worked.
    pub kswapd: Option<Percent>,
    pub direct_reclaims: Option<Rate>,
    pub swap_in: Option<ByteRate>,
    pub swap_out: Option<ByteRate>,
}

/// One VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VmObservation {
    pub id: VmId,
    /// Untrusted text, for reasons alone.
    pub name: String,
    /// By which it is configured; none where another VM has it by right.
    #[serde(default)]
    pub uuid: Option<Uuid>,
    /// What it says that is another VM's.
    #[serde(default)]
    pub claims: Claims,
    pub state: Option<VmState>,
    pub vcpus: Option<u32>,
    /// User and system time since it started.
    pub cpu_time: Option<Nanos>,

    /// Why its balloon can't be moved. `None`: it can.
    pub no_balloon: Option<Reason>,
    /// Logical size now: maximum less balloon.
    pub actual: Option<Bytes>,
    pub maximum: Option<Bytes>,
    /// Its own driver lets go of the balloon when the guest runs out of memory.
    #[serde(default)]
    pub deflate_on_oom: Option<bool>,
    /// Why host memory of it can't be given back by a balloon: VFIO, huge pages, locked.
    pub pinned: Option<Reason>,
    pub guest: Option<GuestObservation>,

    /// What the host keeps of it.
    pub rss: Option<Bytes>,
    pub swap: Option<Bytes>,
    /// Why it may keep more than these two, so that a guest that uses more tells no lie.
    #[serde(default)]
    pub uncounted: Option<Uncounted>,
    /// In RSS or swap, while the guest itself has no use for it.
    pub dead: Option<Bytes>,

    /// Suffered, from the host's side, in the last interval.
    pub swap_in: Option<ByteRate>,
    pub async_faults: Option<Rate>,
    pub refaults: Option<Rate>,
    pub stalled: Option<Percent>,
    /// Its cgroup's, over 10 s, where the cgroup is its alone.
    pub psi_some: Option<Percent>,
    /// Its cgroup is its alone and takes `memory.reclaim`; false where that isn't known.
    pub takes_reclaim: bool,

    /// What the hypervisor's metadata says of it; the configuration goes before.
    #[serde(default)]
    pub settings: VmSettings,
}

/// What the guest says. It may lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GuestObservation {
    /// Since it said so. `None`: unknown, which counts as stale.
    pub age: Option<Nanos>,
    pub total: Option<Bytes>,
    pub free: Option<Bytes>,
    pub available: Option<Bytes>,
    pub disk_caches: Option<Bytes>,
    pub major_faults: Option<Rate>,
    pub swap_in: Option<ByteRate>,
    pub swap_out: Option<ByteRate>,
    /// It says that its OOM killer struck between its last two answers. Few devices tell, so
    /// that one that doesn't is like one without a kill.
    #[serde(default)]
    pub killed: bool,
    /// Its counters began anew with this answer: it booted again in the same process.
    #[serde(default)]
    pub rebooted: bool,
}

impl VmObservation {
    /// A VM of which only the identity is known.
    pub fn unknown(id: VmId, name: impl Into<String>) -> Self {
        Self {
            id,
            name: name.into(),
            uuid: None,
            claims: Claims::default(),
            state: None,
            vcpus: None,
            cpu_time: None,
            no_balloon: None,
            actual: None,
            maximum: None,
            deflate_on_oom: None,
            pinned: None,
            guest: None,
            rss: None,
            swap: None,
            uncounted: None,
            dead: None,
            swap_in: None,
            async_faults: None,
            refaults: None,
            stalled: None,
            psi_some: None,
            takes_reclaim: false,
            settings: VmSettings::default(),
        }
    }
}
