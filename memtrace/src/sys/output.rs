//! Standard output, for everything but the live view.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result};

use memtrace_core::text;
use memtrace_view::emphasis::{self, Emphasis};

/// What memtrace itself sends to a terminal: colours and weights (ECMA-48, SGR).
const OWN: [&str; 5] = [
    emphasis::END,
    Emphasis::Dim.begin(),
    Emphasis::Strong.begin(),
    Emphasis::Warm.begin(),
    Emphasis::Hot.begin(),
];

/// Writes all of `text` now. On a terminal, without what it would act upon: names and messages come
/// from anywhere. Files and pipes get all of it.
///
/// # Errors
/// When the pipe is broken (which [`crate::sys::exit`] ignores) or the disk is full.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    let text = if out.is_terminal() { harmless(text) } else { Cow::Borrowed(text) };
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("cannot write to standard output")
}

/// `text` with memtrace's own sequences and no others.
fn harmless(text: &str) -> Cow<'_, str> {
    if matches!(text::clean_lines(text), Cow::Borrowed(_)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for (index, part) in text.split('\x1b').enumerate() {
        let own = OWN.iter().find_map(|own| Some((*own, part.strip_prefix(own.get(1..)?)?)));
        let (before, rest) = match own {
            Some(own) if index > 0 => own,
            _ if index > 0 => ("\u{fffd}", part),
            _ => ("", part),
        };
        shown.push_str(before);
        shown.push_str(&text::clean_lines(rest));
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_own_sequences_alone() {
        for (text, shown) in [
            ("plain\n\ttext ä\n", "plain\n\ttext ä\n"),
            ("\x1b[31mbad\x1b[0m\n", "\x1b[31mbad\x1b[0m\n"),
            ("a\x1b[2Jb\x1b]52;c;AAAA\x07", "a\u{fffd}[2Jb\u{fffd}]52;c;AAAA\u{fffd}"),
            ("\x1b\x1b[0m\u{9b}8m", "\u{fffd}\x1b[0m\u{fffd}8m"),
        ] {
            assert_eq!(harmless(text), shown);
        }
    }
}
