//! What a load has done so far, as the programs tell PID 1 and PID 1 tells the host. Pure.

use std::fmt;

/// Totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pages that were to be touched, and that were.
    pub wanted: u64,
    pub touched: u64,
    /// Times that it did without memory because too little was available.
    pub refused: u64,
    /// Allocations that the kernel refused.
    pub failed: u64,
    /// MiB that it keeps now, and would keep if all of it could be had.
    pub held: u64,
    pub needed: u64,
}

impl Counts {
    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(line: &str) -> Option<Self> {
        let mut counts = Self::default();
        for word in line.split_whitespace() {
            let (name, value) = word.split_once('=')?;
            let value = value.parse().ok()?;
            match name {
                "wanted" => counts.wanted = value,
                "touched" => counts.touched = value,
                "refused" => counts.refused = value,
                "failed" => counts.failed = value,
                "held" => counts.held = value,
                "needed" => counts.needed = value,
                _ => return None,
            }
        }
        Some(counts)
    }

    /// With what an earlier program had done that was killed.
    pub fn after(self, earlier: Self) -> Self {
        Self {
            wanted: self.wanted.saturating_add(earlier.wanted),
            touched: self.touched.saturating_add(earlier.touched),
            refused: self.refused.saturating_add(earlier.refused),
            failed: self.failed.saturating_add(earlier.failed),
            ..self
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wanted, touched, refused, failed, held, needed } = self;
        write!(
            f,
            "wanted={wanted} touched={touched} refused={refused} failed={failed} held={held} \
             needed={needed}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_as_they_are_written() {
        let counts = Counts { wanted: 1, touched: 2, refused: 3, failed: 4, held: 5, needed: 6 };
        assert_eq!(Counts::parse(&counts.to_string()), Some(counts));
        assert_eq!(Counts::parse("ready"), None);
        let both = counts.after(counts);
        assert_eq!((both.touched, both.failed, both.held), (4, 8, 5));
    }
}
