//! Unsafe code lives beside the kernel alone, and says why it is sound.

use crate::Finding;
use crate::source::Source;

const HOMES: [&str; 2] = ["memtrace-ebpf/", "memtrace/src/probe/"];

pub fn findings(source: &Source) -> Vec<Finding> {
    let at_home = HOMES.iter().any(|home| source.path.starts_with(home));
    let is_unsafe = |line: &str| words(line).any(|word| word == "unsafe");
    let mut findings = Vec::new();
    for (index, line) in source.lines.iter().enumerate() {
        if !is_unsafe(&line.code) || line.code.trim_start().starts_with("#[") {
            continue;
        }
        if !at_home {
            findings.push(Finding::new(source, index + 1, "unsafe code outside of its homes"));
        } else if !is_explained(source, index) {
            findings.push(Finding::new(source, index + 1, "unsafe code without SAFETY comment"));
        }
    }
    findings
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|character: char| !character.is_alphanumeric() && character != '_')
}

/// Whether the comment on this line, or on those right above it, says why. Between it and
/// `unsafe` may stand attributes and the beginning of the same statement.
fn is_explained(source: &Source, index: usize) -> bool {
    let says_why = |comment: &str| comment.contains("SAFETY:") || comment.contains("# Safety");
    let ends = |code: &str| [";", "}", "{"].iter().any(|end| code.trim_end().ends_with(end));
    let above = source.lines[..index].iter().rev();
    let same_statement = above.take_while(|line| !line.comment.is_empty() || !ends(&line.code));
    std::iter::once(&source.lines[index])
        .chain(same_statement)
        .take_while(|line| !line.code.trim().is_empty() || !line.comment.is_empty())
        .any(|line| says_why(&line.comment))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        findings(&Source::new(path, text)).iter().map(|finding| finding.line).collect()
    }

    const HOME: &str = "memtrace/src/probe/load.rs";

    #[test]
    fn unsafe_code_elsewhere_is_found_even_when_explained() {
        assert_eq!(lines("memtrace/src/top/mod.rs", "// SAFETY: no.\nunsafe { a() }\n"), [2]);
    }

    #[test]
    fn at_home_it_has_to_be_explained() {
        assert_eq!(lines(HOME, "// SAFETY: a is.\nunsafe { a() };\n"), []);
        assert_eq!(lines(HOME, "let a = 1;\nunsafe { a() };\n"), [2]);
        assert_eq!(lines(HOME, "// SAFETY: for b.\nlet b = c();\nunsafe { a() };\n"), [3]);
    }

    #[test]
    fn the_comment_may_stand_above_the_whole_statement() {
        let text =
            "// SAFETY: the pointer is the kernel's.\nlet value =\n    unsafe { read(a) };\n";
        assert_eq!(lines(HOME, text), []);
        let function = "/// # Safety\n/// Call it once.\n#[inline]\npub unsafe fn a() {}\n";
        assert_eq!(lines(HOME, function), []);
    }

    #[test]
    fn the_word_in_other_words_strings_and_comments_is_no_unsafe_code() {
        let text = "// unsafe\nlet a = \"unsafe\";\n#[deny(unsafe_code)]\n";
        assert_eq!(lines("memtrace/src/top/mod.rs", text), []);
    }
}
