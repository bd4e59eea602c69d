//! Every module opens with what it owns.

use crate::Finding;
use crate::source::Source;

pub fn findings(source: &Source) -> Vec<Finding> {
    let opens = source.lines.first().is_some_and(|line| {
        let text = line.comment.strip_prefix("//!").unwrap_or_default();
        line.code.is_empty() && !text.trim().is_empty()
    });
    if opens {
        Vec::new()
    } else {
        vec![Finding::new(source, 1, "the module says nothing of itself")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_says_something_of_itself_in_its_first_line() {
        let silent = |text: &str| !findings(&Source::new("a.rs", text)).is_empty();
        assert!(!silent("//! The clock.\nfn a() {}\n"));
        for text in ["", "fn a() {}\n", "//!\n", "// The clock.\n", "\n//! The clock.\n"] {
            assert!(silent(text), "{text:?}");
        }
    }
}
