//! A JSON text as what seldom changes (its template) and what does (its numbers). So a
//! sample is kept as the few numbers that moved, and still is JSON, which any version of
//! memtrace reads by the names of its fields.

/// Stands in a template for an integer. JSON has no such byte, strings neither.
const INTEGER: u8 = 1;
/// For a number with a fraction, in hundredths, as PSI's averages are.
const HUNDREDTHS: u8 = 2;
/// For the digits after a point in a text, one to six of them, with the zeros that they begin
/// with.
const DIGITS: std::ops::RangeInclusive<u8> = 3..=8;
/// Up to here a double has all integers.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// Digits that fit 64 bits for sure.
const MOST_DIGITS: usize = 18;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) template: Vec<u8>,
    /// As many as the template has places.
    pub(super) numbers: Vec<i128>,
}

/// How many numbers belong into a template.
pub(super) fn places(template: &[u8]) -> usize {
    template.iter().filter(|byte| is_place(**byte)).count()
}

pub(super) const fn is_place(byte: u8) -> bool {
    matches!(byte, INTEGER..=8)
}

impl Document {
    /// Of JSON without blanks, as serde_json writes it.
    pub(super) fn of_json(json: &[u8]) -> Self {
        let mut document = Self::default();
        let mut rest = json;
        while let Some((&first, after)) = rest.split_first() {
            let length = match first {
                b'"' => string(after) + 1,
                b'-' | b'0'..=b'9' => number(rest),
                _ => 1,
            };
            let (token, after) = rest.split_at(length.min(rest.len()));
            match first {
                b'"' => document.push_text(token),
                b'-' | b'0'..=b'9' => document.push_number(token),
                _ => document.template.extend_from_slice(token),
            }
            rest = after;
        }
        document
    }

    fn push_number(&mut self, token: &[u8]) {
        let text = std::str::from_utf8(token).unwrap_or_default();
        let place = if let Some(value) = integer(text) {
            Some((INTEGER, value))
        } else {
            hundredths(text).map(|value| (HUNDREDTHS, value))
        };
        match place {
            Some((place, value)) => self.push(place, value),
            None => self.template.extend_from_slice(token),
        }
    }

    /// What is said changes in its numbers first.
    fn push_text(&mut self, token: &[u8]) {
        let mut rest = token;
        while let Some(first) = rest.first() {
            let is_digits = first.is_ascii_digit();
            let ends = |byte: &u8| byte.is_ascii_digit() != is_digits;
            let (run, after) = rest.split_at(rest.iter().position(ends).unwrap_or(rest.len()));
            match digits(&self.template, run).filter(|_| is_digits) {
                Some((place, value)) => self.push(place, value),
                None => self.template.extend_from_slice(run),
            }
            rest = after;
        }
    }

    fn push(&mut self, place: u8, value: i128) {
        self.template.push(place);
        self.numbers.push(value);
    }

    /// The JSON again: the same values, though maybe not the same digits.
    pub(super) fn json(&self) -> Vec<u8> {
        json(&self.template, self.numbers.iter().copied())
    }
}

/// A template with its numbers.
pub(super) fn json(template: &[u8], mut numbers: impl Iterator<Item = i128>) -> Vec<u8> {
    let mut json = Vec::with_capacity(2 * template.len());
    for byte in template {
        match (*byte, is_place(*byte).then(|| numbers.next()).flatten()) {
            (INTEGER, Some(digit @ 0..=9)) => json.push(b'0' + digit as u8),
            (INTEGER, Some(value)) => json.extend_from_slice(value.to_string().as_bytes()),
            (HUNDREDTHS, Some(value)) => json.extend_from_slice(fraction(value).as_bytes()),
            (place, Some(value)) => {
                let width = usize::from(place - INTEGER - 1);
                json.extend_from_slice(format!("{value:0width$}").as_bytes());
            }
            (byte, None) => json.push(byte),
        }
    }
    json
}

/// Digits in a text whose value tells them all, as what, after what stands before them.
fn digits(before: &[u8], run: &[u8]) -> Option<(u8, i128)> {
    let is_fraction = matches!(before, [.., place, b'.'] if is_place(*place));
    let place = match is_fraction {
        true => u8::try_from(run.len()).ok()?.checked_add(INTEGER + 1)?,
        false => INTEGER,
    };
    let tells_all = match is_fraction {
        true => DIGITS.contains(&place),
        false => run.len() <= MOST_DIGITS && (run.first() != Some(&b'0') || run.len() == 1),
    };
    let value = run
        .iter()
        .take(MOST_DIGITS)
        .fold(0, |value: i128, digit| value * 10 + i128::from(digit.wrapping_sub(b'0')));
    tells_all.then_some((place, value))
}

/// Length of a string after its first quote, the last one included.
pub(super) fn string(text: &[u8]) -> usize {
    let mut escaped = false;
    let end = text.iter().position(|byte| match byte {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' => {
            escaped = true;
            false
        }
        byte => *byte == b'"',
    });
    end.map_or(text.len(), |end| end + 1)
}

fn number(text: &[u8]) -> usize {
    let belongs = |byte: &u8| matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E' | b'0'..=b'9');
    text.iter().position(|byte| !belongs(byte)).unwrap_or(text.len())
}

/// Of what fits 64 bits, signed or not.
fn integer(text: &str) -> Option<i128> {
    if let [digit @ b'0'..=b'9'] = text.as_bytes() {
        return Some(i128::from(digit - b'0'));
    }
    let value = text.parse::<i128>().ok()?;
    let fits = (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value);
    (fits && text != "-0").then_some(value)
}

fn hundredths(text: &str) -> Option<i128> {
    let value = text.parse::<f64>().ok().filter(|_| text.contains('.'))?;
    let rounded = (value * 100.0).round();
    if rounded.abs() >= EXACT {
        return None;
    }
    let hundredths = rounded as i128;
    let again = fraction(hundredths).parse::<f64>().ok()?;
    (again.to_bits() == value.to_bits()).then_some(hundredths)
}

fn fraction(hundredths: i128) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    let magnitude = hundredths.unsigned_abs();
    format!("{sign}{}.{:02}", magnitude / 100, magnitude % 100)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn again(value: &Value) -> Value {
        let document = Document::of_json(value.to_string().as_bytes());
        assert_eq!(places(&document.template), document.numbers.len());
        serde_json::from_slice(&document.json()).expect("it is JSON")
    }

    #[test]
    fn numbers_leave_the_text() {
        let document = Document::of_json(br#"{"a 1":[0,-12,1.5],"b\"2":"3\\","c":1e300}"#);
        assert_eq!(
            document.template,
            b"{\"a \x01\":[\x01,\x01,\x02],\"b\\\"\x01\":\"\x01\\\\\",\"c\":1e300}"
        );
        assert_eq!(document.numbers, [1, 0, -12, 150, 2, 3]);
    }

    #[test]
    fn what_is_said_changes_in_its_numbers_alone() {
        let of = |text: &str| Document::of_json(json!([text]).to_string().as_bytes());
        for (one, other) in [
            ("3.05 of 12 GiB, 7 %", "12.90 of 100 GiB, 0 %"),
            ("-5 s", "-17 s"),
            ("10.0.0.1", "192.8.4.3"),
        ] {
            assert_eq!(of(one).template, of(other).template, "{one}");
        }
        for text in [
            "007 0.10 1.000000 1.0000001 .5 00 5.",
            "12345678901234567890123",
            "a1b02c",
            "\n3\u{1}4",
        ] {
            assert_eq!(again(&json!([text])), json!([text]));
        }
    }

    #[test]
    fn every_number_is_kept() {
        for value in [
            json!([u64::MAX, i64::MIN, 0, -1, 10]),
            json!([0.0, -0.0, 0.01, 99.99, -1.5, 0.001, 1e-9, 1e22, f64::MAX, f64::MIN_POSITIVE]),
            json!({"\u{1}": "\u{1}\u{2}", "": {}, "x": [null, true, [], "\\"]}),
        ] {
            assert_eq!(again(&value), value);
        }
        assert!(again(&json!(-0.0)).as_f64().is_some_and(f64::is_sign_negative));
    }

    proptest! {
        #[test]
        fn a_value_is_the_same_again(text in "(.|[0-9. ]){0,40}", integer in any::<i64>(), percent in 0_u32..1_000_000) {
            let value = json!({ text.clone(): [text, integer, f64::from(percent) / 100.0] });
            prop_assert_eq!(again(&value), value);
        }

        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            Document::of_json(&bytes).json();
            Document { template: bytes, numbers: vec![i128::MIN, 7] }.json();
        }
    }
}
