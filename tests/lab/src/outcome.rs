//! What came out of several tests. Pure.

/// How many tests of a step passed, failed and could not run, with the reasons for the
/// latter and what is known of the failed ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
    pub reasons: Vec<String>,
    pub failures: Vec<String>,
}

impl Outcome {
    /// This many tests passed.
    pub fn passed(count: u64) -> Self {
        Self { passed: count, ..Self::default() }
    }

    /// This many tests failed.
    pub fn failed(count: u64) -> Self {
        Self { failed: count, ..Self::default() }
    }

    /// One thing can't run here, for this reason.
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self { skipped: 1, reasons: vec![reason.into()], ..Self::default() }
    }

    /// One test that passed or failed.
    pub fn of(good: bool) -> Self {
        if good { Self::passed(1) } else { Self::failed(1) }
    }

    /// Adds another outcome to this one.
    pub fn absorb(&mut self, other: Self) {
        self.passed = self.passed.saturating_add(other.passed);
        self.failed = self.failed.saturating_add(other.failed);
        self.skipped = self.skipped.saturating_add(other.skipped);
        self.reasons.extend(other.reasons);
        self.failures.extend(other.failures);
    }
}
