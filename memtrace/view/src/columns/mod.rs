//! The columns of the VM table: name, title, help, width, the table width from which each is
//! shown, its cell, and its fields in rows for machines. Pure; knows no medium.

mod amount;
mod arrange;
mod cell;
mod sort;
mod table;

pub use arrange::{Placed, essential, every};
pub(crate) use arrange::{scroll_limit, window};
pub(crate) use cell::empty_because;
pub use cell::{Cell, SortKey, cell, marked};
pub use sort::Sort;

use anyhow::{Result, bail};
use memtrace_core::model::snapshot::VmView;
use serde_json::Value;

use table::COLUMNS;

/// One column of the table, in the order of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnId {
    Name,
    State,
    Memory,
    Target,
    Rss,
    Swap,
    Faults,
    Major,
    SwapIn,
    SwapOut,
    Stall,
    Caused,
    Taken,
    Psi,
    Guest,
    AsyncFault,
    Limit,
    Cpu,
    Unused,
    Cgroup,
}

/// The static description of a column.
#[derive(Debug)]
pub struct Column {
    pub id: ColumnId,
    /// Its name for `--sort`.
    pub name: &'static str,
    /// Its title; not wider than `width`.
    pub title: &'static str,
    /// One sentence for the help, with the unit.
    pub help: &'static str,
    /// Width on the screen; the minimum for [`ColumnId::Name`] and [`ColumnId::Cgroup`], which take
    /// the remaining width.
    pub width: usize,
    /// Text is left-aligned, numbers are right-aligned.
    pub left: bool,
    /// The narrowest table that shows it.
    pub from: usize,
    /// Thresholds for warning and critical emphasis.
    pub heat: Option<[f64; 2]>,
    source: Source,
}

/// What a column is made of.
#[derive(Debug)]
struct Source {
    /// The cell in this many columns.
    cell: fn(&VmView, usize) -> Cell<'_>,
    fields: &'static [Field],
}

/// A name with its unit, and a value.
type Field = (&'static str, fn(&VmView) -> Value);

/// The narrowest table with all essential columns: 80 columns less the mark of the selected row.
pub(crate) const ESSENTIAL: usize = 79;

/// Former names, still accepted by `--sort`.
const ALIASES: [(&str, ColumnId); 1] = [("dead", ColumnId::Unused)];

/// A column of numbers.
const fn column(
    id: ColumnId,
    name: &'static str,
    title: &'static str,
    width: usize,
    from: usize,
    source: Source,
) -> Column {
    Column { id, name, title, help: "", width, left: false, from, heat: None, source }
}

impl Column {
    const fn help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }

    const fn text(self) -> Self {
        Self { left: true, ..self }
    }

    const fn heat(self, warm: f64, hot: f64) -> Self {
        Self { heat: Some([warm, hot]), ..self }
    }

    /// Its fields in rows for machines: names with units, and values; null where not known.
    pub(crate) fn exported_names(&self) -> impl Iterator<Item = &'static str> {
        self.source.fields.iter().map(|(name, _)| *name)
    }

    pub fn exported(&self, vm: &VmView) -> impl Iterator<Item = (&'static str, Value)> {
        self.source.fields.iter().map(|(name, value)| (*name, value(vm)))
    }
}

/// Every column, in the order of the screen.
pub fn all() -> &'static [Column] {
    &COLUMNS
}

impl ColumnId {
    pub fn column(self) -> &'static Column {
        &COLUMNS[self as usize]
    }

    /// The neighbour at the right, or the first.
    pub fn next(self) -> Self {
        COLUMNS.get(self as usize + 1).unwrap_or(&COLUMNS[0]).id
    }

    /// The neighbour at the left, or the last.
    pub fn previous(self) -> Self {
        let index = (self as usize).checked_sub(1).unwrap_or(COLUMNS.len() - 1);
        COLUMNS[index].id
    }
}

/// The column of this name, or former name.
pub fn named(name: &str) -> Option<ColumnId> {
    let known = COLUMNS.iter().map(|column| (column.name, column.id)).chain(ALIASES);
    known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, id)| id)
}

/// Parses `--sort`: a column, optionally followed by `:asc` or `:desc` (default: numbers
/// descending, text ascending).
///
/// # Errors
/// When the column or the order is unknown; the message lists the valid ones.
pub fn parse(text: &str) -> Result<Sort> {
    let (name, order) = text.split_once(':').map_or((text, None), |(n, o)| (n, Some(o)));
    let Some(id) = named(name) else {
        let names: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
        bail!("unknown column `{name}`; columns: {}", names.join(", "));
    };
    let usual = Sort::by(id);
    match order {
        None => Ok(usual),
        Some("asc") => Ok(Sort { descending: false, ..usual }),
        Some("desc") => Ok(Sort { descending: true, ..usual }),
        Some(order) => bail!("unknown order `{order}`; orders: asc, desc"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_is_found_by_its_id_and_its_name() {
        for (index, column) in all().iter().enumerate() {
            assert_eq!(column.id as usize, index);
            assert_eq!(column.id.column().name, column.name);
            assert_eq!(parse(column.name).unwrap().column, column.id);
            assert_eq!(column.id.next().previous(), column.id);
            assert!(!column.help.is_empty(), "{}", column.name);
            assert!(memtrace_core::text::width(column.title) <= column.width, "{}", column.title);
        }
    }

    #[test]
    fn a_former_name_still_sorts() {
        assert_eq!(parse("dead:asc").unwrap(), parse("unused:asc").unwrap());
    }

    #[test]
    fn an_order_may_be_named() {
        assert!(parse("rss").unwrap().descending);
        assert!(!parse("rss:asc").unwrap().descending);
        assert!(!parse("name").unwrap().descending);
        assert!(parse("name:desc").unwrap().descending);
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_right_ones() {
        let error = parse("memroy").unwrap_err().to_string();
        assert!(
            error.contains("`memroy`") && error.contains("memory, target, rss, swap"),
            "{error}"
        );
        assert!(parse("rss:up").unwrap_err().to_string().contains("asc, desc"));
    }
}
