//! Which columns fit a given width, and how wide each becomes.

use std::collections::HashSet;

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
fn arrange(total: usize, sort: Sort, longest: usize) -> Vec<Placed> {
    let name = ColumnId::Name.column().width;
    let mut chosen: Vec<_> =
        all().iter().filter(|c| c.from <= total || c.id == sort.column).collect();
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

/// The same for a table that is scrolled by `skipped` columns, or whose columns are `chosen`: those
/// of [`arrange`] come first, and the others follow in the order of the screen. The name stays.
pub(crate) fn window(
    total: usize,
    sort: Sort,
    longest: usize,
    (chosen, skipped): (&[ColumnId], usize),
) -> Vec<Placed> {
    if chosen.is_empty() && skipped == 0 {
        return arrange(total, sort, longest);
    }
    let name = ColumnId::Name.column();
    let mut room = total.saturating_sub(name.width);
    let all = order(total, sort, longest, chosen);
    let fits = all.iter().skip(skipped).map(|id| id.column()).take_while(|column| {
        let left = room.checked_sub(column.width + GAP);
        room = left.unwrap_or(room);
        left.is_some()
    });
    let shown: Vec<_> = std::iter::once(name).chain(fits).collect();
    let width = name.width.min(total);
    let cgroup = shown.iter().any(|column| column.id == ColumnId::Cgroup);
    let slack = total.saturating_sub(needed(&shown));
    let extra = if cgroup { longest.saturating_sub(width).min(slack) } else { slack };
    place(&shown, width + extra, slack - extra)
}

/// By how many columns such a table can be scrolled: until the last one is seen.
pub(crate) fn scroll_limit(total: usize, sort: Sort, longest: usize, chosen: &[ColumnId]) -> usize {
    let all = order(total, sort, longest, chosen);
    let mut width = ColumnId::Name.column().width;
    let fit = all.iter().rev().take_while(|id| {
        width += id.column().width + GAP;
        width <= total
    });
    all.len() - fit.count()
}

/// The columns after the name, in the order in which scrolling shows them.
fn order(total: usize, sort: Sort, longest: usize, chosen: &[ColumnId]) -> Vec<ColumnId> {
    let mut ids: Vec<ColumnId> = if chosen.is_empty() {
        arrange(total, sort, longest).into_iter().map(|placed| placed.id).collect()
    } else {
        chosen.to_vec()
    };
    if chosen.is_empty() {
        let hidden = all().iter().map(|column| column.id).filter(|id| !ids.contains(id));
        ids.extend(hidden.collect::<Vec<_>>());
    }
    after_the_name(&ids)
}

/// Each of them once, without the name.
fn after_the_name(ids: &[ColumnId]) -> Vec<ColumnId> {
    let mut seen = HashSet::from([ColumnId::Name]);
    ids.iter().copied().filter(|id| seen.insert(*id)).collect()
}

/// The chosen columns, with names in full length: for logs and pipes.
pub fn every(chosen: &[ColumnId], longest: usize) -> Vec<Placed> {
    let name = ColumnId::Name.column();
    let others = after_the_name(chosen).into_iter().map(ColumnId::column);
    let shown: Vec<_> = std::iter::once(name).chain(others).collect();
    place(&shown, longest.clamp(name.width, LONGEST_NAME), 0)
}

/// The width of these columns with the narrowest name.
fn needed(chosen: &[&super::Column]) -> usize {
    ColumnId::Name.column().width + chosen.iter().skip(1).map(|c| c.width + GAP).sum::<usize>()
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
    fn scrolling_shows_every_column_and_ends_with_the_last() {
        let sort = Sort::by(ColumnId::Stall);
        let limit = scroll_limit(79, sort, 10, &[]);
        let ids = |skipped| {
            let placed = window(79, sort, 10, (&[], skipped)).into_iter();
            placed.map(|placed| placed.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(0), self::ids(79, ColumnId::Stall));
        assert!(!ids(0).contains(&ColumnId::Cgroup) && ids(limit).contains(&ColumnId::Cgroup));
        let mut seen: Vec<_> = (0..=limit).flat_map(ids).collect();
        seen.sort_unstable_by_key(|id| *id as usize);
        seen.dedup();
        assert_eq!(seen.len(), all().len());
        assert_eq!(scroll_limit(199, sort, 10, &[]), 0);
    }

    #[test]
    fn chosen_columns_have_their_order_and_the_name_before_them() {
        let chosen = [ColumnId::Stall, ColumnId::Cpu, ColumnId::Name, ColumnId::Rss];
        let sort = Sort::by(ColumnId::Taken);
        let placed = window(79, sort, 10, (&chosen, 0));
        let ids: Vec<_> = placed.iter().map(|placed| placed.id).collect();
        let expected = [ColumnId::Name, ColumnId::Stall, ColumnId::Cpu, ColumnId::Rss];
        assert_eq!(ids, expected);
        assert_eq!(every(&chosen, 10).len(), 4);
        assert_eq!(window(20, sort, 10, (&chosen, 0)).len(), 2, "what has room");
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

        #[test]
        fn a_scrolled_table_overflows_no_width(
            total in 0_usize..400,
            chosen in proptest::collection::vec(0_usize..20, 0..25),
            skipped in 0_usize..30,
            longest in 0_usize..100,
        ) {
            let chosen: Vec<_> = chosen.into_iter().map(|index| all()[index].id).collect();
            let sort = Sort::by(ColumnId::Stall);
            let placed = window(total, sort, longest, (&chosen, skipped));
            prop_assert_eq!(placed[0].id, ColumnId::Name);
            let sum = placed.iter().map(|p| p.width + GAP).sum::<usize>() - GAP;
            prop_assert_eq!(sum, total);
            prop_assert!(scroll_limit(total, sort, longest, &chosen) <= 25);
        }
    }
}
