//! Values as they are written: sizes and durations with their unit, shares in per cent.

use std::path::PathBuf;

use toml::de::DeValue;

use crate::metrics::Address;
use crate::units::{Bytes, Nanos, Percent};

/// Something that a key can be set to.
pub(super) trait Value: Sized {
    /// # Errors
    /// What is wanted instead, in words that follow "must be".
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
        let scale = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
        with_unit(value, &scale)
            .map(Self)
            .ok_or_else(|| "a size with its unit (KiB, MiB, GiB, TiB), as in \"512MiB\"".to_owned())
    }
}

impl Value for Nanos {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let second = Self::SECOND.0;
        let scale =
            [("ms", second / 1000), ("s", second), ("min", 60 * second), ("h", 3600 * second)];
        with_unit(value, &scale)
            .map(Self)
            .ok_or_else(|| "a duration with its unit (ms, s, min, h), as in \"5s\"".to_owned())
    }
}

/// A number and a unit of `scale`: `"1.5GiB"`, `"512 MiB"`.
fn with_unit(value: &DeValue<'_>, scale: &[(&str, u64)]) -> Option<u64> {
    let DeValue::String(text) = value else { return None };
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = scale.iter().find(|(name, _)| *name == unit.trim_start())?;
    let number: f64 = number.parse().ok()?;
    let amount = number * *factor as f64;
    // Beyond 2^53 a float has no whole numbers to speak of.
    (amount < (1_u64 << 53) as f64).then_some(amount.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Value>(text: &str) -> Option<T> {
        T::read(DeValue::parse(text).unwrap().get_ref()).ok()
    }

    #[test]
    fn sizes_and_durations_have_their_unit() {
        let sizes = [("\"512MiB\"", 512 << 20), ("\"1.5 GiB\"", 3 << 29), ("\"0KiB\"", 0)];
        for (text, bytes) in sizes {
            assert_eq!(read(text), Some(Bytes(bytes)), "{text}");
        }
        for text in [
            "512",
            "\"512\"",
            "\"512MB\"",
            "\"-1MiB\"",
            "\"MiB\"",
            "\"1.2.3MiB\"",
            "\"1e9TiB\"",
            "\"99999TiB\"",
        ] {
            assert_eq!(read::<Bytes>(text), None, "{text}");
        }
        let durations =
            [("\"500ms\"", 500_000_000), ("\"5s\"", 5_000_000_000), ("\"2min\"", 120_000_000_000)];
        for (text, nanos) in durations {
            assert_eq!(read(text), Some(Nanos(nanos)), "{text}");
        }
        assert_eq!(read::<Nanos>("\"5m\""), None, "minutes or milliseconds?");
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

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "[0-9.]{0,30} ?(MiB|TiB|s|h|x|)") {
            let quoted = format!("\"{text}\"");
            read::<Bytes>(&quoted);
            read::<Nanos>(&quoted);
        }
    }
}
