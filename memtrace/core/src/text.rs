//! Text that came from outside (names of VMs, paths, threads), made fit for a screen:
//! without control characters, measured and cut by display width. Pure. Must not know
//! what the text means.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// What stands where text was cut.
const ELLIPSIS: char = '…';
/// What stands for a character that a terminal would act upon.
const REPLACEMENT: char = '\u{fffd}';

/// Columns that `text` takes on a terminal.
pub fn width(text: &str) -> usize {
    graphemes_width(text)
}

/// `text` without anything that moves the cursor, changes colours or turns the
/// direction of writing: guests and users choose names, and may choose them badly.
pub fn clean(text: &str) -> Cow<'_, str> {
    without(text, is_unfit)
}

/// The same for text of several lines.
pub fn clean_lines(text: &str) -> Cow<'_, str> {
    without(text, |c| is_unfit(c) && c != '\n' && c != '\t')
}

fn without(text: &str, is_unfit: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.contains(&is_unfit) {
        Cow::Owned(text.chars().map(|c| if is_unfit(c) { REPLACEMENT } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// The first `most` characters of a text of several lines, with an ellipsis where there are more.
pub fn cut_lines(text: &str, most: usize) -> Cow<'_, str> {
    let Some((end, _)) = text.char_indices().nth(most) else { return Cow::Borrowed(text) };
    let mut cut = text.get(..end).unwrap_or_default().to_owned();
    cut.push(ELLIPSIS);
    Cow::Owned(cut)
}

/// At most `columns` columns of `text`, which is one line, with an ellipsis where something was
/// cut. Never cuts through a wide character or a grapheme cluster.
pub fn truncate(text: &str, columns: usize) -> Cow<'_, str> {
    if graphemes_width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let Some(room) = columns.checked_sub(1) else {
        return Cow::Borrowed("");
    };
    let mut cut = String::new();
    let mut used = 0;
    for grapheme in graphemes(text) {
        let next = used + grapheme.width();
        if next > room {
            break;
        }
        used = next;
        cut.push_str(grapheme);
    }
    cut.push(ELLIPSIS);
    Cow::Owned(cut)
}

/// Exactly `columns` columns: cut or filled up, the text at the left.
pub fn left(text: &str, columns: usize) -> String {
    let mut field = truncate(text, columns).into_owned();
    let missing = columns.saturating_sub(graphemes_width(&field));
    field.extend(std::iter::repeat_n(' ', missing));
    field
}

/// Exactly `columns` columns: cut or filled up, the text at the right.
pub fn right(text: &str, columns: usize) -> String {
    let text = truncate(text, columns);
    let missing = columns.saturating_sub(graphemes_width(&text));
    let mut field = String::with_capacity(columns);
    field.extend(std::iter::repeat_n(' ', missing));
    field.push_str(&text);
    field
}

/// The lines of `text`, broken between words so that none is wider than `columns`.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let needed = if line.is_empty() { 0 } else { width(&line) + 1 };
        if !line.is_empty() && needed + width(word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&truncate(word, columns));
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// The sum over the graphemes, which is how the screen is filled; the width of the
/// whole string may be smaller where a terminal is expected to join clusters.
fn graphemes_width(text: &str) -> usize {
    if text.is_ascii() {
        return text.chars().filter(|c| !c.is_control()).count();
    }
    graphemes(text).map(|grapheme| grapheme.width()).sum()
}

/// Those that a screen shows: not the ones with a control character in them, which a terminal
/// would act upon.
fn graphemes(text: &str) -> impl Iterator<Item = &str> {
    text.graphemes(true).filter(|grapheme| !grapheme.contains(char::is_control))
}

/// Control characters, line and paragraph separators, and the marks that turn the
/// direction of writing (Unicode's Bidi_Control).
fn is_unfit(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_stay_and_what_a_terminal_would_act_upon_does_not() {
        let text = "one\n\ttwo\x1b]0;x\x07\u{9b}2J\r\u{202e}end";
        let shown = "one\n\ttwo\u{fffd}]0;x\u{fffd}\u{fffd}2J\u{fffd}\u{fffd}end";
        assert_eq!(clean_lines(text), shown);
        assert_eq!(cut_lines("ä\nöü", 4), "ä\nöü");
        assert_eq!(cut_lines("ä\nöü", 3), "ä\nö…");
    }

    #[test]
    fn wide_characters_count_twice_and_are_never_halved() {
        assert_eq!(width("数据库"), 6);
        assert_eq!(truncate("数据库", 6), "数据库");
        assert_eq!(truncate("数据库", 5), "数据…");
        assert_eq!(truncate("数据库", 4), "数…");
        assert_eq!(left("数据库", 4), "数… ");
        assert_eq!(right("数据", 5), " 数据");
    }

    #[test]
    fn no_room_is_no_text() {
        assert_eq!(truncate("name", 0), "");
        assert_eq!(truncate("name", 1), "…");
        assert_eq!(truncate("", 0), "");
    }

    #[test]
    fn escape_sequences_and_reversed_writing_are_defused() {
        assert_eq!(clean("a\x1b[31mb"), "a\u{fffd}[31mb");
        assert_eq!(clean("a\u{202e}b\nc"), "a\u{fffd}b\u{fffd}c");
        assert!(matches!(clean("gäste 1"), Cow::Borrowed("gäste 1")));
    }

    #[test]
    fn wrapping_breaks_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("incomprehensible", 5), ["inco…"]);
        assert!(wrap("  ", 5).is_empty());
    }

    proptest! {
        #[test]
        fn fields_have_exactly_their_width(text in "\\PC*", columns in 0_usize..40) {
            prop_assert_eq!(width(&left(&text, columns)), columns);
            prop_assert_eq!(width(&right(&text, columns)), columns);
        }

        #[test]
        fn wrapped_lines_fit(text in ".*", columns in 1_usize..40) {
            for line in wrap(&clean(&text), columns) {
                prop_assert!(width(&line) <= columns);
            }
        }
    }
}
