//! What is not done here: ignored tests, allowed lints, unfinished code, tests that sleep.

use crate::Finding;
use crate::source::Source;

/// What code does not say, and why.
const CODE: [(&str, &str); 7] = [
    ("#[ignore", "a test that cannot run says so and is counted"),
    ("#[allow", "expect says when the lint is gone"),
    ("#![allow", "expect says when the lint is gone"),
    ("todo!", "unfinished"),
    ("unimplemented!", "unfinished"),
    ("dbg!", "left over"),
    ("clippy::all", "lints are named one by one"),
];

/// What code in tests does not say.
const TESTS: [(&str, &str); 2] = [
    ("thread::sleep", "tests wait for a condition with a deadline"),
    ("time::sleep", "tests wait for a condition with a deadline"),
];

/// What comments do not say: what is unfinished is an issue, not a remark.
const COMMENTS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

pub fn findings(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in source.lines.iter().enumerate() {
        let mut found = |what: &str, why: &str| {
            findings.push(Finding::new(source, index + 1, format!("{what}: {why}")));
        };
        for (what, why) in CODE.into_iter().filter(|(what, _)| line.code.contains(what)) {
            found(what, why);
        }
        let in_test = TESTS.into_iter().filter(|(what, _)| line.code.contains(what));
        for (what, why) in in_test.filter(|_| source.is_test(index + 1)) {
            found(what, why);
        }
        for what in COMMENTS.into_iter().filter(|what| line.comment.contains(what)) {
            found(what, "unfinished");
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        findings(&Source::new(path, text)).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn each_habit_is_found() {
        for (what, _) in CODE {
            assert_eq!(
                lines("memtrace/src/a.rs", &format!("fn a() {{}}\n{what}\n")),
                [2],
                "{what}"
            );
        }
        for what in COMMENTS {
            assert_eq!(lines("memtrace/src/a.rs", &format!("// {what}: later\n")), [1], "{what}");
        }
    }

    #[test]
    fn sleeping_is_for_programs_and_not_for_tests() {
        for (what, _) in TESTS {
            let text = format!("std::{what}(second);\n");
            assert_eq!(lines("memtrace/src/a.rs", &text), [], "{what}");
            assert_eq!(lines("tests/src/a.rs", &text), [1], "{what}");
            assert_eq!(
                lines("memtrace/src/a.rs", &format!("#[cfg(test)]\nmod tests {{\n{text}")),
                [3],
                "{what}"
            );
        }
    }

    #[test]
    fn strings_and_documentation_may_name_them() {
        assert_eq!(lines("memtrace/src/a.rs", "// no todo!()\nlet a = \"dbg!\";\n"), []);
    }
}
