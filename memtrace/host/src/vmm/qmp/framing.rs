//! Where a monitor's message ends: JSON in one line, or in several where the monitor was asked for
//! `pretty=on`. Pure.

use std::num::NonZeroU32;

/// What is read of one message, byte by byte.
#[derive(Debug, Default)]
pub(super) struct Framing {
    /// Brackets that are open. `None`: the message has not begun.
    open: Option<NonZeroU32>,
    in_string: bool,
    escaped: bool,
}

/// What a monitor sent is no message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoMessage;

impl Framing {
    /// How many of the next bytes belong to the message, and whether that was its end. White space
    /// before it counts. Brackets are counted and not matched, which is up to who reads the JSON.
    ///
    /// # Errors
    /// When no object or array begins.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<(usize, bool), NoMessage> {
        for (index, &byte) in bytes.iter().enumerate() {
            if self.ends(byte)? {
                return Ok((index.saturating_add(1), true));
            }
        }
        Ok((bytes.len(), false))
    }

    fn ends(&mut self, byte: u8) -> Result<bool, NoMessage> {
        let Some(open) = self.open else {
            return match byte {
                b' ' | b'\t' | b'\r' | b'\n' => Ok(false),
                b'{' | b'[' => {
                    self.open = Some(NonZeroU32::MIN);
                    Ok(false)
                }
                _ => Err(NoMessage),
            };
        };
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = self.in_string,
            b'"' => self.in_string = !self.in_string,
            _ if self.in_string => {}
            b'{' | b'[' => self.open = Some(open.saturating_add(1)),
            b'}' | b']' => {
                let left = NonZeroU32::new(open.get().saturating_sub(1));
                if left.is_none() {
                    return Ok(true);
                }
                self.open = left;
            }
            _ => {}
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first message of `text`, which comes in pieces of `size` bytes.
    fn first(text: &str, size: usize) -> Option<&str> {
        let (mut framing, mut taken) = (Framing::default(), 0);
        for piece in text.as_bytes().chunks(size) {
            let (length, ended) = framing.advance(piece).ok()?;
            taken += length;
            if ended {
                return text.get(..taken);
            }
        }
        None
    }

    #[test]
    fn a_message_ends_with_its_last_bracket_however_it_is_laid_out() {
        for (text, message) in [
            ("{\"return\": {}}\r\n{\"a\": 1}", "{\"return\": {}}"),
            ("\r\n {\n    \"return\": {\n    }\n}\r\n", "\r\n {\n    \"return\": {\n    }\n}"),
            (r#"{"a":"}{\"}","b":["\\"]}{"#, r#"{"a":"}{\"}","b":["\\"]}"#),
            ("[1,2]\n", "[1,2]"),
            ("{]}", "{]"),
        ] {
            for size in [1, 2, 3, 100] {
                assert_eq!(first(text, size), Some(message), "{text:?} by {size}");
            }
        }
        for none in ["", "\n", "{\"a\": \"}", "{\\\"}", "SSH-2.0", "\n}", "1", "\"{}\""] {
            assert_eq!(first(none, 100), None, "{none:?}");
        }
        assert_eq!(Framing::default().advance(b"x{}"), Err(NoMessage));
    }

    proptest::proptest! {
        #[test]
        fn what_serde_writes_is_one_message_in_any_layout(
            texts in proptest::collection::vec(".{0,8}", 0..6), size in 1_usize..9,
        ) {
            let value = serde_json::json!({ "return": texts, "id": { "{": ["}", null] } });
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                let more = format!("{text}\n{{}}");
                proptest::prop_assert_eq!(first(&more, size), Some(text.as_str()));
            }
        }
    }
}
