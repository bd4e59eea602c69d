//! Pressure stall information of the host or of a VM's cgroup, from shares of seconds.

use crate::sample::{Psi, PsiLine};

/// What is left of the averages over 10, 60 and 300 s after a second, as Linux keeps them
/// (`kernel/sched/psi.c`): `exp(-1 / window)`, written out because no two libraries need have
/// the same last digit.
const LEFT: [f64; 3] = [0.904_837_418_035_959_5, 0.983_471_453_821_617_5, 0.996_672_216_054_523_3];

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Line {
    averages: [f64; 3],
    total_us: u64,
}

/// `some` and `full`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Pressure {
    some: Line,
    full: Line,
}

impl Line {
    fn pass(&mut self, share: f64) {
        for (average, old) in self.averages.iter_mut().zip(LEFT) {
            *average = *average * old + share * 100.0 * (1.0 - old);
        }
        self.total_us += (share * 1e6) as u64;
    }

    fn psi(&self) -> PsiLine {
        let [avg10, avg60, avg300] = self.averages.map(|average| (average * 100.0).round() / 100.0);
        PsiLine { avg10, avg60, avg300, total_us: self.total_us }
    }
}

impl Pressure {
    /// A second in whose share `some` at least one task waited, and in `full` all.
    pub(super) fn pass(&mut self, some: f64, full: f64) {
        self.some.pass(some.clamp(0.0, 1.0));
        self.full.pass(full.clamp(0.0, 1.0));
    }

    pub(super) fn psi(&self) -> Psi {
        Psi { some: self.some.psi(), full: Some(self.full.psi()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_follows_in_its_window() {
        let mut pressure = Pressure::default();
        for _ in 0..10 {
            pressure.pass(1.0, 0.0);
        }
        let psi = pressure.psi();
        assert_eq!((psi.some.avg10, psi.some.total_us), (63.21, 10_000_000));
        assert!(psi.some.avg60 < psi.some.avg10 && psi.full.is_some_and(|full| full.avg10 == 0.0));
    }
}
