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

    /// Of the byte `offset` in `text`.
    pub(super) fn of(file: &Path, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        Self { file: file.to_owned(), line, column }
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
        let place = |offset| {
            let place = Place::of(Path::new("f"), "ä = 1\nöü = 2\n", offset);
            (place.line, place.column)
        };
        assert_eq!(place(0), (1, 1));
        assert_eq!(place(3), (1, 3));
        assert_eq!(place(7), (2, 1));
        assert_eq!(place(11), (2, 3));
        assert_eq!(place(999), (3, 1));
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
