//! Guest pages of one kind, by their backing on the host; and how an amount is split. Amounts are
//! base pages.

/// Pages by where the host keeps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backing {
    /// In host memory.
    pub(super) resident: u64,
    /// In the host's swap.
    pub(super) swapped: u64,
    /// Never touched, or given back: the host keeps nothing.
    pub(super) untouched: u64,
}

impl Backing {
    pub(super) const fn untouched(pages: u64) -> Self {
        Self { resident: 0, swapped: 0, untouched: pages }
    }

    pub(super) const fn total(&self) -> u64 {
        self.resident + self.swapped + self.untouched
    }

    pub(super) const fn put(&mut self, other: Self) {
        self.resident += other.resident;
        self.swapped += other.swapped;
        self.untouched += other.untouched;
    }

    /// Takes pages out, from each place in proportion; no more than there are.
    pub(super) fn take(&mut self, pages: u64) -> Self {
        let places = [self.resident, self.swapped, self.untouched].map(|all| (all as f64, all));
        let mut parts = spread(pages, &places).into_iter();
        self.remove([parts.next(), parts.next(), parts.next()])
    }

    /// Takes pages out, resident ones first, as an allocator does that hands out what was
    /// freed last; no more than there are.
    pub(super) fn take_resident_first(&mut self, pages: u64) -> Self {
        let resident = pages.min(self.resident);
        let places = [self.swapped, self.untouched].map(|all| (all as f64, all));
        let mut parts = spread(pages - resident, &places).into_iter();
        self.remove([Some(resident), parts.next(), parts.next()])
    }

    /// The host takes back what it has for such pages; no more than it has. Returns what.
    pub(super) fn give_up(&mut self, pages: u64) -> Self {
        let places = [self.resident, self.swapped].map(|all| (all as f64, all));
        let mut parts = spread(pages, &places).into_iter();
        let given = self.remove([parts.next(), parts.next(), None]);
        self.untouched += given.total();
        given
    }

    fn remove(&mut self, [resident, swapped, untouched]: [Option<u64>; 3]) -> Self {
        let taken = Self {
            resident: resident.unwrap_or(0),
            swapped: swapped.unwrap_or(0),
            untouched: untouched.unwrap_or(0),
        };
        self.resident -= taken.resident;
        self.swapped -= taken.swapped;
        self.untouched -= taken.untouched;
        taken
    }
}

/// Splits `amount` over parts of (weight, capacity): in proportion to the weights, none
/// over its capacity, all of it as long as there is capacity.
pub(super) fn spread(amount: u64, parts: &[(f64, u64)]) -> Vec<u64> {
    let mut given = vec![0_u64; parts.len()];
    let mut left = amount;
    // Each round fills at least one part up, or gives all that proportion can give.
    for _ in 0..=parts.len() {
        let open = |(part, given): (&(f64, u64), &u64)| if *given < part.1 { part.0 } else { 0.0 };
        let weights: f64 = parts.iter().zip(&given).map(open).sum();
        if left == 0 || weights <= 0.0 {
            break;
        }
        let round = left;
        for (part, given) in parts.iter().zip(&mut given) {
            let share = (round as f64 * part.0 / weights) as u64;
            let more = share.min(part.1 - *given).min(left);
            *given += more;
            left -= more;
        }
        if left == round {
            break;
        }
    }
    // What rounding and weights of nothing left over.
    for (part, given) in parts.iter().zip(&mut given) {
        let more = (part.1 - *given).min(left);
        *given += more;
        left -= more;
    }
    given
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_follow_the_weights_up_to_their_capacity() {
        assert_eq!(spread(100, &[(1.0, 100), (3.0, 100)]), [25, 75]);
        assert_eq!(spread(100, &[(1.0, 100), (3.0, 30)]), [70, 30]);
        assert_eq!(spread(100, &[(0.0, 50), (1.0, 80)]), [20, 80]);
        assert_eq!(spread(100, &[(1.0, 10), (1.0, 20)]), [10, 20]);
        assert_eq!(spread(5, &[]), [0; 0]);
    }

    #[test]
    fn what_was_freed_last_is_used_first() {
        let mut free = Backing { resident: 10, swapped: 20, untouched: 60 };
        let taken = free.take_resident_first(50);
        assert_eq!(taken, Backing { resident: 10, swapped: 10, untouched: 30 });
        assert_eq!(free.total(), 40);
    }

    proptest! {
        #[test]
        fn nothing_is_made_or_lost(
            amount in 0_u64..1 << 40,
            parts in prop::collection::vec((0.0_f64..10.0, 0_u64..1 << 30), 0..20),
        ) {
            let given = spread(amount, &parts);
            let room: u64 = parts.iter().map(|part| part.1).sum();
            prop_assert_eq!(given.iter().sum::<u64>(), amount.min(room));
            prop_assert!(given.iter().zip(&parts).all(|(given, part)| *given <= part.1));
        }

        #[test]
        fn taking_moves_pages(
            backing in prop::array::uniform3(0_u64..1 << 30),
            pages in 0_u64..1 << 32,
            first in any::<bool>(),
        ) {
            let [resident, swapped, untouched] = backing;
            let all = Backing { resident, swapped, untouched };
            let mut rest = all;
            let taken = if first { rest.take_resident_first(pages) } else { rest.take(pages) };
            prop_assert_eq!(taken.total(), pages.min(all.total()));
            rest.put(taken);
            prop_assert_eq!(rest, all);
        }
    }
}
