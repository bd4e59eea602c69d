//! Values: sizes and durations with a unit, shares in per cent.

use std::path::PathBuf;
use std::str::FromStr;

use toml::de::DeValue;

use crate::sys::address::{Address, SocketMode};
use memtrace_core::units::{Bytes, Nanos, Percent, Unreadable};

/// A value of a key.
pub(super) trait Value: Sized {
    /// # Errors
    /// The expected form, as a text that follows "must be".
    fn read(value: &DeValue<'_>) -> Result<Self, String>;
}

impl Value for bool {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::Boolean(value) => Ok(*value),
            _ => Err("true or false".to_owned()),
        }
    }
}

impl Value for Address {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = String::read(value)?;
        text.parse().map_err(|error| format!("{error:#}"))
    }
}

impl Value for SocketMode {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = String::read(value).unwrap_or_default();
        text.parse().map_err(|error| format!("{error:#}"))
    }
}

impl Value for String {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::String(text) if !text.is_empty() => Ok(text.clone().into_owned()),
            _ => Err("a text in quotes".to_owned()),
        }
    }
}

impl Value for Vec<String> {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let DeValue::Array(array) = value else {
            return Err("a list of texts, as in [\"a\", \"b\"]".to_owned());
        };
        array.iter().map(|text| String::read(text.get_ref())).collect()
    }
}

impl Value for PathBuf {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let path = String::read(value).ok().filter(|path| path.starts_with('/'));
        path.map(Self::from).ok_or_else(|| "an absolute path in quotes".to_owned())
    }
}

impl Value for u32 {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let number = match value {
            DeValue::Integer(integer) => {
                Self::from_str_radix(integer.as_str(), integer.radix()).ok()
            }
            _ => None,
        };
        number.ok_or_else(|| "a whole number".to_owned())
    }
}

impl Value for usize {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        u32::read(value)
            .and_then(|number| Self::try_from(number).map_err(|error| error.to_string()))
    }
}

/// A number without a unit.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) struct Number(pub(super) f64);

/// A rate in MiB a second.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) struct MibPerSecond(pub(super) f64);

/// A duration in seconds.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) struct Seconds(pub(super) f64);

impl Value for Number {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        bare(value).map(Self).ok_or_else(|| "a number, not negative, as in 12.5".to_owned())
    }
}

impl Value for Percent {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let typed = text(value).and_then(|text| number(text.strip_suffix('%')?.trim_end()));
        bare(value)
            .or(typed)
            .map(Self)
            .ok_or_else(|| "a number, not negative, as in 12.5 or \"12.5%\"".to_owned())
    }
}

impl Value for MibPerSecond {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let size = |text: &str| text.strip_suffix("/s")?.trim_end().parse::<Bytes>().ok();
        let typed = text(value).and_then(size).map(|size| size.0 as f64 / MIB);
        bare(value)
            .or(typed)
            .map(Self)
            .ok_or_else(|| "a number of MiB/s, not negative, or as in \"1MiB/s\"".to_owned())
    }
}

impl Value for Seconds {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        Nanos::read(value).map(|length| Self(length.seconds()))
    }
}

const MIB: f64 = 1_048_576.0;

/// A number alone, not negative.
fn bare(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(integer) => number(integer.as_str()),
        DeValue::Float(float) => number(float.as_str()),
        _ => None,
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

fn text<'a>(value: &'a DeValue<'_>) -> Option<&'a str> {
    if let DeValue::String(text) = value { Some(text) } else { None }
}

impl Value for Bytes {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        quantity(value)
    }
}

impl Value for Nanos {
    /// As a text, or a number of seconds.
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::Integer(integer) => parsed(integer.as_str()),
            DeValue::Float(float) => parsed(float.as_str()),
            _ => quantity(value),
        }
    }
}

/// The text in quotes; empty for other types, which then fail to parse.
fn quantity<T: FromStr<Err = Unreadable>>(value: &DeValue<'_>) -> Result<T, String> {
    parsed(text(value).unwrap_or_default())
}

fn parsed<T: FromStr<Err = Unreadable>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: Unreadable| error.wanted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Value>(text: &str) -> Option<T> {
        T::read(DeValue::parse(text).unwrap().get_ref()).ok()
    }

    #[test]
    fn sizes_and_durations_are_texts() {
        assert_eq!(read("\"1.5 GiB\""), Some(Bytes(3 << 29)));
        assert_eq!(read("\"2min\""), Some(Nanos(120_000_000_000)));
        assert_eq!(read::<Bytes>("512"), None);
        assert_eq!(read("5"), Some(Nanos(5_000_000_000)));
        assert_eq!(read("0.5"), Some(Nanos(500_000_000)));
        for text in ["-5", "1e3", "inf", "true"] {
            assert_eq!(read::<Nanos>(text), None, "{text}");
        }
    }

    #[test]
    fn limits_are_typed_or_numbers_of_their_unit() {
        assert_eq!((read("10"), read("\"10%\"")), (Some(Percent(10.0)), Some(Percent(10.0))));
        assert_eq!((read("60"), read("\"1min\"")), (Some(Seconds(60.0)), Some(Seconds(60.0))));
        for (text, rate) in [("1.5", 1.5), ("\"1MiB/s\"", 1.0), ("\"2 G/s\"", 2048.0)] {
            assert_eq!(read(text), Some(MibPerSecond(rate)), "{text}");
        }
        for text in ["\"10\"", "\"-1%\"", "\"%\"", "\"60s\"", "\"1MiB\""] {
            assert_eq!(read::<Percent>(text), None, "{text}");
            assert_eq!(read::<MibPerSecond>(text), None, "{text}");
        }
        assert_eq!(read::<Number>("\"10%\""), None);
    }

    #[test]
    fn numbers_are_what_they_are() {
        assert_eq!(read("12"), Some(Percent(12.0)));
        assert_eq!(read("12.5"), Some(Percent(12.5)));
        for text in ["-1", "nan", "inf", "\"12\"", "true"] {
            assert_eq!(read::<Percent>(text), None, "{text}");
        }
        assert_eq!(read("0x10"), Some(16_u32));
        assert_eq!(read::<u32>("-1"), None);
        assert_eq!(read::<PathBuf>("\"relative\""), None);
        assert_eq!(read::<String>("\"\""), None);
    }
}
