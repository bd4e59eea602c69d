//! Reads the whole tree and holds it to the rules of the house (ARCHITECTURE.md). Each
//! rule is a pure function with tests of its own, because a check that cannot fail is
//! worth nothing.

mod habits;
mod imports;
mod length;
mod opening;
mod purity;
mod source;
mod tree;
mod unsafety;

use source::Source;

/// Something that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// Counted from 1; 0 for the file as a whole.
    line: usize,
    text: String,
}

impl Finding {
    fn new(source: &Source, line: usize, text: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line, text: text.into() }
    }
}

/// Holds every file of the tree to `rule`.
fn everywhere(rule: fn(&Source) -> Vec<Finding>) {
    let sources = tree::sources();
    assert!(sources.len() > 50, "only {} files were found", sources.len());
    let findings: Vec<Finding> = sources.iter().flat_map(rule).collect();
    assert!(findings.is_empty(), "{}", listed(&findings));
}

fn listed(findings: &[Finding]) -> String {
    let lines = findings
        .iter()
        .map(|finding| format!("{}:{}: {}", finding.path, finding.line, finding.text));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_core_reads_no_file_clock_network_or_kernel() {
    everywhere(purity::findings);
}

#[test]
fn files_are_short() {
    everywhere(length::findings);
}

#[test]
fn unsafe_code_lives_beside_the_kernel_and_says_why_it_is_sound() {
    everywhere(unsafety::findings);
}

#[test]
fn every_module_opens_with_what_it_owns() {
    everywhere(opening::findings);
}

#[test]
fn nothing_is_ignored_allowed_unfinished_or_slept_over() {
    everywhere(habits::findings);
}
