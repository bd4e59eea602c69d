//! The schema of a line of `memtrace stream --json`: every key with its unit and meaning. The
//! source of docs/stream.md; a test checks it against real output. Pure.

mod decided;
pub mod page;
mod seen;
#[cfg(test)]
mod tests;
mod vm;

/// The type of a key's value, where it isn't `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Text,
    Flag,
    /// A number of things, or one that stands for itself.
    Count,
    Pages,
    Bytes,
    BytesPerSecond,
    PerSecond,
    /// 100 is all of it.
    Percent,
    /// 1 is all of it.
    Ratio,
    Seconds,
    Nanoseconds,
    Microseconds,
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    Time,
    /// Of these.
    Word(&'static str),
    /// Counts by name of a signal.
    BySignal,
    /// What a measured key has.
    Anything,
    /// An object with the keys of this shape.
    Shape(&'static str),
    /// One of the words, or an object with keys of this shape.
    WordOr(&'static str, &'static str),
}

/// Single value, list, or measured value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    List,
    /// With its quality.
    Measured,
    MeasuredList,
}

#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    pub form: Form,
    pub kind: Kind,
    /// Left out where there is no value.
    pub optional: bool,
    pub help: &'static str,
}

/// An object.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub name: &'static str,
    pub help: &'static str,
    /// One of the keys is there, and not all.
    pub one_of: bool,
    pub keys: &'static [Key],
}

const fn plain(name: &'static str, form: Form, help: &'static str) -> Key {
    Key { name, form, kind: Kind::Plain, optional: false, help }
}

const fn list(name: &'static str, form: Form, help: &'static str) -> Key {
    Key { name, form, kind: Kind::List, optional: false, help }
}

const fn measured(name: &'static str, form: Form, help: &'static str) -> Key {
    Key { name, form, kind: Kind::Measured, optional: false, help }
}

const fn measured_list(name: &'static str, form: Form, help: &'static str) -> Key {
    Key { name, form, kind: Kind::MeasuredList, optional: false, help }
}

const fn optional(key: Key) -> Key {
    Key { optional: true, ..key }
}

const fn shape(name: &'static str, help: &'static str, keys: &'static [Key]) -> Shape {
    Shape { name, help, one_of: false, keys }
}

const fn either(name: &'static str, help: &'static str, keys: &'static [Key]) -> Shape {
    Shape { name, help, one_of: true, keys }
}

/// The shape of a whole line.
pub const LINE: &str = "line";
/// The shape of a number with its quality.
pub const MEASURED: &str = "measured";

/// All shapes, in the order in which a line leads to them.
pub fn shapes() -> impl Iterator<Item = &'static Shape> {
    seen::SHAPES.iter().chain(vm::SHAPES).chain(decided::SHAPES)
}
