//! Which VMs are shown: a regular expression over their names. Pure. The expression is
//! bounded in size, so that no input makes matching slow.

use anyhow::{Context, Result, ensure};
use regex::{Regex, RegexBuilder};

use crate::model::snapshot::VmView;

/// Longest expression that is accepted, in bytes.
pub const LONGEST: usize = 256;
/// Bound of the compiled expression, in bytes.
const COMPILED_BYTES: usize = 1 << 20;

/// A regular expression that a VM's name must match somewhere.
#[derive(Clone, Debug)]
pub struct Filter {
    regex: Regex,
}

impl Filter {
    /// Compiles `expression`. Case counts only if it has a capital letter.
    ///
    /// # Errors
    /// When it is no regular expression or too long, with the reason on one line.
    pub fn parse(expression: &str) -> Result<Self> {
        ensure!(expression.len() <= LONGEST, "longer than {LONGEST} characters");
        let regex = RegexBuilder::new(expression)
            .case_insensitive(!expression.chars().any(char::is_uppercase))
            .size_limit(COMPILED_BYTES)
            .build()
            .map_err(|error| anyhow::anyhow!("{}", one_line(&error)))
            .context("no regular expression")?;
        Ok(Self { regex })
    }

    /// As it was typed.
    pub fn expression(&self) -> &str {
        self.regex.as_str()
    }

    pub fn matches(&self, vm: &VmView) -> bool {
        let labels = &vm.labels;
        let all = [labels.title(), labels.id.clone(), Some(vm.name.clone())];
        all.iter().flatten().any(|name| self.regex.is_match(name))
    }
}

/// The last line of a syntax error says what is wrong; the others draw the place.
fn one_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong_on_one_line() {
        let error = format!("{:#}", Filter::parse("web(").unwrap_err());
        assert_eq!(error, "no regular expression: unclosed group");
        assert!(Filter::parse(&"a".repeat(LONGEST + 1)).is_err());
        assert!(Filter::parse(r"\pL{1000}{1000}").is_err(), "too large when compiled");
    }

    #[test]
    fn a_capital_letter_makes_case_count() {
        let lower = Filter::parse("web").unwrap();
        assert!(lower.regex.is_match("WEB-1"));
        let upper = Filter::parse("Web").unwrap();
        assert!(!upper.regex.is_match("web-1"));
        assert_eq!(upper.expression(), "Web");
    }
}
