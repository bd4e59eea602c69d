//! Snapshots for the tests of views and encoders, derived from samples by the model, so that they
//! show no numbers that the product would not. Tests only.

mod blind;
mod busy;
mod decided;
pub mod samples;

use std::sync::{Arc, OnceLock};

use crate::model::Snapshot;
use crate::model::snapshot::VmView;
use crate::sample::{Platform, VmLabels, VmSample};
use crate::signal::{Quality, Signal, SignalStatus};
use crate::units::WallNanos;

pub use blind::{unprivileged, without_kernel_side};
pub use decided::{called, enforced, observed};
use samples::only_vm;

pub const MIB: u64 = 1 << 20;
pub const GIB: u64 = 1 << 30;
/// 2026-11-22 21:31:05 UTC.
pub const WALL: WallNanos = WallNanos(1_795_383_065_000_000_000);
/// Why the demo's swap-outs are approximate.
const WITHOUT_MEMCG: &str = "rss_stat only: no memcg events here";

/// A VM that does well and of which everything is known.
pub fn vm(name: &str, pid: u32) -> VmView {
    only_vm(busy::minute(|second| vec![busy::idle(name, pid, second)], &exact()))
}

/// What a platform and the operator call a VM.
pub fn labels() -> VmLabels {
    let more = [("flavour", "m1.small"), ("team", "payments")];
    VmLabels {
        platform: Some(Platform::Nova),
        id: Some("0b6f2d84".to_owned()),
        name: Some("cart-db".to_owned()),
        platform_name: Some("instance-db".to_owned()),
        project: Some("shop".to_owned()),
        more: more.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    }
}

/// A VM that cycles through more memory than it is left with.
pub fn noisy() -> VmView {
    let [noisy, _] = pair();
    noisy
}

/// A VM whose pages are taken by others.
pub fn victim() -> VmView {
    let [_, victim] = pair();
    victim
}

/// The noisy VM and its victim.
fn pair() -> [VmView; 2] {
    static PAIR: OnceLock<[VmView; 2]> = OnceLock::new();
    let derived = || {
        let vms = busy::minute(three, &exact()).vms;
        [0, 1].map(|index: usize| vms[index].clone())
    };
    PAIR.get_or_init(derived).clone()
}

/// A busy host with these VMs.
pub fn snapshot(vms: Vec<VmView>) -> Snapshot {
    let samples = |second| vms.iter().map(|vm| busy::vm(&vm.name, vm.pid, second)).collect();
    let snapshot = busy::minute(samples, &exact());
    // What a test changed in them is shown.
    Snapshot { vms, ..snapshot }
}

/// Three VMs, as the demo has them, with flows and signals of every quality.
pub fn demo() -> Arc<Snapshot> {
    static DEMO: OnceLock<Arc<Snapshot>> = OnceLock::new();
    let quality = |signal| match signal {
        Signal::SwapOut => Quality::approximate(WITHOUT_MEMCG),
        Signal::Throttling => Quality::absent("mm_vmscan_throttled is not in this kernel"),
        _ => Quality::Exact,
    };
    DEMO.get_or_init(|| Arc::new(busy::minute(three, &busy::signals(quality)))).clone()
}

fn three(second: u64) -> Vec<VmSample> {
    [("noisy", busy::NOISY), ("victim", busy::VICTIM), ("idle", 4400)]
        .map(|(name, pid)| busy::vm(name, pid, second))
        .to_vec()
}

fn exact() -> Vec<SignalStatus> {
    busy::signals(|_| Quality::Exact)
}
