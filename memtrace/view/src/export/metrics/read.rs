//! Conversions from values of a snapshot to samples.

use std::borrow::Cow;

use super::scene::Scene;
use super::table::{Point, Value};
use memtrace_core::model::Measured;
use memtrace_core::model::totals::Totals;
use memtrace_core::sample::Psi;
use memtrace_core::signal::Signal;
use memtrace_core::text::clean;
use memtrace_core::units::{ByteRate, Bytes, Nanos, Pages, Percent};

/// Maximum length of a VM name, in characters; the id label identifies the VM.
const LONGEST: usize = 128;

/// A VM's name as a label.
pub(super) fn short(name: &str) -> Cow<'_, str> {
    let name = clean(name);
    match name.char_indices().nth(LONGEST) {
        Some(_) => Cow::Owned(name.chars().take(LONGEST).collect()),
        None => name,
    }
}

/// The sample of a metric without own labels; none if the value is unknown.
pub(super) fn alone(value: Option<Value>) -> Vec<Point<'static>> {
    value.map(|value| Point { labels: Vec::new(), value }).into_iter().collect()
}

/// One sample per label with a known value.
pub(super) fn by<'a>(values: impl IntoIterator<Item = (&'a str, Option<Value>)>) -> Vec<Point<'a>> {
    let point = |(label, value): (&'a str, Option<Value>)| {
        value.map(|value| Point { labels: vec![Cow::Borrowed(label)], value })
    };
    values.into_iter().filter_map(point).collect()
}

/// 1 for the current word, 0 for the others; no samples if it is unknown or not among them.
pub(super) fn one_of<'a>(words: &[&'a str], holds: Option<&str>) -> Vec<Point<'a>> {
    if !words.iter().any(|word| Some(*word) == holds) {
        return Vec::new();
    }
    by(words.iter().map(|word| (*word, Some(flag(Some(*word) == holds)))))
}

pub(super) fn flag(holds: bool) -> Value {
    Value::Count(u64::from(holds))
}

/// NaN and infinities are unknown values.
pub(super) fn number(value: f64) -> Option<Value> {
    value.is_finite().then_some(Value::Number(value))
}

pub(super) fn seconds(time: Nanos) -> Value {
    Value::Number(time.seconds())
}

pub(super) fn bytes(measured: &Measured<Bytes>) -> Vec<Point<'static>> {
    alone(measured.value.map(|bytes| Value::Count(bytes.0)))
}

pub(super) fn ratio(measured: &Measured<Percent>) -> Vec<Point<'static>> {
    alone(measured.value.and_then(|share| number(share.0 / 100.0)))
}

pub(super) fn per_second(rate: Option<ByteRate>) -> Vec<Point<'static>> {
    alone(rate.and_then(|rate| number(rate.0)))
}

pub(super) fn count(number: usize) -> Value {
    Value::Count(number as u64)
}

pub(super) fn in_bytes(scene: &Scene, pages: u64) -> Value {
    Value::Count(Pages(pages).bytes(scene.page_size).0)
}

pub(super) fn pressure(psi: Psi) -> Vec<Point<'static>> {
    let time = |micros: u64| seconds(Nanos(micros.saturating_mul(1000)));
    by([
        ("some", Some(time(psi.some.total_us))),
        ("full", psi.full.map(|full| time(full.total_us))),
    ])
}

/// The kernel's averages of 10 seconds.
pub(super) fn recent(psi: Psi) -> Vec<Point<'static>> {
    by([
        ("some", number(psi.some.avg10 / 100.0)),
        ("full", psi.full.and_then(|full| number(full.avg10 / 100.0))),
    ])
}

/// A counter; unknown if its hook isn't attached.
pub(super) fn hooked<T>(
    totals: &Totals<T>,
    signal: Signal,
    field: impl Fn(&T) -> u64,
) -> Option<u64> {
    (!totals.unhooked.contains(&signal)).then(|| field(&totals.counters))
}
