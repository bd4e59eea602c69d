//! What the harness of a test binary prints, as tests of ours and cargo's print it, read line by
//! line. Pure.

use crate::outcome::Outcome;

/// How our tests begin the line that says why some of them can't run here.
const REASON: &str = "skipped: ";

/// What was printed so far, by one binary or by several.
#[derive(Debug, Default)]
pub struct Printed {
    outcome: Outcome,
    has_result: bool,
    /// Of the failures the one whose words begin with the next line.
    speaking: Option<usize>,
}

impl Printed {
    pub fn take(&mut self, line: &str) {
        if let Some(failure) = self.speaking.and_then(|at| self.outcome.failures.get_mut(at)) {
            *failure = format!("{failure}: {line}");
        }
        self.speaking = self.speaker(line);
        if let Some(counts) = result(line) {
            self.has_result = true;
            self.outcome.absorb(counts);
        }
        self.outcome.reasons.extend(line.strip_prefix(REASON).map(str::to_owned));
        self.outcome.failures.extend(test(line, "FAILED").map(str::to_owned));
    }

    /// Whether a binary came to its end.
    pub fn has_result(&self) -> bool {
        self.has_result
    }

    /// What it amounts to; `success`: as the exit codes say.
    pub fn outcome(self, success: bool) -> Outcome {
        let mut outcome = self.outcome;
        // A test binary that doesn't build or crashes prints no result line.
        if !success && outcome.failed == 0 {
            outcome.failed = 1;
        }
        if outcome.skipped == 0 {
            outcome.reasons.clear();
        } else if outcome.reasons.is_empty() {
            outcome.reasons = vec![format!("{} tests, and they don't say why", outcome.skipped)];
        }
        outcome
    }

    /// The failed test whose words `---- NAME ----` announces, or libtest's `---- NAME stdout
    /// ----`.
    fn speaker(&self, line: &str) -> Option<usize> {
        let name = line.trim().strip_prefix("---- ")?.strip_suffix(" ----")?;
        let name = name.strip_suffix(" stdout").unwrap_or(name);
        self.outcome.failures.iter().rposition(|failure| failure == name)
    }
}

/// Whether the line says that a test passed.
pub fn is_passed(line: &str) -> bool {
    test(line, "ok").is_some()
}

/// The name in `test NAME ... VERDICT`, which some harnesses pad.
fn test<'a>(line: &'a str, verdict: &str) -> Option<&'a str> {
    let test = line.strip_prefix("test ")?.strip_suffix(verdict)?.trim_end();
    Some(test.strip_suffix("...")?.trim_end())
}

/// The counts in `test result: ok. 5 passed; 0 failed; 0 ignored; ...`.
fn result(line: &str) -> Option<Outcome> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut outcome = Outcome::default();
    for part in counts.split("; ") {
        let Some((number, what)) = part.split_once(' ') else { continue };
        let slot = match what {
            "passed" => &mut outcome.passed,
            "failed" => &mut outcome.failed,
            "ignored" => &mut outcome.skipped,
            _ => continue,
        };
        *slot = number.parse().ok()?;
    }
    Some(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> Printed {
        let mut printed = Printed::default();
        text.lines().for_each(|line| printed.take(line));
        printed
    }

    #[test]
    fn a_failed_test_has_a_name_and_the_first_line_that_it_says() {
        let text = "test policy::gives ... FAILED\ntest balance    ... FAILED\ntest a ... ok\n\n\
                    failures:\n\n---- balance ----\n3 is not 4\nand more\n\n\
                    test result: FAILED. 1 passed; 2 failed; 0 ignored\n";
        let outcome = printed(text).outcome(false);
        assert_eq!(outcome.failures, ["policy::gives", "balance: 3 is not 4"]);
        assert_eq!(outcome.failed, 2);
    }

    #[test]
    fn what_libtest_captured_is_told_as_well() {
        let text = "test gives ... FAILED\n\nfailures:\n\n---- gives stdout ----\n\
                    thread 'gives' panicked at src/lib.rs:3:5:\n3 is not 4\n\n\
                    test result: FAILED. 1 passed; 1 failed; 0 ignored\n";
        let outcome = printed(text).outcome(false);
        assert_eq!(outcome.failures, ["gives: thread 'gives' panicked at src/lib.rs:3:5:"]);
    }

    #[test]
    fn a_result_line_gives_its_counts() {
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; \
                    3 filtered out; finished in 0.01s";
        let outcome = result(line).unwrap();
        assert_eq!((outcome.passed, outcome.failed, outcome.skipped), (5, 2, 1));
    }

    #[test]
    fn several_binaries_add_up() {
        let two = "test result: ok. 1 passed; 0 failed\ntest result: ok. 2 passed; 0 failed\n";
        assert_eq!(printed(two).outcome(true), Outcome::passed(3));
    }

    #[test]
    fn a_test_that_could_not_run_keeps_its_reason() {
        let outcome =
            printed("skipped: no BPF\ntest result: ok. 1 passed; 2 ignored").outcome(true);
        assert_eq!((outcome.passed, outcome.skipped), (1, 2));
        assert_eq!(outcome.reasons, ["no BPF"]);
        let silent = printed("test result: ok. 1 passed; 2 ignored").outcome(true);
        assert!(silent.reasons[0].contains("don't say why"));
    }

    #[test]
    fn what_comes_to_no_end_is_a_failure() {
        let printed = printed("test a ... ok");
        assert!(!printed.has_result());
        assert_eq!(printed.outcome(false).failed, 1);
    }

    #[test]
    fn other_lines_give_nothing() {
        for line in ["", "running 5 tests", "test a ... ok", "test result: odd", "---- a ----"] {
            assert_eq!(printed(line).outcome(true), Outcome::default(), "{line}");
        }
    }

    #[test]
    fn only_passed_tests_are_passed() {
        assert!(is_passed("test a::b ... ok") && is_passed("test a      ... ok"));
        assert!(!is_passed("test a ... FAILED") && !is_passed("it is ok"));
    }
}
