//! Reckoning with what isn't known, and with numbers that came from outside.

use crate::units::{ByteRate, Bytes, Percent, Rate};

/// A number that a comparison can be trusted with.
pub fn sound(value: f64) -> Option<f64> {
    (value.is_finite() && value >= 0.0).then_some(value)
}

pub fn percent(value: Option<Percent>) -> Option<f64> {
    sound(value?.0)
}

pub fn rate(value: Option<Rate>) -> Option<f64> {
    sound(value?.0)
}

pub fn bytes_per_second(value: Option<ByteRate>) -> Option<f64> {
    sound(value?.0)
}

/// True when one of them is, however little is known of the rest; false only when all are
/// known to be.
pub fn any(all: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let mut unknown = false;
    for one in all {
        match one {
            Some(true) => return Some(true),
            Some(false) => {}
            None => unknown = true,
        }
    }
    (!unknown).then_some(false)
}

/// False when one of them is; true only when all are known to be.
pub fn all(all: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    any(all.into_iter().map(|one| one.map(|one| !one))).map(|one| !one)
}

/// A part of a whole, in per cent.
pub fn share(part: Bytes, whole: Bytes) -> f64 {
    if whole.0 == 0 { 0.0 } else { part.0 as f64 * 100.0 / whole.0 as f64 }
}

/// Down to whole MiB, which every hypervisor takes.
pub fn whole_mib(bytes: Bytes) -> Bytes {
    Bytes(bytes.0 >> 20 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_holds_is_enough_and_one_that_is_unknown_leaves_it_open() {
        assert_eq!(any([None, Some(true)]), Some(true));
        assert_eq!(any([None, Some(false)]), None);
        assert_eq!(any([Some(false)]), Some(false));
        assert_eq!(all([None, Some(false)]), Some(false));
        assert_eq!(all([None, Some(true)]), None);
        assert_eq!(all([Some(true)]), Some(true));
    }

    #[test]
    fn what_is_no_number_is_unknown() {
        assert_eq!(percent(Some(Percent(f64::NAN))), None);
        assert_eq!(rate(Some(Rate(f64::INFINITY))), None);
        assert_eq!(bytes_per_second(Some(ByteRate(-1.0))), None);
        assert_eq!(percent(Some(Percent(3.0))), Some(3.0));
    }

    #[test]
    fn whole_mebibytes_are_what_hypervisors_take() {
        assert_eq!(whole_mib(Bytes((5 << 20) + 7)), Bytes(5 << 20));
    }
}
