//! Errors of a configuration, with their place.

use std::fmt;
use std::path::{Path, PathBuf};

use memtrace_core::text;

/// Longest key that is shown, in characters.
const LONGEST: usize = 200;

/// One error. Its text names file, line, column and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    /// Dotted key; empty if the error isn't about a key.
    pub key: String,
    pub text: String,
}

/// Where things are in one text. Found out once, so that any number of places takes linear time,
/// also on one long line.
#[derive(Debug)]
pub(super) struct Places<'a> {
    file: &'a Path,
    text: &'a str,
    /// Where its lines begin.
    lines: Vec<usize>,
    /// Characters before each block, and in all.
    blocks: Vec<usize>,
}

/// Bytes of a block.
const BLOCK: usize = 256;

impl<'a> Places<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        let mut blocks = vec![0];
        let mut all = 0;
        for block in text.as_bytes().chunks(BLOCK) {
            all += begun(block);
            blocks.push(all);
        }
        Self { file, text, lines, blocks }
    }

    /// That of the byte `offset`.
    pub(super) fn of(&self, offset: usize) -> Place {
        let offset = if self.text.is_char_boundary(offset) { offset } else { self.text.len() };
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.characters(offset).saturating_sub(self.characters(start)) + 1;
        Place { file: self.file.to_owned(), line, column }
    }

    fn characters(&self, offset: usize) -> usize {
        let block = offset / BLOCK;
        let rest = self.text.as_bytes().get(block * BLOCK..offset).unwrap_or_default();
        self.blocks.get(block).copied().unwrap_or(0) + begun(rest)
    }
}

/// Characters that begin in these bytes of UTF-8.
fn begun(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    /// Counted from 1; 0 for the file as a whole.
    pub line: usize,
    pub column: usize,
}

impl Problem {
    /// With a key, somewhere in a file.
    pub fn of_file(file: &Path, key: &str, text: impl Into<String>) -> Self {
        Self { place: Place::whole(file), key: key.to_owned(), text: text.into() }
    }
}

impl Place {
    pub(super) fn whole(file: &Path) -> Self {
        Self { file: file.to_owned(), line: 0, column: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", text::clean(&self.file.to_string_lossy()))?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, key, text } = self;
        // A quoted key may be anything.
        let key = text::clean(key);
        let (key, text) = (text::truncate(&key, LONGEST), text::clean_lines(text));
        if key.is_empty() {
            write!(f, "{place}: {text}")
        } else {
            write!(f, "{place}: {key}: {text}")
        }
    }
}

/// The one of `known` that is most similar to `typed`, if any.
pub(super) fn nearest<'a>(
    typed: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let rated = known.into_iter().map(|known| (strsim::jaro_winkler(typed, known), known));
    let (likeness, best) = rated.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (likeness > 0.75).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        let text = format!("ä = 1\nöü = 2\n{}", "ß".repeat(2 * BLOCK));
        let places = Places::new(Path::new("f"), &text);
        let place = |offset| {
            let place = places.of(offset);
            (place.line, place.column)
        };
        assert_eq!(place(0), (1, 1));
        assert_eq!(place(3), (1, 3));
        assert_eq!(place(7), (2, 1));
        assert_eq!(place(11), (2, 3));
        let begin = text.len() - 4 * BLOCK;
        for character in [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK] {
            assert_eq!(place(begin + 2 * character), (3, character + 1), "{character}");
        }
        assert_eq!(place(usize::MAX), (3, 2 * BLOCK + 1));
        assert_eq!(Places::new(Path::new("f"), "").of(7).line, 1);
    }

    #[test]
    fn only_similar_names_are_suggested() {
        let known = ["enforce", "observe", "interval"];
        assert_eq!(nearest("enfroce", known), Some("enforce"));
        assert_eq!(nearest("intervall", known), Some("interval"));
        assert_eq!(nearest("zzz", known), None);
        assert_eq!(nearest("", known), None);
    }
}
