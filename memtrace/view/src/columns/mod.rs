//! The columns of the VM table: name, title, help, width, and the table width from which each is
//! shown. Used by the live view and the plain table. Pure; knows no medium.

mod arrange;
mod cell;
mod sort;

pub use arrange::{Placed, arrange, essential};
pub use cell::{Cell, SortKey, cell, empty_because, marked, state_word};
pub use sort::Sort;

use anyhow::{Result, bail};

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
}

const MIB: f64 = 1024.0 * 1024.0;

/// The narrowest table with all essential columns: 80 columns less the mark of the selected row.
pub const ESSENTIAL: usize = 79;

// The order of `from` is the order of importance: stalls and their causes stay to the last. Each
// value is the sum of all widths up to there, with a gap each and a name of 9 columns (of 14 beyond
// 79).
static COLUMNS: [Column; 20] = [
    text(ColumnId::Name, "name", "NAME", "name of the VM", 9, 0),
    text(ColumnId::State, "state", "STATE", "state reported by the hypervisor", 5, ESSENTIAL),
    number(
        ColumnId::Memory,
        "memory",
        "MEM/MAX",
        "current size (maximum less balloon) / maximum",
        9,
        61,
    ),
    number(
        ColumnId::Target,
        "target",
        "TARGET",
        "balloon target; ~ = proposed only (observe mode)",
        6,
        91,
    ),
    number(ColumnId::Rss, "rss", "RSS", "resident memory of its process", 5, 27),
    warm(number(ColumnId::Swap, "swap", "SWAP", "memory in host swap", 5, 21), MIB, 1e18),
    number(ColumnId::Faults, "faults", "FLT/s", "page faults per second, all kinds", 5, 73),
    warm(
        number(
            ColumnId::Major,
            "major",
            "MAJ/s",
            "major faults per second: memory read from disk or swap",
            5,
            67,
        ),
        5.0,
        100.0,
    ),
    warm(
        number(ColumnId::SwapIn, "swap-in", "SW-IN", "swap-in, bytes per second", 5, 45),
        MIB,
        50.0 * MIB,
    ),
    warm(
        number(ColumnId::SwapOut, "swap-out", "SWOUT", "swap-out, bytes per second", 5, 51),
        MIB,
        50.0 * MIB,
    ),
    warm(
        number(
            ColumnId::Stall,
            "stall",
            "STALL",
            "time its threads stalled on memory, % of the interval",
            5,
            15,
        ),
        1.0,
        10.0,
    ),
    number(
        ColumnId::Caused,
        "caused",
        "CAUSE",
        "pages reclaimed by it, % of all pages reclaimed on the host",
        5,
        33,
    ),
    number(
        ColumnId::Taken,
        "taken",
        "TAKEN",
        "pages per second reclaimed from it, by any process",
        5,
        39,
    ),
    warm(
        number(ColumnId::Psi, "psi", "PSI10", "PSI of its cgroup: some, average over 10 s", 5, 97),
        10.0,
        50.0,
    ),
    number(
        ColumnId::Guest,
        "guest",
        "GUESTFREE",
        "memory available in the guest, and age of that statistic",
        9,
        113,
    ),
    number(
        ColumnId::AsyncFault,
        "async-p99",
        "APF99",
        "99th percentile of KVM asynchronous page fault latency",
        5,
        119,
    ),
    number(
        ColumnId::Limit,
        "limit",
        "CG/LIMIT",
        "memory of its cgroup / tightest hard limit",
        9,
        129,
    ),
    number(ColumnId::Cpu, "cpu", "CPU", "CPU time of all its threads; 100% is one CPU", 5, 103),
    number(
        ColumnId::Unused,
        "unused",
        "UNUSED",
        "memory and swap held by the host, free in the guest",
        6,
        136,
    ),
    text(ColumnId::Cgroup, "cgroup", "CGROUP", "memory cgroup that it is charged to", 24, 170),
];

/// Former names, still accepted by `--sort`.
const ALIASES: [(&str, ColumnId); 1] = [("dead", ColumnId::Unused)];

const fn text(
    id: ColumnId,
    name: &'static str,
    title: &'static str,
    help: &'static str,
    width: usize,
    from: usize,
) -> Column {
    Column { id, name, title, help, width, left: true, from, heat: None }
}

const fn number(
    id: ColumnId,
    name: &'static str,
    title: &'static str,
    help: &'static str,
    width: usize,
    from: usize,
) -> Column {
    Column { id, name, title, help, width, left: false, from, heat: None }
}

const fn warm(mut column: Column, warm: f64, hot: f64) -> Column {
    column.heat = Some([warm, hot]);
    column
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

/// Parses `--sort`: a column, optionally followed by `:asc` or `:desc` (default: numbers
/// descending, text ascending).
///
/// # Errors
/// When the column or the order is unknown; the message lists the valid ones.
pub fn parse(text: &str) -> Result<Sort> {
    let (name, order) = text.split_once(':').map_or((text, None), |(n, o)| (n, Some(o)));
    let known = COLUMNS.iter().map(|column| (column.name, column.id)).chain(ALIASES);
    let Some((_, id)) = known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
    else {
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
