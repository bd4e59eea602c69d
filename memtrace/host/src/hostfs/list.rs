//! Lists of CPUs and of nodes, as the kernel and QEMU write them: `0-3,8` (cpuset(7)). Pure.

use std::collections::BTreeSet;

/// Most numbers of a list, and none of them is as large: twice what a kernel can be built for
/// (`NR_CPUS` of MAXSMP). Numbers that are said again count again, as anybody may write a list.
const MOST: u32 = 16_384;

/// Its numbers. `None`: it is no list, or has more of them than any kernel.
pub fn numbers(list: &str) -> Option<BTreeSet<u32>> {
    let mut numbers = BTreeSet::new();
    let mut room = MOST;
    for range in list.trim().split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        let count = last.checked_sub(first)?.checked_add(1)?;
        room = room.checked_sub(count)?;
        numbers.extend((last < MOST).then_some(first..=last)?);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_single_numbers_are_read() {
        let of = |list| numbers(list).map(Vec::from_iter);
        assert_eq!(of("0\n"), Some(vec![0]));
        assert_eq!(of("0-3,8,10-11\n"), Some(vec![0, 1, 2, 3, 8, 10, 11]));
        assert_eq!(of("2,0,2"), Some(vec![0, 2]));
        assert_eq!(of("\n"), Some(vec![]));
        for bad in ["x", "3-1", "1,2-", "-", "1 2"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_list_is_bounded_however_often_it_says_the_same() {
        assert_eq!(numbers("0-16383").map(|all| all.len()), Some(16_384));
        for long in ["16384", "0-16384", "0-4294967295", "0-16383,0"] {
            assert_eq!(numbers(long), None, "{long}");
        }
        assert_eq!(numbers(&"0-16383,".repeat(100_000)), None);
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "([0-9]{0,5}[-,]|.){0,20}") {
            numbers(&text);
        }
    }
}
