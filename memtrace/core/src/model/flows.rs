//! Pages that parties reclaimed from each other in the interval, and each party's share.

use std::collections::BTreeMap;

use crate::format::several;
use crate::model::Measured;
use crate::model::gap::Gap;
use crate::model::pair::Context;
use crate::model::rates::{Growth, Interval};
use crate::model::snapshot::FlowView;
use crate::sample::{FlowSample, Party, Sample};
use crate::signal::{Quality, Signal};
use crate::units::{Percent, Rate};

/// Most flows that a snapshot shows; the smallest are left out beyond that.
pub(crate) const MAX_FLOWS_SHOWN: usize = 256;

type Pair = (Party, Party);

/// What every pair of parties took and lost in the interval, in pages.
pub(super) struct Flows {
    pairs: Result<BTreeMap<Pair, Flow>, Quality>,
    /// Pages in the interval by who took them.
    caused: BTreeMap<Party, u64>,
    all: u64,
    quality: Quality,
    interval: Result<Interval, Gap>,
}

#[derive(Clone, Copy, Default)]
struct Flow {
    grown: u64,
    total: u64,
}

impl Flows {
    pub(super) fn new(context: &Context<'_>) -> Self {
        let quality = context.quality(Signal::Flows).and(lost(context)).and(context.ended());
        let pairs = pairs(context, &quality);
        let quality = quality.and(shared(context, &pairs));
        let mut caused = BTreeMap::new();
        for ((causer, _), flow) in pairs.iter().flatten() {
            let sum: &mut u64 = caused.entry(*causer).or_default();
            *sum = sum.saturating_add(flow.grown);
        }
        // The table of pairs may be full, and recordings of older versions have nothing else.
        for (causer, grown) in counted(context) {
            let sum = caused.entry(causer).or_default();
            *sum = grown.max(*sum);
        }
        let all = caused.values().copied().fold(0, u64::saturating_add);
        let doubt = context.missed(Signal::Flows, all);
        Self { pairs, caused, all, quality: quality.and(doubt), interval: context.interval }
    }

    /// Largest first: by rate, then by total, then by name, so that the order is settled.
    pub(super) fn views(&self) -> Measured<Vec<FlowView>> {
        let (pairs, interval) = match (&self.pairs, self.interval) {
            (Err(quality), _) => return Measured { value: None, quality: quality.clone() },
            (_, Err(gap)) => return gap.into(),
            (Ok(pairs), Ok(interval)) => (pairs, interval),
        };
        let mut flows: Vec<(&Pair, &Flow)> = pairs.iter().collect();
        flows.sort_by_key(|(pair, flow)| (std::cmp::Reverse((flow.grown, flow.total)), **pair));
        let left_out = flows.len().saturating_sub(MAX_FLOWS_SHOWN);
        let views =
            flows.into_iter().take(MAX_FLOWS_SHOWN).map(|((causer, victim), flow)| FlowView {
                causer: *causer,
                victim: *victim,
                pages: interval.rate(flow.grown),
                total_pages: flow.total,
            });
        let shown = Measured::new(Some(views.collect()), self.quality.clone());
        match left_out {
            0 => shown,
            left_out => shown
                .limited_by(Quality::approximate(format!("{left_out} smaller flows are left out"))),
        }
    }

    /// Pages that `causer` took from all parties, itself included.
    fn caused_by(&self, causer: Party) -> Growth {
        match &self.pairs {
            Err(quality) => Measured { value: None, quality: quality.clone() },
            Ok(_) => {
                let caused = self.caused.get(&causer).copied().unwrap_or(0);
                Measured::new(Some(caused), self.quality.clone())
            }
        }
    }

    /// Pages that `causer` took per second.
    pub(super) fn caused_rate(&self, causer: Party) -> Measured<Rate> {
        match self.interval {
            Ok(interval) => self.caused_by(causer).map(|pages| interval.rate(pages)),
            Err(gap) => gap.into(),
        }
    }

    /// Pages that `causer` took, as a share of all pages taken; 0 when there were none.
    pub(super) fn caused_share(&self, causer: Party) -> Measured<Percent> {
        let share = |caused: u64| match self.all {
            0 => 0.0,
            all => caused as f64 * 100.0 / all as f64,
        };
        self.caused_by(causer).map(|caused| Percent(share(caused)))
    }
}

/// What each party's own counter says that it took, in pages.
fn counted(context: &Context<'_>) -> Vec<(Party, u64)> {
    let Some(previous) = context.previous.filter(|_| context.interval.is_ok()) else {
        return Vec::new();
    };
    let before: BTreeMap<Party, u64> = caused(previous).collect();
    let grown = caused(context.now).filter_map(|(party, total)| {
        // One that ran backwards was reset to 0 when its slot was reused.
        let earlier = before.get(&party)?;
        Some((party, total.checked_sub(*earlier).unwrap_or(total)))
    });
    grown.collect()
}

/// Each party's counter of pages that it took.
fn caused(sample: &Sample) -> impl Iterator<Item = (Party, u64)> {
    let vms = sample.vms.iter().filter_map(|vm| Some((Party::Vm(vm.id), vm.counters?)));
    let host = sample
        .host
        .counters
        .iter()
        .flat_map(|host| [(Party::Kswapd, host.kswapd), (Party::Other, host.other)]);
    vms.chain(host).map(|(party, counters)| (party, counters.caused_pages))
}

/// Growth of each pair. A new pair began at 0, because every pair has a total; one that ran
/// backwards was reset to 0 when its slot was reused.
fn pairs(context: &Context<'_>, quality: &Quality) -> Result<BTreeMap<Pair, Flow>, Quality> {
    if quality.is_absent() {
        return Err(quality.clone());
    }
    let absent = |gap: Gap| Quality::absent(gap.reason());
    context.interval.map_err(absent)?;
    let previous = context.previous.ok_or(Gap::FirstSample).map_err(absent)?;
    let now = context.now.flows.as_ref().ok_or(Gap::NotRead).map_err(absent)?;
    let before = previous.flows.as_ref().ok_or(Gap::NotReadBefore).map_err(absent)?;
    let before = totals(before);
    let grown = totals(now).into_iter().map(|(pair, total)| {
        let earlier = before.get(&pair).copied().unwrap_or(0);
        (pair, Flow { grown: total.checked_sub(earlier).unwrap_or(total), total })
    });
    Ok(grown.collect())
}

fn totals(flows: &[FlowSample]) -> BTreeMap<Pair, u64> {
    let mut totals = BTreeMap::new();
    for flow in flows {
        let total: &mut u64 = totals.entry((flow.causer, flow.victim)).or_default();
        *total = total.saturating_add(flow.pages.0);
    }
    totals
}

/// A page of shared guest memory is counted each time it is unmapped, although it may stay in
/// memory: until it is written out, any task that touches it maps it again.
fn shared(context: &Context<'_>, pairs: &Result<BTreeMap<Pair, Flow>, Quality>) -> Quality {
    /// More than what qemu itself shares with others.
    const FEW: u64 = 16;
    let counters = context.now.vms.iter().filter_map(|vm| vm.counters);
    let unmapped = counters.map(|counters| counters.shmem_taken_pages);
    let unmapped = unmapped.fold(0, u64::saturating_add);
    let totals = pairs.iter().flat_map(BTreeMap::values).map(|flow| flow.total);
    match unmapped > (totals.fold(0, u64::saturating_add) / 100).max(FEW) {
        true => Quality::approximate("shared guest memory counts each time that it is unmapped"),
        false => Quality::Exact,
    }
}

/// Pages of this interval whose pair did not fit into the kernel's table.
fn lost(context: &Context<'_>) -> Quality {
    let pages = |sample: &Sample| {
        sample.host.counters.as_ref().map_or(0, |counters| counters.host.lost_flow_pages)
    };
    let before = context.previous.map_or(0, pages);
    match pages(context.now).saturating_sub(before) {
        0 => Quality::Exact,
        lost => {
            let pages = several(lost, "page");
            Quality::approximate(format!("{pages} taken could not be assigned to a pair"))
        }
    }
}
