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

impl Value for Percent {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let number = match value {
            DeValue::Integer(integer) => integer.as_str().parse().ok(),
            DeValue::Float(float) => float.as_str().parse().ok(),
            _ => None,
        };
        let number = number.filter(|number: &f64| number.is_finite() && *number >= 0.0);
        number.map(Self).ok_or_else(|| "a number, not negative, as in 12.5".to_owned())
    }
}

impl Value for Bytes {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        quantity(value)
    }
}

impl Value for Nanos {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        quantity(value)
    }
}

/// The text in quotes; empty for other types, which then fail to parse.
fn quantity<T: FromStr<Err = Unreadable>>(value: &DeValue<'_>) -> Result<T, String> {
    let text = if let DeValue::String(text) = value { text.as_ref() } else { "" };
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
        assert_eq!(read::<Nanos>("5"), None);
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
