//! Which paths a file names, whether imported or written out.

use crate::source::Source;

/// Each path and the line (from 1) on which its `use` begins or it stands.
pub fn paths(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut statement: Option<(usize, String)> = None;
    for (index, line) in source.lines.iter().enumerate() {
        let code = line.code.trim();
        let mut begin = statement.take();
        if begin.is_none() && is_use(code) {
            begin = Some((index + 1, String::new()));
        }
        match begin {
            Some((start, mut text)) => {
                text.push_str(code);
                if code.contains(';') {
                    found.extend(expand(&tree(&text)).into_iter().map(|path| (start, path)));
                } else {
                    statement = Some((start, text));
                }
            }
            None => found.extend(written_out(code).map(|path| (index + 1, path))),
        }
    }
    found
}

fn is_use(code: &str) -> bool {
    let code = code.strip_prefix("pub").unwrap_or(code).trim_start();
    let code = match code.strip_prefix('(') {
        Some(restricted) => restricted.split_once(')').map_or("", |(_, after)| after).trim_start(),
        None => code,
    };
    code.starts_with("use ")
}

/// What stands between `use` and the semicolon, without blanks.
fn tree(statement: &str) -> String {
    let after = statement.split_once("use ").map_or("", |(_, after)| after);
    let tree = after.split(';').next().unwrap_or_default();
    tree.chars().filter(|character| !character.is_whitespace()).collect()
}

/// `a::{b,c::{d,e}}` is `a::b`, `a::c::d` and `a::c::e`.
fn expand(tree: &str) -> Vec<String> {
    let Some((prefix, rest)) = tree.split_once('{') else {
        return vec![tree.to_owned()];
    };
    let inner = rest.strip_suffix('}').unwrap_or(rest);
    let parts = split(inner).into_iter().flat_map(expand);
    parts.map(|part| format!("{prefix}{part}")).collect()
}

/// Splits at the commas that are in no braces.
fn split(list: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts.retain(|part| !part.is_empty());
    parts
}

/// Paths of at least two parts in ordinary code.
fn written_out(code: &str) -> impl Iterator<Item = String> {
    let of_path = |character: char| character.is_alphanumeric() || "_:".contains(character);
    code.split(move |character| !of_path(character))
        .filter(|word| word.contains("::"))
        .map(|word| word.trim_matches(':').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(usize, String)> {
        paths(&Source::new("a.rs", text))
    }

    #[test]
    fn groups_are_taken_apart() {
        let text = "use std::{fs, io::{self, Read}};\npub(crate) use a::B as C;\n";
        let expected = ["std::fs", "std::io::self", "std::io::Read", "a::BasC"];
        let paths: Vec<String> = found(text).into_iter().map(|(_, path)| path).collect();
        assert_eq!(paths, expected);
    }

    #[test]
    fn an_import_over_several_lines_is_one() {
        let text = "fn a() {}\nuse std::{\n    fs,\n    thread,\n};\nlet a = 1;\n";
        assert_eq!(found(text), [(2, "std::fs".into()), (2, "std::thread".into())]);
    }

    #[test]
    fn paths_that_are_written_out_count_and_comments_do_not() {
        let text = "let now = std::time::Instant::now(); // std::fs\n";
        assert_eq!(found(text), [(1, "std::time::Instant::now".into())]);
    }
}
