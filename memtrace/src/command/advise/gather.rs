//! Aggregates ticks into accounts of bounded size.

use std::collections::{BTreeMap, BTreeSet};

use super::sketch::Sketch;
use super::source::Source;
use super::tick::{HostTick, Key, Need, Tick, VmTick};
use memtrace_core::sample::{SwapDevice, VmLabels};
use memtrace_core::units::{Bytes, WallNanos};

/// Most VMs and days that are kept account of, and hosts that are named.
const MOST_VMS: usize = 1000;
const MOST_DAYS: usize = 400;
const MOST_HOSTS: usize = 8;

pub(super) type Hours = [Sketch; 24];

/// An amount, and when it was.
pub(super) type Peak = (Bytes, WallNanos);

/// The input of the advice.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub(super) source: Source,
    pub(super) begin: Option<WallNanos>,
    pub(super) end: WallNanos,
    pub(super) seconds: f64,
    pub(super) hosts: BTreeSet<String>,
    pub(super) host: HostAccount,
    pub(super) vms: BTreeMap<Key, VmAccount>,
    pub(super) left_out: BTreeSet<Key>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct HostAccount {
    pub(super) installed: Option<Bytes>,
    pub(super) available: Sketch,
    /// Memory in use, but not by VMs.
    pub(super) own: Sketch,
    pub(super) allocated: Option<Bytes>,
    pub(super) allocated_part: bool,
    /// Simultaneous demand of all VMs; for unknown demand, their memory on the host.
    pub(super) together: Hours,
    pub(super) together_peak: Option<Peak>,
    /// Memory allocated to VMs at that time.
    pub(super) allocated_then: Option<Bytes>,
    /// Maximum simultaneous memory of all VMs on the host, resident and swapped.
    pub(super) kept_peak: Option<Bytes>,
    /// Seconds in which a VM's demand was unknown, and its footprint or nothing was used.
    pub(super) by_footprint: f64,
    pub(super) without: f64,
    pub(super) swap: SwapAccount,
}

#[derive(Clone, Debug, Default)]
pub(super) struct SwapAccount {
    pub(super) total: Option<Bytes>,
    pub(super) devices: Vec<SwapDevice>,
    pub(super) used: Sketch,
    /// Bytes a second.
    pub(super) reads: Sketch,
    pub(super) writes: Sketch,
    /// Simultaneous unused memory of all VMs in swap: minimum and maximum.
    pub(super) dead_least: Sketch,
    pub(super) dead_most: Sketch,
}

#[derive(Clone, Debug, Default)]
pub(super) struct VmAccount {
    pub(super) name: String,
    pub(super) labels: VmLabels,
    pub(super) allocated: Option<Bytes>,
    pub(super) has_balloon: bool,
    pub(super) seconds: f64,
    pub(super) last: WallNanos,
    pub(super) need: Hours,
    pub(super) peak: Option<Peak>,
    pub(super) days: BTreeMap<i64, Day>,
    /// Seconds in which caches count as demand.
    pub(super) at_most: f64,
    /// Why its demand was last unknown.
    pub(super) because: Option<String>,
    pub(super) hurt: f64,
    /// Largest size in distress.
    pub(super) hurt_at: Option<Bytes>,
    pub(super) footprint: Sketch,
    pub(super) dead: DeadAccount,
}

#[derive(Clone, Debug, Default)]
pub(super) struct DeadAccount {
    pub(super) amount: Sketch,
    /// The part of it that is in swap, at least and at most.
    pub(super) swapped_least: Sketch,
    pub(super) swapped_most: Sketch,
}

/// A day of a VM.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Day {
    pub(super) seconds: f64,
    pub(super) peak: u64,
}

impl Record {
    pub(super) fn add(&mut self, tick: &Tick) {
        self.begin.get_or_insert(tick.wall);
        self.end = self.end.max(tick.wall);
        self.seconds += tick.seconds;
        if self.hosts.len() < MOST_HOSTS {
            self.hosts.extend(tick.host.name.clone());
        }
        for vm in &tick.vms {
            if !self.vms.contains_key(&vm.key) && self.vms.len() >= MOST_VMS {
                // As many again are counted by name; then it is "at least".
                if self.left_out.len() < MOST_VMS {
                    self.left_out.insert(vm.key.clone());
                }
                continue;
            }
            self.vms.entry(vm.key.clone()).or_default().add(vm, tick);
        }
        self.host.add(tick);
    }
}

impl HostAccount {
    fn add(&mut self, tick: &Tick) {
        let HostTick { installed, available, allocated, .. } = tick.host;
        self.installed = installed.or(self.installed);
        if allocated.is_some() {
            (self.allocated, self.allocated_part) = (allocated, tick.host.allocated_part);
        }
        if let Some(available) = available {
            self.available.add(available.0, tick.seconds);
        }
        let resident = tick
            .vms
            .iter()
            .try_fold(Bytes(0), |sum, vm| vm.resident.map(|resident| sum.saturating_add(resident)));
        if let (Some(installed), Some(available), Some(resident)) = (installed, available, resident)
        {
            let own = installed.saturating_sub(available).saturating_sub(resident);
            self.own.add(own.0, tick.seconds);
        }
        let kept = tick.vms.iter().try_fold(Bytes(0), |sum, vm| {
            vm.footprint().map(|footprint| sum.saturating_add(footprint))
        });
        self.kept_peak = self.kept_peak.max(kept);
        self.together(tick);
        self.swap.add(tick);
    }

    fn together(&mut self, tick: &Tick) {
        let mut sum = Bytes(0);
        let (mut by_footprint, mut without) = (false, false);
        for vm in &tick.vms {
            let need = vm.need.bytes();
            by_footprint |= need.is_none();
            match need.or_else(|| vm.footprint()) {
                Some(bytes) => sum = sum.saturating_add(bytes),
                None => without = true,
            }
        }
        if let Some(hour) = self.together.get_mut(tick.hour) {
            hour.add(sum.0, tick.seconds);
        }
        if self.together_peak.is_none_or(|(peak, _)| sum > peak) {
            self.together_peak = Some((sum, tick.wall));
            self.allocated_then = tick.host.allocated;
        }
        self.by_footprint += if by_footprint { tick.seconds } else { 0.0 };
        self.without += if without { tick.seconds } else { 0.0 };
    }
}

impl SwapAccount {
    fn add(&mut self, tick: &Tick) {
        let HostTick { swap_total, swap_used, swap_in, swap_out, swaps, .. } = &tick.host;
        self.total = swap_total.or(self.total);
        if !swaps.is_empty() || *swap_total == Some(Bytes(0)) {
            self.devices.clone_from(swaps);
        }
        if let Some(used) = swap_used {
            self.used.add(used.0, tick.seconds);
        }
        for (rate, sketch) in [(swap_in, &mut self.reads), (swap_out, &mut self.writes)] {
            if let Some(rate) = rate {
                sketch.add(rate.max(0.0) as u64, tick.seconds);
            }
        }
        let parts = tick.vms.iter().filter_map(VmTick::dead_in_swap);
        let (least, most, known) = parts.fold((0_u64, 0_u64, false), |all, (least, most)| {
            (all.0.saturating_add(least.0), all.1.saturating_add(most.0), true)
        });
        if known {
            self.dead_least.add(least, tick.seconds);
            self.dead_most.add(most, tick.seconds);
        }
    }
}

impl VmAccount {
    fn add(&mut self, vm: &VmTick, tick: &Tick) {
        self.name.clone_from(&vm.name);
        if !vm.labels.is_empty() {
            self.labels.clone_from(&vm.labels);
        }
        self.allocated = vm.allocated.or(self.allocated);
        self.has_balloon |= vm.actual.is_some();
        self.seconds += tick.seconds;
        self.last = self.last.max(tick.wall);
        if let Some(footprint) = vm.footprint() {
            self.footprint.add(footprint.0, tick.seconds);
        }
        self.dead.add(vm, tick.seconds);
        match &vm.need {
            Need::Unknown(why) => self.because = Some(why.clone()),
            Need::AtMost(need) => {
                self.at_most += tick.seconds;
                self.needs(*need, vm.most, tick);
            }
            Need::Known(need) => self.needs(*need, vm.most, tick),
        }
        if vm.hurts == Some(true) {
            self.hurt += tick.seconds;
            self.hurt_at = self.hurt_at.max(vm.actual.or(vm.allocated));
        }
    }

    /// Precedence for more memory: seconds in distress, and below a second how near its limit.
    pub(super) fn urgency(&self) -> f64 {
        let near = self.peak.zip(self.allocated).and_then(|((peak, _), size)| peak.share_of(size));
        self.hurt + near.map_or(0.0, |share| share.0 / 1000.0)
    }

    fn needs(&mut self, need: Bytes, most: Option<Bytes>, tick: &Tick) {
        if let Some(hour) = self.need.get_mut(tick.hour) {
            hour.add(need.0, tick.seconds);
        }
        let most = most.map_or(need, |most| most.max(need));
        if self.peak.is_none_or(|(peak, _)| most > peak) {
            self.peak = Some((most, tick.wall));
        }
        let day = self.days.entry(tick.day).or_default();
        day.seconds += tick.seconds;
        day.peak = day.peak.max(most.0);
        if self.days.len() > MOST_DAYS {
            self.days.pop_first();
        }
    }
}

impl DeadAccount {
    fn add(&mut self, vm: &VmTick, seconds: f64) {
        if let Some(dead) = vm.dead {
            self.amount.add(dead.0, seconds);
        }
        if let Some((least, most)) = vm.dead_in_swap() {
            self.swapped_least.add(least.0, seconds);
            self.swapped_most.add(most.0, seconds);
        }
    }
}

impl VmTick {
    /// Its memory on the host, resident and swapped.
    fn footprint(&self) -> Option<Bytes> {
        Some(self.resident?.saturating_add(self.swap?))
    }

    /// Its unused memory in swap: at least what doesn't fit into its resident memory, at most
    /// all of its swap (shakenfist/shakenfist#3920).
    fn dead_in_swap(&self) -> Option<(Bytes, Bytes)> {
        let (dead, resident, swap) = (self.dead?, self.resident?, self.swap?);
        Some((dead.saturating_sub(resident), swap.min(dead)))
    }
}

#[cfg(test)]
mod tests;
