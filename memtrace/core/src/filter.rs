//! Which VMs are shown: a regular expression over their names, or one VM. Pure. The expression is
//! bounded in size, so that no input makes matching slow.

use anyhow::{Context, Result, ensure};
use regex::{Regex, RegexBuilder};

use crate::model::snapshot::VmView;
use crate::vm_choice::{self, Candidate, NoSuchVm};

/// Longest expression that is accepted, in bytes.
pub const LONGEST: usize = 256;
/// Bound of the compiled expression, in bytes.
const COMPILED_BYTES: usize = 1 << 20;

/// Which VMs are shown.
#[derive(Clone, Debug)]
pub struct Filter {
    wanted: Wanted,
}

#[derive(Clone, Debug)]
enum Wanted {
    /// All whose name matches somewhere.
    Match(Regex),
    /// That which is called so: name, UUID, process id, or as its platform calls it.
    Vm(String),
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
        Ok(Self { wanted: Wanted::Match(regex) })
    }

    /// Only the VM that is called so.
    pub fn of_vm(typed: &str) -> Self {
        Self { wanted: Wanted::Vm(typed.to_owned()) }
    }

    /// As it was typed.
    pub fn expression(&self) -> &str {
        match &self.wanted {
            Wanted::Match(regex) => regex.as_str(),
            Wanted::Vm(typed) => typed,
        }
    }

    /// # Errors
    /// When it is for one VM by its name, and none of these is called so.
    pub fn require(&self, vms: &[VmView]) -> Result<(), NoSuchVm> {
        match &self.wanted {
            Wanted::Vm(typed) if !vms.iter().any(|vm| self.matches(vm)) => {
                vm_choice::choose(typed, vms, candidate).map(|_| ())
            }
            _ => Ok(()),
        }
    }

    pub fn matches(&self, vm: &VmView) -> bool {
        match &self.wanted {
            Wanted::Match(regex) => {
                let labels = &vm.labels;
                let platforms = labels.full_platform_name().or(labels.platform_name.clone());
                let all = [labels.title(), platforms, labels.id.clone(), Some(vm.name.clone())];
                all.iter().flatten().any(|name| regex.is_match(name))
            }
            Wanted::Vm(typed) => candidate(vm).may_be(typed),
        }
    }
}

fn candidate(vm: &VmView) -> Candidate<'_> {
    Candidate::new(&vm.name, vm.id).called(&vm.labels)
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
    use crate::sample::{VmId, VmLabels};

    #[test]
    fn one_vm_is_meant_by_its_name_its_id_or_its_platforms_and_not_by_a_part() {
        let mut vm = crate::fixture::vm("web-1", 7);
        vm.id = VmId::Process { pid: 42, start: 1 };
        vm.labels = VmLabels { id: Some("100".into()), ..VmLabels::default() };
        for typed in ["web-1", "42", "100"] {
            assert!(Filter::of_vm(typed).matches(&vm), "{typed}");
        }
        for typed in ["web", "web-.", "", "4"] {
            assert!(!Filter::of_vm(typed).matches(&vm), "{typed}");
        }
        assert_eq!(Filter::of_vm("web-1").expression(), "web-1");
    }

    #[test]
    fn one_vm_that_there_is_not_is_named_with_those_that_there_are() {
        let vms = [crate::fixture::vm("web", 7)];
        let told = |filter: Filter| filter.require(&vms).map_err(|NoSuchVm(text)| text);
        assert_eq!(told(Filter::of_vm("web")), Ok(()));
        assert_eq!(told(Filter::of_vm("wbe")), Err("no VM \"wbe\"; VMs: web".to_owned()));
        let matching = Filter::parse("wbe").expect("it is one");
        assert_eq!(told(matching), Ok(()), "an expression may match nothing");
    }

    #[test]
    fn says_what_is_wrong_on_one_line() {
        let error = format!("{:#}", Filter::parse("web(").unwrap_err());
        assert_eq!(error, "no regular expression: unclosed group");
        assert!(Filter::parse(&"a".repeat(LONGEST + 1)).is_err());
        assert!(Filter::parse(r"\pL{1000}{1000}").is_err(), "too large when compiled");
    }

    #[test]
    fn a_capital_letter_makes_case_count() {
        let (mut large, mut small) = (crate::fixture::vm("WEB-1", 7), crate::fixture::vm("x", 8));
        large.labels = VmLabels::default();
        small.name = "web-1".into();
        let lower = Filter::parse("web").unwrap();
        assert!(lower.matches(&large));
        let upper = Filter::parse("Web").unwrap();
        assert!(!upper.matches(&small));
        assert_eq!(upper.expression(), "Web");
    }
}
