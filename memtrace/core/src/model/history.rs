//! The last few minutes of each VM, for sparklines: a bounded ring a VM that a view
//! feeds with snapshots. Keeps no time; a point is a snapshot.

use std::collections::{BTreeMap, VecDeque};

use crate::model::Snapshot;
use crate::model::snapshot::VmView;
use crate::sample::VmId;

/// Points that are kept of each VM: five minutes at one a second.
pub const POINTS: usize = 300;
/// Most VMs that are remembered, those that are gone included.
pub const MOST_VMS: usize = 1024;

/// What is remembered of a VM, each in the unit of its field in [`VmView`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    Faults,
    MajorFaults,
    SwapIn,
    SwapOut,
    Stalled,
    Caused,
    Taken,
    Rss,
    Swap,
}

impl Metric {
    pub const ALL: [Self; 9] = [
        Self::Faults,
        Self::MajorFaults,
        Self::SwapIn,
        Self::SwapOut,
        Self::Stalled,
        Self::Caused,
        Self::Taken,
        Self::Rss,
        Self::Swap,
    ];

    /// Its value in a row; `None` when absent.
    pub fn of(self, vm: &VmView) -> Option<f64> {
        match self {
            Self::Faults => vm.faults.value.map(|rate| rate.0),
            Self::MajorFaults => vm.major_faults.value.map(|rate| rate.0),
            Self::SwapIn => vm.swap_in.value.map(|rate| rate.0),
            Self::SwapOut => vm.swap_out.value.map(|rate| rate.0),
            Self::Stalled => vm.stalled.value.map(|share| share.0),
            Self::Caused => vm.caused.value.map(|share| share.0),
            Self::Taken => vm.taken.value.map(|rate| rate.0),
            Self::Rss => vm.rss.value.map(|bytes| bytes.0 as f64),
            Self::Swap => vm.swap.value.map(|bytes| bytes.0 as f64),
        }
    }
}

/// One point, in the order of [`Metric::ALL`]. Single precision is enough for a bar.
type Point = [Option<f32>; Metric::ALL.len()];
const GAP: Point = [None; Metric::ALL.len()];

#[derive(Clone, Debug)]
struct Series {
    points: VecDeque<Point>,
    /// Snapshots since the VM was last in one.
    missing: usize,
}

/// The rings of all VMs.
#[derive(Clone, Debug, Default)]
pub struct History {
    series: BTreeMap<VmId, Series>,
}

impl History {
    /// Adds one point to every VM that is known: its values, or a gap when the snapshot
    /// does not have it. A VM with nothing but gaps left is dropped.
    pub fn push(&mut self, snapshot: &Snapshot) {
        for series in self.series.values_mut() {
            series.missing = series.missing.saturating_add(1);
            series.push(GAP);
        }
        for vm in &snapshot.vms {
            let series = self.series.entry(vm.id).or_insert_with(Series::begin);
            if let (1.., Some(last)) = (series.missing, series.points.back_mut()) {
                *last = Metric::ALL.map(|metric| metric.of(vm).map(|value| value as f32));
                series.missing = 0;
            }
        }
        self.series.retain(|_, series| series.missing < POINTS);
        self.drop_longest_gone();
    }

    /// The points of a VM, oldest first, at most [`POINTS`]. `None` is a gap.
    pub fn points(&self, vm: VmId, metric: Metric) -> Vec<Option<f64>> {
        let index = Metric::ALL.iter().position(|each| *each == metric);
        let value = |point: &Point| index.and_then(|index| point.get(index).copied().flatten());
        self.series.get(&vm).map_or_else(Vec::new, |series| {
            series.points.iter().map(|point| value(point).map(f64::from)).collect()
        })
    }

    /// How many VMs are remembered.
    pub fn vms(&self) -> usize {
        self.series.len()
    }

    fn drop_longest_gone(&mut self) {
        while self.series.len() > MOST_VMS {
            let longest = self.series.iter().max_by_key(|(_, series)| series.missing);
            let Some(id) = longest.map(|(id, _)| *id) else { return };
            self.series.remove(&id);
        }
    }
}

impl Series {
    /// With a gap as its only point, which the first value then fills.
    fn begin() -> Self {
        Self { points: VecDeque::from([GAP]), missing: 1 }
    }

    fn push(&mut self, point: Point) {
        if self.points.len() >= POINTS {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }
}
