//! A Rust file, split into code and comments. Not a parser: just enough to tell what is
//! said from what is done.

/// One file.
pub struct Source {
    /// From the root of the workspace.
    pub path: String,
    pub lines: Vec<Line>,
}

/// One line of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Without comments; strings and characters are empty, their quotes are left.
    pub code: String,
    pub comment: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    LineComment,
    /// How deep comments are nested.
    BlockComment(usize),
    String,
    /// How many `#` end it.
    RawString(usize),
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let mut lines = vec![Line::default()];
        let mut state = State::Code;
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if character == '\n' {
                lines.push(Line::default());
                state = if state == State::LineComment { State::Code } else { state };
                rest = &rest[1..];
                continue;
            }
            let line = lines.last_mut().expect("there is a line");
            let taken = step(&mut state, rest, character, line);
            rest = &rest[taken..];
        }
        if text.ends_with('\n') {
            lines.pop();
        }
        Self { path: path.into(), lines }
    }

    /// Whether the file, or the part of it from this line on, is there for tests only.
    pub fn is_test(&self, line: usize) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || name == "tests.rs"
            || name.ends_with("_tests.rs")
            || self.first_test().is_some_and(|first| first <= line)
    }

    /// The line of the first block of tests. A lone item for tests, such as `mod fake;`,
    /// is none.
    fn first_test(&self) -> Option<usize> {
        let marked = |index: &usize| self.lines[*index].code.contains("#[cfg(test)]");
        (0..self.lines.len())
            .filter(marked)
            .find(|first| self.opens_a_block(*first))
            .map(|at| at + 1)
    }

    /// Whether an opening brace comes before a semicolon, from this line on.
    fn opens_a_block(&self, first: usize) -> bool {
        let ends =
            self.lines[first..].iter().filter_map(|line| line.code.trim_end().chars().last());
        ends.into_iter().find(|last| ['{', ';'].contains(last)) == Some('{')
    }

    /// All code, with a blank for each end of a line.
    pub fn code(&self) -> String {
        self.lines.iter().map(|line| line.code.as_str()).collect::<Vec<_>>().join("\n")
    }
}

/// Deals with what `rest` begins with, and tells how many bytes that was.
fn step(state: &mut State, rest: &str, character: char, line: &mut Line) -> usize {
    match *state {
        State::Code => code(state, rest, character, line),
        State::LineComment => {
            line.comment.push(character);
            character.len_utf8()
        }
        State::BlockComment(depth) if rest.starts_with("*/") => {
            *state = if depth == 1 { State::Code } else { State::BlockComment(depth - 1) };
            2
        }
        State::BlockComment(depth) if rest.starts_with("/*") => {
            *state = State::BlockComment(depth + 1);
            2
        }
        State::BlockComment(_) => {
            line.comment.push(character);
            character.len_utf8()
        }
        State::String if character == '\\' => {
            1 + rest.chars().nth(1).filter(|next| *next != '\n').map_or(0, char::len_utf8)
        }
        State::String if character == '"' => close(state, line, 1),
        State::RawString(hashes) if rest.starts_with(&format!("\"{}", "#".repeat(hashes))) => {
            close(state, line, 1 + hashes)
        }
        State::String | State::RawString(_) => character.len_utf8(),
    }
}

fn close(state: &mut State, line: &mut Line, length: usize) -> usize {
    line.code.push('"');
    *state = State::Code;
    length
}

fn code(state: &mut State, rest: &str, character: char, line: &mut Line) -> usize {
    if rest.starts_with("//") {
        *state = State::LineComment;
        line.comment.push_str("//");
        return 2;
    }
    if rest.starts_with("/*") {
        *state = State::BlockComment(1);
        return 2;
    }
    let word_before = line.code.ends_with(|last: char| last.is_alphanumeric() || last == '_');
    if let Some(hashes) = raw_string(rest).filter(|_| !word_before) {
        *state = State::RawString(hashes);
        line.code.push('"');
        return rest.find('"').map_or(1, |quote| quote + 1);
    }
    if character == '"' {
        *state = State::String;
    } else if let Some(length) = character_literal(rest) {
        line.code.push_str("''");
        return length;
    }
    line.code.push(character);
    character.len_utf8()
}

/// How many `#` a raw string that begins here has; `None` if none begins.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('b').unwrap_or(rest).strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// Bytes of the character literal that begins here; `None` for a lifetime or no quote.
fn character_literal(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('\'')?;
    let inner = match after.strip_prefix('\\') {
        // The escaped character may itself be a quote.
        Some(escaped) => {
            1 + escaped
                .char_indices()
                .nth(1)
                .map(|(at, _)| at + escaped[at..].find('\'').unwrap_or(0))?
        }
        None => after.chars().next()?.len_utf8(),
    };
    after[inner..].starts_with('\'').then_some(inner + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(text: &str) -> String {
        Source::new("a.rs", text).code()
    }

    #[test]
    fn comments_are_no_code() {
        let source = Source::new("a.rs", "let a = 1; // unsafe\n/* un /* n */ safe */ let b;\n");
        assert_eq!(source.code(), "let a = 1; \n let b;");
        let comments: Vec<_> = source.lines.iter().map(|line| line.comment.as_str()).collect();
        assert_eq!(comments, ["// unsafe", " un  n  safe "]);
    }

    #[test]
    fn strings_are_empty() {
        assert_eq!(code_of(r#"f("a // \" b", 1)"#), r#"f("", 1)"#);
        assert_eq!(code_of("f(r#\"a \" // b\"#, b\"x\")"), "f(\"\", b\"\")");
        assert_eq!(code_of("f(\"two\nlines\")"), "f(\"\n\")");
    }

    #[test]
    fn characters_are_told_from_lifetimes() {
        assert_eq!(code_of(r#"f('"', '\'', '\u{1b}', "x")"#), r#"f('', '', '', "")"#);
        assert_eq!(code_of("fn f<'a>(a: &'a str) // '"), "fn f<'a>(a: &'a str) ");
    }

    #[test]
    fn what_only_tests_use_is_known() {
        let inside = Source::new("memtrace/src/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n}\n");
        assert!(!inside.is_test(1) && inside.is_test(3));
        let lone = Source::new("memtrace/src/a.rs", "#[cfg(test)]\nmod fake;\nfn a() {\n}\n");
        assert!(!lone.is_test(3));
        let both = Source::new(
            "memtrace/src/a.rs",
            "#[cfg(test)]\nmod fake;\n#[cfg(test)]\nmod tests {\n}\n",
        );
        assert!(!both.is_test(2) && both.is_test(4));
        for path in ["tests/src/a.rs", "memtrace/tests/a.rs", "memtrace/src/daemon/tests.rs"] {
            assert!(Source::new(path, "").is_test(1), "{path}");
        }
    }
}
