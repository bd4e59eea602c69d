//! The cell of a column for one VM: text, quality, and sort key.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::ColumnId;
use super::amount::Amount;
use crate::emphasis::Emphasis;
use memtrace_core::format::{self, APPROXIMATE, UNKNOWN};
use memtrace_core::model::Measured;
use memtrace_core::model::snapshot::VmView;
use memtrace_core::sample::VmState;
use memtrace_core::signal::Quality;
use memtrace_core::units::{Bytes, Limit};

/// One cell of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell<'a> {
    /// Never wider than the column, except for names and cgroups, which the view cuts.
    pub text: Cow<'a, str>,
    pub quality: Quality,
    pub key: SortKey<'a>,
}

/// What a column is sorted by.
#[derive(Clone, Debug, PartialEq)]
pub enum SortKey<'a> {
    Number(f64),
    Text(Cow<'a, str>),
    Unknown,
}

impl SortKey<'_> {
    /// A total order of known keys; unknown ones are last in both directions.
    pub fn compare(&self, other: &Self, descending: bool) -> Ordering {
        let order = match (self, other) {
            (Self::Unknown, Self::Unknown) => return Ordering::Equal,
            (Self::Unknown, _) => return Ordering::Greater,
            (_, Self::Unknown) => return Ordering::Less,
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            // A column has keys of one kind; this only keeps the order total.
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
        };
        if descending { order.reverse() } else { order }
    }
}

/// What `column` shows for `vm`.
pub fn cell(column: ColumnId, vm: &VmView) -> Cell<'_> {
    let column = column.column();
    (column.source.cell)(vm, column.width)
}

impl Cell<'_> {
    /// The emphasis of the cell in `column`.
    pub fn emphasis(&self, column: ColumnId) -> Emphasis {
        match (&self.key, column.column().heat) {
            _ if self.quality.is_absent() => Emphasis::Dim,
            (SortKey::Number(value), Some(thresholds)) => Emphasis::of(*value, thresholds),
            _ => Emphasis::Plain,
        }
    }
}

/// Why `column`, or a half of it, is empty for all of `vms` (the first VM's reason); `None` if it
/// isn't, or if there is no VM.
pub(crate) fn empty_because(column: ColumnId, vms: &[&VmView]) -> Option<String> {
    let mut qualities = vms.iter().map(|vm| cell(column, vm).quality);
    let first = qualities.next()?;
    let reason = first.is_absent().then(|| first.reason().unwrap_or_default())?;
    qualities.all(|quality| quality.is_absent()).then(|| reason.to_owned())
}

/// The word for a state, at most five letters.
pub(crate) const fn state_word(state: VmState) -> &'static str {
    match state {
        VmState::Running => "run",
        VmState::Paused => "pause",
        VmState::Starting => "start",
        VmState::Migrating => "migr",
        VmState::ShuttingDown => "down",
        VmState::Crashed => "crash",
        VmState::Exiting => "exit",
    }
}

/// `value` as text in at most `width` columns; an approximate value is followed by a mark, and
/// loses a decimal where needed.
pub fn marked<T: Copy>(
    measured: &Measured<T>,
    width: usize,
    show: impl Fn(T, usize) -> String,
) -> String {
    match (measured.value, &measured.quality) {
        (None, _) | (_, Quality::Absent(_)) => UNKNOWN.to_owned(),
        (Some(value), Quality::Exact) => show(value, width),
        (Some(value), Quality::Approximate(_)) => mark(show(value, width.saturating_sub(1))),
    }
}

fn mark(mut text: String) -> String {
    if text != UNKNOWN {
        text.push(APPROXIMATE);
    }
    text
}

pub(super) fn number<T: Amount>(measured: &Measured<T>, width: usize) -> Cell<'static> {
    let text = marked(measured, width, T::FORM.text);
    match measured.value.map(T::FORM.key) {
        Some(value) if value.is_finite() && !measured.quality.is_absent() => Cell {
            text: Cow::Owned(text),
            quality: measured.quality.clone(),
            key: SortKey::Number(value),
        },
        Some(_) if !measured.quality.is_absent() => unknown(Quality::absent("not a number")),
        _ => unknown(measured.quality.clone()),
    }
}

pub(super) fn word(text: Cow<'_, str>, quality: Quality) -> Cell<'_> {
    Cell { key: SortKey::Text(text.clone()), text, quality }
}

pub(super) fn unknown(quality: Quality) -> Cell<'static> {
    Cell { text: Cow::Borrowed(UNKNOWN), quality, key: SortKey::Unknown }
}

pub(super) fn state(state: &Measured<VmState>) -> Cell<'static> {
    match state.value {
        Some(value) => word(Cow::Borrowed(state_word(value)), state.quality.clone()),
        None => unknown(state.quality.clone()),
    }
}

/// Two amounts in nine columns, four each.
pub(super) fn pair(first: &Measured<Bytes>, second: &Measured<Bytes>) -> Cell<'static> {
    let quality = first.quality.clone().and(second.quality.clone());
    let Some(key) = first.value.or(second.value) else {
        return unknown(quality);
    };
    let [first, second] =
        [first, second].map(|m| m.value.map_or(UNKNOWN.to_owned(), |b| format::bytes(b, 4)));
    let mut text = format!("{first}/{second}");
    if matches!(quality, Quality::Approximate(_)) && text.len() < 9 {
        text.push(APPROXIMATE);
    }
    Cell { text: Cow::Owned(text), quality, key: SortKey::Number(key.0 as f64) }
}

/// Memory available in the guest, and the age of its statistics: `1.2G 3s`.
pub(super) fn guest(vm: &VmView) -> Cell<'static> {
    let mut cell = number(&vm.guest_available, 5);
    if let (SortKey::Number(_), Some(age)) = (&cell.key, vm.guest_age.value) {
        let age = format::age(age);
        // Beyond three letters it is thousands of days, which is stale enough.
        let age = if age.len() <= 3 { age } else { "old".to_owned() };
        cell.text = Cow::Owned(format!("{} {age:>3}", cell.text));
    }
    cell
}

/// Memory of the cgroup / its tightest limit: `1.2G/2.0G`, or `1.2G/max` without one.
pub(super) fn limit(vm: &VmView) -> Cell<'static> {
    let quality = vm.cgroup_usage.quality.clone().and(vm.cgroup_limit.quality.clone());
    let Some(usage) = vm.cgroup_usage.value else {
        return unknown(quality);
    };
    let limit = match vm.cgroup_limit.value {
        Some(Limit::At(limit)) => format::bytes(limit, 4),
        Some(Limit::Unlimited) => "max".to_owned(),
        None => UNKNOWN.to_owned(),
    };
    let text = format!("{}/{limit}", format::bytes(usage, 4));
    Cell { text: Cow::Owned(text), quality, key: SortKey::Number(usage.0 as f64) }
}

#[cfg(test)]
mod tests;
