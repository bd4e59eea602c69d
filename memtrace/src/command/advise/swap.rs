//! Recommended swap size of the host.

use serde::Serialize;

use super::basis::Sure;
use super::gather::Record;
use super::host::HostAdvice;
use super::sketch::Sketch;
use super::tick::Key;
use super::vm::SPARE;
use memtrace_core::policy::rules::Rules;
use memtrace_core::settings::{Priority, VmSettings};
use memtrace_core::units::{Bytes, Percent};

/// Less than this is no reason for swap.
const LITTLE: Bytes = Bytes(64 << 20);
/// Use is steady when all VMs' p99 is at most a fifth above their p50.
const STEADY: f64 = 1.2;
/// Share of time with a high swap-in rate, in per cent, from which swap is in constant use.
const LEANT: f64 = 1.0;
/// Of swap that is in use for 99 % of the time: fuller is too full.
const FULL: f64 = 0.8;
/// Swap is a whole multiple of this.
const GRAIN: u64 = 256 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Swap {
    /// No need for swap by this data.
    NotNeeded,
    /// The present size is enough.
    Enough,
    /// More swap is needed.
    More,
    TooLittle,
}

/// Recommended compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Compression {
    /// In front of a disk with frequent swap-ins.
    Zswap,
    /// In memory, where there is no swap and only peaks want it.
    Zram,
    /// A disk behind zram, in which unused memory still takes memory.
    Disk,
    None,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct SwapAdvice {
    pub(super) advice: Swap,
    /// Recommended size.
    pub(super) size: Option<Bytes>,
    pub(super) now: Option<Bytes>,
    pub(super) used_p99: Option<Bytes>,
    /// p99 of the VMs' unused memory in it, minimum and maximum.
    pub(super) dead_least: Option<Bytes>,
    pub(super) dead_most: Option<Bytes>,
    /// Peak demand of all VMs beyond usable memory.
    pub(super) short: Option<Bytes>,
    /// Swap-in rate, p99; and per cent of the time with over a MiB/s, or what
    /// the policy takes for distress.
    pub(super) reads_p99: Option<Bytes>,
    pub(super) leant: Option<Percent>,
    pub(super) steady: Option<bool>,
    pub(super) compression: Compression,
    /// VMs of priority high, which should not be in swap.
    pub(super) critical: Vec<String>,
    pub(super) sure: Sure,
    pub(super) why: Vec<String>,
}

pub(super) fn advise(record: &Record, host: &HostAdvice, rules: &Rules) -> SwapAdvice {
    let swap = &record.host.swap;
    let known = swap.reads.seconds();
    let together = Sketch::of(&record.host.together);
    let limit = rules.host_swap_in as u64;
    let leant = (known > 0.0).then(|| Percent(100.0 * swap.reads.seconds_from(limit) / known));
    let mut advice = SwapAdvice {
        advice: Swap::TooLittle,
        size: None,
        now: swap.total,
        used_p99: swap.used.quantile(0.99).map(Bytes),
        dead_least: swap.dead_least.quantile(0.99).map(Bytes),
        dead_most: swap.dead_most.quantile(0.99).map(Bytes),
        short: host
            .together_peak
            .zip(host.usable)
            .map(|(peak, usable)| Bytes((peak.0 as f64 * SPARE) as u64).saturating_sub(usable)),
        reads_p99: swap.reads.quantile(0.99).map(Bytes),
        leant,
        steady: together
            .quantile(0.5)
            .zip(together.quantile(0.99))
            .map(|(usual, most)| most as f64 <= usual as f64 * STEADY),
        compression: Compression::None,
        critical: critical(record, rules),
        sure: Sure::of(known, record.seconds).min(host.sure),
        why: Vec::new(),
    };
    if advice.sure > Sure::TooLittle {
        judge(&mut advice, host.installed);
        advice.compression = compression(&advice, record);
    }
    advice.why = why(&advice);
    advice
}

/// By what the operator said in the configuration.
fn critical(record: &Record, rules: &Rules) -> Vec<String> {
    let is_critical = |key: &Key, name: &str| {
        VmSettings::of(&rules.vms, name, key.uuid()).priority == Some(Priority::High)
    };
    let found = record.vms.iter().filter(|(key, vm)| is_critical(key, &vm.name));
    let mut names: Vec<String> = found.map(|(_, vm)| vm.name.clone()).collect();
    names.sort();
    names
}

/// Unused memory + 20 %, plus peak demand beyond usable memory. At most the installed memory where
/// demand is steady, else twice that: a common rule of thumb.
fn judge(advice: &mut SwapAdvice, installed: Option<Bytes>) {
    let dead = advice.dead_most.unwrap_or_default();
    let short = advice.short.unwrap_or_default();
    let mut wanted = (dead.0 as f64 * SPARE) as u64 + short.0;
    let full = advice
        .used_p99
        .zip(advice.now)
        .filter(|(used, now)| now.0 > 0 && used.0 as f64 >= now.0 as f64 * FULL);
    if let Some((used, _)) = full {
        wanted = wanted.max((used.0 as f64 / FULL) as u64);
    }
    if wanted < LITTLE.0 {
        advice.advice = Swap::NotNeeded;
        return;
    }
    let most = installed.map(|installed| match advice.steady {
        Some(true) => installed.0,
        _ => installed.0.saturating_mul(2),
    });
    let size = wanted.min(most.unwrap_or(u64::MAX)).div_ceil(GRAIN).saturating_mul(GRAIN);
    advice.size = Some(Bytes(size));
    let is_enough = advice.now.is_some_and(|now| now.0 as f64 * SPARE >= size as f64);
    advice.advice = if is_enough { Swap::Enough } else { Swap::More };
}

fn compression(advice: &SwapAdvice, record: &Record) -> Compression {
    let devices = &record.host.swap.devices;
    let on_disk = devices.iter().filter(|device| !device.path.starts_with("/dev/zram")).count();
    let is_leant = advice.leant.is_some_and(|share| share.0 >= LEANT);
    let dead = advice.dead_least.unwrap_or_default();
    // There is swap on unknown devices.
    if devices.is_empty() && advice.now.is_none_or(|now| now.0 > 0) {
        return Compression::None;
    }
    match (on_disk, devices.len()) {
        (0, 0) if advice.advice == Swap::More && dead < LITTLE => Compression::Zram,
        (0, 0) => Compression::None,
        (0, _) if dead >= LITTLE => Compression::Disk,
        (1.., _) if is_leant => Compression::Zswap,
        _ => Compression::None,
    }
}

fn why(advice: &SwapAdvice) -> Vec<String> {
    let mut why = Vec::new();
    if advice.leant.is_some_and(|share| share.0 >= LEANT) {
        why.push("active memory is swapped in constantly: add memory, not swap".to_owned());
    }
    let compression = match advice.compression {
        Compression::Zswap => {
            "enable zswap: it keeps frequently used pages compressed in memory, and the rest on \
             disk (echo 1 > /sys/module/zswap/parameters/enabled)"
        }
        Compression::Zram => {
            "zram is sufficient: only peaks need swap, and little unused memory would stay in it"
        }
        Compression::Disk => {
            "unused memory in zram still takes memory: add a disk (a swap device of lower \
             priority, or zram writeback)"
        }
        Compression::None => "",
    };
    why.extend(Some(compression).filter(|text| !text.is_empty()).map(str::to_owned));
    if !advice.critical.is_empty() {
        let names = advice.critical.join(", ");
        why.push(match advice.short {
            Some(Bytes(0)) => format!(
                "the host has enough memory to keep {names} (priority high) out of swap: \
                 memory.swap.max=0 in their cgroups"
            ),
            _ => format!(
                "{names} (priority high) should not be swapped, but it is not known whether the \
                 host has \
                 enough memory"
            ),
        });
    }
    if advice.dead_most.is_none() && advice.sure > Sure::TooLittle {
        why.push("unused memory in swap is unknown: no guest statistics".to_owned());
    }
    why
}

#[cfg(test)]
mod tests;
