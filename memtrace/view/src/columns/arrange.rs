//! Which columns fit a given width, and how wide each becomes.

use super::{ColumnId, ESSENTIAL, Sort, all};

/// Columns between two columns of the table; the mark of the sort column stands there.
pub const GAP: usize = 1;
/// Longest name that the plain table shows whole when no width is given.
const LONGEST_NAME: usize = 64;

/// A column and its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    pub id: ColumnId,
    pub width: usize,
}

/// The columns that fit into a table of `total` columns; the name takes the remaining width.
/// The column that is sorted by is always among them, in the place of less important
/// ones. `longest` is the width of the longest name.
pub(crate) fn arrange(total: usize, sort: Sort, longest: usize) -> Vec<Placed> {
    let name = ColumnId::Name.column().width;
    let mut chosen: Vec<_> =
        all().iter().filter(|c| c.from <= total || c.id == sort.column).collect();
    let needed = |chosen: &[&super::Column]| {
        name + chosen.iter().skip(1).map(|c| c.width + GAP).sum::<usize>()
    };
    while needed(&chosen) > total {
        let least = chosen
            .iter()
            .enumerate()
            .skip(1)
            .filter(|(_, c)| c.id != sort.column)
            .max_by_key(|(_, c)| c.from);
        match least.map(|(index, _)| index) {
            Some(index) => drop(chosen.remove(index)),
            // Not even name and sort column fit: show the name alone.
            None => {
                chosen.truncate(1);
                return vec![Placed { id: ColumnId::Name, width: total }];
            }
        }
    }
    let slack = total - needed(&chosen);
    let cgroup = chosen.iter().any(|c| c.id == ColumnId::Cgroup);
    let extra = if cgroup { longest.saturating_sub(name).min(slack) } else { slack };
    place(&chosen, name + extra, slack - extra)
}

/// All essential columns, with names in full length: for logs and pipes, which have no width.
pub fn essential(sort: Sort, longest: usize) -> Vec<Placed> {
    let chosen: Vec<_> =
        all().iter().filter(|c| c.from <= ESSENTIAL || c.id == sort.column).collect();
    let name = ColumnId::Name.column().width;
    place(&chosen, longest.clamp(name, LONGEST_NAME), 0)
}

fn place(chosen: &[&super::Column], name: usize, cgroup_extra: usize) -> Vec<Placed> {
    let width = |column: &super::Column| match column.id {
        ColumnId::Name => name,
        ColumnId::Cgroup => column.width + cgroup_extra,
        _ => column.width,
    };
    chosen.iter().map(|column| Placed { id: column.id, width: width(column) }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(total: usize, sort: ColumnId) -> Vec<ColumnId> {
        arrange(total, Sort::by(sort), 10).into_iter().map(|placed| placed.id).collect()
    }

    #[test]
    fn eighty_columns_have_all_that_is_essential() {
        let shown = ids(79, ColumnId::Stall);
        assert_eq!(shown.len(), 12);
        assert_eq!((shown[0], shown[11]), (ColumnId::Name, ColumnId::Taken));
        assert_eq!(ids(78, ColumnId::Stall).len(), 11);
    }

    #[test]
    fn wide_tables_have_all_columns() {
        assert_eq!(ids(139, ColumnId::Stall).len(), 19);
        assert_eq!(ids(199, ColumnId::Stall).len(), 20);
    }

    #[test]
    fn the_sort_column_replaces_less_important_ones() {
        let shown = ids(79, ColumnId::Cpu);
        assert!(shown.contains(&ColumnId::Cpu) && !shown.contains(&ColumnId::State));
        assert!(ids(20, ColumnId::Unused).contains(&ColumnId::Unused));
    }

    #[test]
    fn with_a_cgroup_column_names_take_what_they_need() {
        let placed = arrange(199, Sort::by(ColumnId::Stall), 20);
        assert_eq!(placed[0].width, 20);
        assert_eq!(placed.iter().map(|p| p.width + GAP).sum::<usize>() - GAP, 199);
    }

    #[test]
    fn without_a_width_names_are_whole() {
        assert_eq!(essential(Sort::by(ColumnId::Stall), 30)[0].width, 30);
        assert_eq!(essential(Sort::by(ColumnId::Stall), 300)[0].width, 64);
    }

    proptest! {
        #[test]
        fn every_width_is_filled_and_none_overflows(
            total in 0_usize..400,
            column in 0_usize..20,
            longest in 0_usize..100,
        ) {
            let placed = arrange(total, Sort::by(all()[column].id), longest);
            prop_assert_eq!(placed[0].id, ColumnId::Name);
            let sum = placed.iter().map(|p| p.width + GAP).sum::<usize>() - GAP;
            prop_assert_eq!(sum, total);
            prop_assert!(total < 15 || placed[0].width >= 9);
            prop_assert!(total < 40 || placed.iter().any(|p| p.id == all()[column].id));
        }
    }
}
