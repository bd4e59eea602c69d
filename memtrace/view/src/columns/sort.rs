//! The sort order of VMs.

use std::cmp::Ordering;

use super::{ColumnId, cell};
use memtrace_core::model::snapshot::VmView;

/// A column and a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    pub column: ColumnId,
    pub descending: bool,
}

impl Default for Sort {
    /// Most stalled VM first.
    fn default() -> Self {
        Self::by(ColumnId::Stall)
    }
}

impl Sort {
    /// The default order of a column: numbers descending, text ascending.
    pub fn by(column: ColumnId) -> Self {
        Self { column, descending: !column.column().left }
    }

    #[must_use]
    pub(crate) const fn reversed(self) -> Self {
        Self { descending: !self.descending, ..self }
    }

    /// Sorts `vms`. Unknown values come last in both directions; ties are broken by name and
    /// identity, so that rows are stable.
    pub fn apply(self, vms: &mut Vec<&VmView>) {
        let mut keyed: Vec<_> = vms.iter().map(|vm| (cell(self.column, vm).key, *vm)).collect();
        keyed.sort_by(|(a, left), (b, right)| {
            a.compare(b, self.descending).then_with(|| by_name(left, right))
        });
        *vms = keyed.into_iter().map(|(_, vm)| vm).collect();
    }
}

fn by_name(a: &VmView, b: &VmView) -> Ordering {
    a.name.cmp(&b.name).then_with(|| a.id.cmp(&b.id)).then_with(|| a.pid.cmp(&b.pid))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::columns::all;
    use memtrace_core::fixture;
    use memtrace_core::model::Measured;
    use memtrace_core::units::Percent;

    fn names(sort: Sort, vms: &[VmView]) -> Vec<&str> {
        let mut order: Vec<_> = vms.iter().collect();
        sort.apply(&mut order);
        order.into_iter().map(|vm| vm.name.as_str()).collect()
    }

    fn stalled(name: &str, pid: u32, stalled: Option<f64>) -> VmView {
        let stalled = stalled.map_or(Measured::absent("no hook"), |s| Measured::exact(Percent(s)));
        VmView { stalled, ..fixture::vm(name, pid) }
    }

    #[test]
    fn unknown_values_are_last_both_ways() {
        let vms = [stalled("a", 1, None), stalled("b", 2, Some(1.0)), stalled("c", 3, Some(9.0))];
        let sort = Sort::by(ColumnId::Stall);
        assert_eq!(names(sort, &vms), ["c", "b", "a"]);
        assert_eq!(names(sort.reversed(), &vms), ["b", "c", "a"]);
    }

    #[test]
    fn equal_cells_are_ordered_by_name_both_ways() {
        let vms = [stalled("b", 1, Some(0.0)), stalled("a", 2, Some(0.0))];
        let sort = Sort::by(ColumnId::Stall);
        assert_eq!(names(sort, &vms), ["a", "b"]);
        assert_eq!(names(sort.reversed(), &vms), ["a", "b"]);
    }

    #[test]
    fn names_are_sorted_from_a_on() {
        let vms = [stalled("b", 1, None), stalled("a", 2, None)];
        assert_eq!(names(Sort::by(ColumnId::Name), &vms), ["a", "b"]);
        assert_eq!(names(Sort::by(ColumnId::Name).reversed(), &vms), ["b", "a"]);
    }

    #[test]
    fn a_value_that_is_no_number_is_unknown() {
        let vms = [stalled("a", 1, Some(f64::NAN)), stalled("b", 2, Some(0.0))];
        assert_eq!(names(Sort::by(ColumnId::Stall), &vms), ["b", "a"]);
    }

    fn any_vm() -> impl Strategy<Value = VmView> {
        (0_u32..4, prop::option::of(prop_oneof![0.0..300.0, Just(f64::NAN), Just(0.0)]), "[ab]")
            .prop_map(|(pid, share, name)| stalled(&name, pid, share))
    }

    proptest! {
        #[test]
        fn the_order_does_not_depend_on_where_a_vm_stood(
            mut vms in prop::collection::vec(any_vm(), 0..12),
            column in 0..all().len(),
            descending: bool,
        ) {
            let sort = Sort { column: all()[column].id, descending };
            let forward = order(sort, &vms);
            vms.reverse();
            prop_assert_eq!(forward.len(), vms.len());
            prop_assert_eq!(forward, order(sort, &vms));
        }
    }

    /// Distinguishes VMs here, as they stand after sorting.
    fn order(sort: Sort, vms: &[VmView]) -> Vec<String> {
        let mut order: Vec<_> = vms.iter().collect();
        sort.apply(&mut order);
        let shown = |vm: &VmView| format!("{} {} {:?}", vm.name, vm.id, cell(sort.column, vm).key);
        order.into_iter().map(shown).collect()
    }
}
