//! Reads one file, table by table. Continues after an error, so that all are reported at once.
//! The valid keys are those that are read.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::entry::Entry;
use super::problem::{Place, Places, Problem, nearest};
use super::value::Value;
use memtrace_core::format::several;

/// Most errors of a file that are told.
const MOST_PROBLEMS: usize = 100;

/// One file.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    text: &'a str,
    places: Places<'a>,
    problems: RefCell<Vec<Problem>>,
    /// Every valid key, dotted, and whether it was present.
    known: RefCell<BTreeMap<String, bool>>,
    /// Every value that was present, in the order in which it was read.
    entries: RefCell<Vec<Entry>>,
    /// Tables in lists, so far.
    tables: Cell<usize>,
}

/// What was read of a file.
pub(super) struct Read {
    /// In file order.
    pub(super) problems: Vec<Problem>,
    /// The valid keys, dotted, and whether they were present.
    #[cfg_attr(not(test), expect(dead_code, reason = "held against the default file"))]
    pub(super) known: BTreeMap<String, bool>,
    pub(super) entries: Vec<Entry>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str) -> Self {
        Self {
            text,
            places: Places::new(file, text),
            problems: RefCell::new(Vec::new()),
            known: RefCell::new(BTreeMap::new()),
            entries: RefCell::new(Vec::new()),
            tables: Cell::new(0),
        }
    }

    /// The whole document. Nothing is read of invalid TOML: keys might be assigned to another
    /// table.
    pub(super) fn root(&self) -> Section<'_, 'a> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let span = error.span().unwrap_or_default();
            self.problem(&span, "", format!("invalid TOML: {}", error.message()));
        }
        let table = if errors.is_empty() { table.into_inner() } else { DeTable::new() };
        Section::new(self, String::new(), None, table)
    }

    pub(super) fn finish(self) -> Read {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.place.line, problem.place.column));
        let more = problems.len().saturating_sub(MOST_PROBLEMS);
        if let Some(next) = problems.get(MOST_PROBLEMS) {
            let text = format!("and {} from here on", several(more as u64, "other error"));
            let last = Problem { place: next.place.clone(), key: String::new(), text };
            problems.truncate(MOST_PROBLEMS);
            problems.push(last);
        }
        let (known, entries) = (self.known.into_inner(), self.entries.into_inner());
        Read { problems, known, entries }
    }

    fn problem(&self, span: &Range<usize>, key: &str, text: impl Into<String>) {
        let place = self.places.of(span.start);
        let problem = Problem { place, key: key.to_owned(), text: text.into() };
        self.problems.borrow_mut().push(problem);
    }
}

/// A table whose keys are read one by one. Keys left when it is dropped are unknown.
#[derive(Debug)]
pub(super) struct Section<'r, 'a> {
    reader: &'r Reader<'a>,
    path: String,
    /// Which table of a list it is.
    table: Option<usize>,
    entries: Vec<(String, Range<usize>, Spanned<DeValue<'a>>)>,
    known: Vec<&'static str>,
}

impl<'r, 'a> Section<'r, 'a> {
    fn new(
        reader: &'r Reader<'a>,
        path: String,
        number: Option<usize>,
        table: DeTable<'a>,
    ) -> Self {
        let entries = table
            .into_iter()
            .map(|(key, value)| (key.get_ref().to_string(), key.span(), value))
            .collect();
        Self { reader, path, table: number, entries, known: Vec::new() }
    }

    /// Sets `into` if the key is present, and returns its place.
    pub(super) fn set<T: Value>(&mut self, key: &'static str, into: &mut T) -> Option<Place> {
        let mut value = None;
        let place = self.optional(key, &mut value);
        if let Some(value) = value {
            *into = value;
        }
        place
    }

    /// The same for a value within limits, which `range` describes.
    pub(super) fn within<T: Value + PartialOrd + Copy>(
        &mut self,
        key: &'static str,
        (low, high): (T, T),
        range: &str,
        into: &mut T,
    ) -> Option<Place> {
        let mut value = None;
        let place = self.optional(key, &mut value)?;
        match value {
            Some(value) if low <= value && value <= high => *into = value,
            Some(_) => self.problem(place.clone(), key, format!("must be {range}")),
            None => {}
        }
        Some(place)
    }

    /// The same for a key without default.
    pub(super) fn optional<T: Value>(
        &mut self,
        key: &'static str,
        into: &mut Option<T>,
    ) -> Option<Place> {
        let (span, value) = self.take(key)?;
        let text = self.reader.text.get(value.span()).unwrap_or_default();
        self.note(key, &span, text.to_owned());
        match T::read(value.get_ref()) {
            Ok(value) => *into = Some(value),
            Err(wanted) => self.wrong(key, &value.span(), &wanted),
        }
        Some(self.reader.places.of(span.start))
    }

    /// Sets `into` to the meaning of one of the words.
    pub(super) fn choose<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
        into: &mut T,
    ) -> Option<Place> {
        let mut word = None;
        let value_span = self.span_of_value(key);
        let place = self.optional::<String>(key, &mut word);
        if let Some(word) = word {
            match words.iter().find(|(known, _)| *known == word) {
                Some((_, value)) => *into = *value,
                None => {
                    let all: Vec<String> =
                        words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                    self.wrong(key, &value_span.unwrap_or_default(), &all.join(" or "));
                }
            }
        }
        place
    }

    /// A table within this one; an empty one, if it isn't there.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'r, 'a> {
        let path = self.dotted(key);
        let table = self.take(key).and_then(|(_, value)| {
            let span = value.span();
            match value.into_inner() {
                DeValue::Table(table) => Some(table),
                _ => {
                    self.wrong(key, &span, &format!("a table: [{path}]"));
                    None
                }
            }
        });
        Section::new(self.reader, path, self.table, table.unwrap_or_default())
    }

    /// A table of texts under any names; an empty one, if it isn't there.
    pub(super) fn texts(&mut self, key: &'static str) -> BTreeMap<String, String> {
        let Some((place, value)) = self.take(key) else { return BTreeMap::new() };
        let span = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            self.wrong(key, &span, "a table of texts: { name = \"text\" }");
            return BTreeMap::new();
        };
        let text = |value: &Spanned<DeValue<'a>>| String::read(value.get_ref());
        let mut texts = BTreeMap::new();
        for (name, value) in table {
            match text(&value) {
                Ok(text) => {
                    texts.insert(name.into_inner().into_owned(), text);
                }
                Err(wanted) => self.wrong(key, &value.span(), &wanted),
            }
        }
        let pair = |(name, text): (&String, &String)| {
            let quoted = |text: &String| toml::Value::from(text.as_str()).to_string();
            format!("{} = {}", quoted(name), quoted(text))
        };
        let pairs: Vec<String> = texts.iter().map(pair).collect();
        self.note(key, &place, format!("{{ {} }}", pairs.join(", ")));
        texts
    }

    /// The tables of `[[key]]`, each with its place.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<(Place, Section<'r, 'a>)> {
        let path = self.dotted(key);
        let Some((_, value)) = self.take(key) else { return Vec::new() };
        let span = value.span();
        let DeValue::Array(array) = value.into_inner() else {
            self.wrong(key, &span, &format!("a list of tables: [[{path}]]"));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for element in array {
            let span = element.span();
            match element.into_inner() {
                DeValue::Table(table) => {
                    let place = self.reader.places.of(span.start);
                    let number = self.reader.tables.get() + 1;
                    self.reader.tables.set(number);
                    let section = Section::new(self.reader, path.clone(), Some(number), table);
                    sections.push((place, section));
                }
                _ => self.wrong(key, &span, &format!("a table: [[{path}]]")),
            }
        }
        sections
    }

    /// Reports an error about a key of this table.
    pub(super) fn problem(&self, place: Place, key: &str, text: impl Into<String>) {
        let key = if key.is_empty() { self.path.clone() } else { self.dotted(key) };
        self.reader.problems.borrow_mut().push(Problem { place, key, text: text.into() });
    }

    fn wrong(&self, key: &str, span: &Range<usize>, wanted: &str) {
        self.reader.problem(span, &self.dotted(key), format!("must be {wanted}"));
    }

    fn dotted(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Keeps what the file has for `key`, at `span`.
    fn note(&self, key: &str, span: &Range<usize>, value: String) {
        let place = self.reader.places.of(span.start);
        let entry = Entry { key: self.dotted(key), table: self.table, place, value };
        self.reader.entries.borrow_mut().push(entry);
    }

    fn span_of_value(&self, key: &str) -> Option<Range<usize>> {
        self.entries.iter().find(|(name, ..)| name == key).map(|(.., value)| value.span())
    }

    fn take(&mut self, key: &'static str) -> Option<(Range<usize>, Spanned<DeValue<'a>>)> {
        self.known.push(key);
        let index = self.entries.iter().position(|(name, ..)| name == key);
        *self.reader.known.borrow_mut().entry(self.dotted(key)).or_default() |= index.is_some();
        let index = index?;
        let (_, span, value) = self.entries.swap_remove(index);
        Some((span, value))
    }
}

impl Drop for Section<'_, '_> {
    fn drop(&mut self) {
        for (key, span, _) in &self.entries {
            let mut text = "unknown key".to_owned();
            if let Some(near) = nearest(key, self.known.iter().copied()) {
                text = format!("{text}; did you mean `{near}`?");
            } else {
                text = format!("{text}; valid keys: {}", self.known.join(", "));
            }
            self.reader.problem(span, &self.dotted(key), text);
        }
    }
}
