//! What cells of the table say.

use super::*;
use crate::columns::all;
use memtrace_core::fixture::{self, GIB, MIB};
use memtrace_core::units::Nanos;

fn text(column: ColumnId, vm: &VmView) -> String {
    cell(column, vm).text.into_owned()
}

#[test]
fn a_busy_vm() {
    let vm = fixture::noisy();
    let shown: Vec<_> = all().iter().map(|column| text(column.id, &vm)).collect();
    assert_eq!(
        shown,
        [
            "noisy",
            "run",
            "2.0G/4.0G",
            "-",
            "1.8G",
            "640M",
            "15.8k",
            "5.1k",
            "20M",
            "22.5M",
            "38.4%",
            "91.5%",
            "5.8k",
            "41.2%",
            "900M  2s",
            "2.4ms",
            "1.9G/2.0G",
            "12.3%",
            "740M",
            "/machine.slice/machine-qemu-4242.scope",
        ]
    );
}

#[test]
fn numbers_never_leave_their_column() {
    for vm in [fixture::noisy(), fixture::victim(), fixture::unprivileged("x", 1)] {
        for column in all().iter().skip(1).filter(|c| c.id != ColumnId::Cgroup) {
            let cell = cell(column.id, &vm);
            assert!(cell.text.len() <= column.width, "{}: {}", column.name, cell.text);
        }
    }
}

#[test]
fn every_empty_cell_has_a_reason() {
    let mut vm = fixture::unprivileged("x", 1);
    vm.cgroup_path = None;
    for column in all() {
        let cell = cell(column.id, &vm);
        if cell.key == SortKey::Unknown {
            assert_eq!(cell.text, "-", "{}", column.name);
            assert!(cell.quality.reason().is_some_and(|r| !r.is_empty()), "{}", column.name);
        }
    }
}

#[test]
fn no_limit_is_not_an_unknown_limit() {
    let mut vm = fixture::vm("a", 1);
    assert_eq!(text(ColumnId::Limit, &vm), "1.9G/max");
    vm.cgroup_limit = Measured::absent("unreadable");
    assert_eq!(text(ColumnId::Limit, &vm), "1.9G/-");
    assert!(cell(ColumnId::Limit, &vm).quality.is_absent());
    vm.cgroup_usage = Measured::absent("unreadable");
    assert_eq!(text(ColumnId::Limit, &vm), "-");
}

#[test]
fn half_of_a_pair_is_better_than_nothing() {
    let mut vm = fixture::vm("a", 1);
    vm.balloon_actual = Measured::absent("no balloon");
    let cell = cell(ColumnId::Memory, &vm);
    assert_eq!((cell.text.as_ref(), &cell.key), ("-/4.0G", &SortKey::Number(4.0 * GIB as f64)));
    assert_eq!(cell.quality.reason(), Some("no balloon"));
}

#[test]
fn near_the_truth_is_marked() {
    let mut vm = fixture::vm("a", 1);
    vm.rss = Measured::approximate(Bytes(12 * GIB + 300 * MIB), "shared");
    assert_eq!(text(ColumnId::Rss, &vm), "12G~");
    vm.guest_age = Measured::exact(Nanos(95_000_000_000));
    vm.guest_available = Measured::approximate(Bytes(420 * MIB), "stale");
    assert_eq!(text(ColumnId::Guest, &vm), "420M~ 95s");
}

#[test]
fn a_column_is_empty_only_if_it_is_for_every_vm() {
    let (known, unknown) = (fixture::vm("a", 1), fixture::unprivileged("b", 2));
    let reason = empty_because(ColumnId::Stall, &[&unknown]).unwrap();
    assert!(reason.contains("CAP_BPF"), "{reason}");
    assert_eq!(empty_because(ColumnId::Stall, &[&unknown, &known]), None);
    assert_eq!(empty_because(ColumnId::Stall, &[&known, &unknown]), None);
    assert_eq!(empty_because(ColumnId::Stall, &[]), None);
}
