//! Draws that are the same on every machine: integers alone, out of a generator whose
//! algorithm is fixed (PCG XSH RR 64/32).

use std::ops::RangeInclusive;

use rand_pcg::Pcg32;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};

#[derive(Clone, Debug)]
pub(super) struct Random(Pcg32);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(Pcg32::seed_from_u64(seed))
    }

    /// From 0 to below `end`; 0 if that is 0.
    fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(end)) >> 64) as u64
    }

    pub(super) fn within(&mut self, range: &RangeInclusive<u64>) -> u64 {
        range.start() + self.below((range.end() - range.start()).saturating_add(1))
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of a table, by its weight.
    pub(super) fn pick<'a, T, const N: usize>(&mut self, table: &'a [(u64, T); N]) -> &'a T {
        let mut at = self.below(table.iter().map(|(weight, _)| weight).sum());
        for (weight, value) in table {
            if at < *weight {
                return value;
            }
            at -= weight;
        }
        // No table is empty.
        &table[N - 1].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_numbers_come_on_every_machine() {
        let mut random = Random::new(42);
        let numbers: Vec<u64> = (0..5).map(|_| random.within(&(1..=1000))).collect();
        assert_eq!(numbers, [780, 984, 647, 326, 250]);
    }

    #[test]
    fn weights_and_ranges_hold() {
        let mut random = Random::new(7);
        let drawn: Vec<u64> = (0..10_000).map(|_| random.within(&(3..=5))).collect();
        assert!((3..=5).all(|value| drawn.iter().filter(|drawn| **drawn == value).count() > 3000));
        assert_eq!(drawn.iter().max(), Some(&5));
        let table = [(1, 'a'), (0, 'b'), (3, 'c')];
        let picked: Vec<char> = (0..10_000).map(|_| *random.pick(&table)).collect();
        let count = |wanted| picked.iter().filter(|picked| **picked == wanted).count();
        assert_eq!(count('b'), 0);
        assert!((7300..7700).contains(&count('c')), "{}", count('c'));
    }
}
