//! Ranges of the monitoring plugin guidelines: `10` is OK from 0 to 10, `10:` from 10 on, `~:10` up
//! to 10, `10:20` from 10 to 20, and `@10:20` outside of it. Pure.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};

/// The range that is OK, or (`inside`) that alerts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub from: f64,
    pub to: f64,
    pub inside: bool,
}

impl Range {
    /// OK up to `to`.
    pub const fn most(to: f64) -> Self {
        Self { from: 0.0, to, inside: false }
    }

    /// OK from `from` on.
    pub const fn least(from: f64) -> Self {
        Self { from, to: f64::INFINITY, inside: false }
    }

    /// Whether `value` alerts. Ranges include their ends.
    pub fn is_broken_by(self, value: f64) -> bool {
        (self.from..=self.to).contains(&value) == self.inside
    }
}

impl FromStr for Range {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (inside, text) = text.strip_prefix('@').map_or((false, text), |rest| (true, rest));
        let number = |text: &str| -> Result<f64> {
            let number: f64 = text.parse().with_context(|| format!("{text:?} is not a number"))?;
            ensure!(number.is_finite(), "{text:?} is not a number");
            Ok(number)
        };
        let (from, to) = match text.split_once(':') {
            None => (0.0, number(text)?),
            Some((from, to)) => {
                let from = match from {
                    "" => 0.0,
                    "~" => f64::NEG_INFINITY,
                    from => number(from)?,
                };
                (from, if to.is_empty() { f64::INFINITY } else { number(to)? })
            }
        };
        ensure!(from <= to, "{from} is greater than {to}");
        Ok(Self { from, to, inside })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inside = if self.inside { "@" } else { "" };
        match (self.from, self.to) {
            (f64::NEG_INFINITY, f64::INFINITY) => write!(f, "{inside}~:"),
            (f64::NEG_INFINITY, to) => write!(f, "{inside}~:{to}"),
            (from, f64::INFINITY) => write!(f, "{inside}{from}:"),
            (0.0, to) => write!(f, "{inside}{to}"),
            (from, to) => write!(f, "{inside}{from}:{to}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guidelines_own_examples() {
        // Threshold, and numbers that alert and that don't.
        let cases: [(&str, &[f64], &[f64]); 5] = [
            ("10", &[-0.1, 10.1], &[0.0, 10.0]),
            ("10:", &[9.9], &[10.0, 1e12]),
            ("~:10", &[10.1], &[-1e12, 10.0]),
            ("10:20", &[9.9, 20.1], &[10.0, 20.0]),
            ("@10:20", &[10.0, 20.0], &[9.9, 20.1]),
        ];
        for (text, bad, good) in cases {
            let range: Range = text.parse().expect("it is a range");
            assert!(bad.iter().all(|value| range.is_broken_by(*value)), "{text}");
            assert!(!good.iter().any(|value| range.is_broken_by(*value)), "{text}");
            assert_eq!(range.to_string(), text);
        }
    }

    #[test]
    fn an_invalid_range_is_refused() {
        for text in ["", "x", "20:10", "nan", "inf", "1:2:3", "@", "10%", ":inf"] {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
    }

    #[test]
    fn nan_is_outside_of_every_range() {
        assert!(Range::most(10.0).is_broken_by(f64::NAN));
        assert!(Range::least(10.0).is_broken_by(f64::NAN));
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_again(text in "@?(~|[0-9]{0,3}):?[0-9]{0,3}") {
            if let Ok(range) = text.parse::<Range>() {
                proptest::prop_assert_eq!(range.to_string().parse::<Range>().unwrap(), range);
            }
        }
    }
}
