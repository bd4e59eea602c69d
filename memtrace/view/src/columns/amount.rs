//! Amounts that a column shows: how they are sorted, written, and exported.

use memtrace_core::format;
use memtrace_core::model::Measured;
use memtrace_core::sample::Psi;
use memtrace_core::units::{ByteRate, Bytes, Nanos, Percent, Rate};
use serde_json::Value;

pub(super) trait Amount: Copy {
    const FORM: Form<Self>;
}

pub(super) struct Form<T> {
    /// The sort key.
    pub(super) key: fn(T) -> f64,
    /// In at most this many columns.
    pub(super) text: fn(T, usize) -> String,
    /// In the unit that the name of its field has.
    exported: fn(T) -> Value,
}

impl Amount for Bytes {
    const FORM: Form<Self> =
        Form { key: |b| b.0 as f64, text: format::bytes, exported: |b| b.0.into() };
}

impl Amount for Nanos {
    const FORM: Form<Self> =
        Form { key: |t| t.0 as f64, text: format::duration, exported: |t| t.seconds().into() };
}

impl Amount for Rate {
    const FORM: Form<Self> = Form { key: |r| r.0, text: format::rate, exported: |r| r.0.into() };
}

impl Amount for ByteRate {
    const FORM: Form<Self> =
        Form { key: |r| r.0, text: format::byte_rate, exported: |r| r.0.into() };
}

impl Amount for Percent {
    const FORM: Form<Self> = Form { key: |p| p.0, text: format::percent, exported: |p| p.0.into() };
}

/// `some`, over 10 s.
impl Amount for Psi {
    const FORM: Form<Self> = Form {
        key: |psi| psi.some.avg10,
        text: |psi, width| format::percent(Percent(psi.some.avg10), width),
        exported: |psi| psi.some.avg10.into(),
    };
}

/// Null where it is not known.
pub(super) fn exported<T: Amount>(measured: &Measured<T>) -> Value {
    measured.value.map_or(Value::Null, T::FORM.exported)
}
