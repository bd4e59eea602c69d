//! The audit as text: the host first, then a paragraph for each VM.

use std::fmt::Write;

use super::{Audit, Finding, Severity, Subject};
use memtrace_core::format::several;
use memtrace_core::text;
use memtrace_view::emphasis::Emphasis;

/// Offset and width of the second column.
const INDENT: usize = 12;
const WIDTH: usize = 88;

impl Audit {
    /// With colours if wanted. Untrusted text in it is cleaned.
    pub fn text(&self, color: bool) -> String {
        let mut out = format!("audit of {}: {}\n", self.scope(), self.counted());
        if self.unseen > 0 {
            let _ = writeln!(
                out,
                "\n  {} can't be inspected without privileges: VMs may be missing",
                several(self.unseen as u64, "process")
            );
        }
        if let Some(hindrance) = &self.hindrance {
            let _ = writeln!(out, "\n  not everything could be fixed: {}", text::clean(hindrance));
        }
        let mut last: Option<&Option<Subject>> = None;
        let mut unknown = Vec::new();
        for finding in &self.findings {
            if last != Some(&finding.vm) {
                write_unknown(&mut out, &mut unknown, color);
                let _ = writeln!(out, "\n  {}", head(finding.vm.as_ref()));
                last = Some(&finding.vm);
            }
            if finding.severity == Severity::Unknown {
                unknown.push(finding);
            } else {
                write_finding(&mut out, finding, color);
            }
        }
        write_unknown(&mut out, &mut unknown, color);
        out
    }

    fn scope(&self) -> String {
        match self.vms {
            0 => "the host; no VMs".to_owned(),
            count => several(count as u64, "VM"),
        }
    }

    fn counted(&self) -> String {
        let all = [Severity::Critical, Severity::Warning, Severity::Unknown, Severity::Note];
        let counts = all.into_iter().filter_map(|severity| {
            let of = |finding: &&Finding| finding.severity == severity && finding.stands();
            let count = self.findings.iter().filter(of).count();
            (count > 0).then(|| match (severity, count) {
                (Severity::Critical | Severity::Unknown, _) | (_, 1) => {
                    format!("{count} {}", severity.word())
                }
                _ => format!("{count} {}s", severity.word()),
            })
        });
        let counts: Vec<String> = counts.collect();
        if counts.is_empty() { "no problems found".to_owned() } else { counts.join(", ") }
    }
}

fn head(vm: Option<&Subject>) -> String {
    match vm {
        None => "the host".to_owned(),
        Some(vm) => format!("{} (process {})", text::clean(&vm.name), vm.pid),
    }
}

fn write_finding(out: &mut String, finding: &Finding, color: bool) {
    let check = finding.check.replace('_', " ");
    let line = format!("{check}: {}", text::clean(&finding.finding));
    write_word(out, finding.severity, color);
    write_wrapped(out, &line, false);
    write_wrapped(out, &text::clean(&finding.consequence), true);
    for command in &finding.commands {
        let _ = writeln!(out, "{:INDENT$}$ {}", "", text::clean(command));
    }
    let fix = match (&finding.fix, &finding.outcome) {
        (_, Some(outcome)) => {
            let word = if outcome.done { "done" } else { "not done" };
            format!("{word}: {}", outcome.text)
        }
        (Some(_), None) => "(`memtrace doctor --fix` does this)".to_owned(),
        (None, None) => return,
    };
    write_wrapped(out, &text::clean(&fix), true);
}

fn write_word(out: &mut String, severity: Severity, color: bool) {
    let emphasis = match severity {
        Severity::Critical => Emphasis::Hot,
        Severity::Warning => Emphasis::Warm,
        Severity::Unknown | Severity::Note => Emphasis::Dim,
    };
    let word = format!("{:<10}", severity.word());
    let _ = write!(out, "  {}", emphasis.paint(&word, color));
}

/// Starts a new line if `break_first`; else continues the current one.
fn write_wrapped(out: &mut String, words: &str, break_first: bool) {
    for (index, line) in text::wrap(words, WIDTH).into_iter().enumerate() {
        let indent = if index > 0 || break_first { INDENT } else { 0 };
        let _ = writeln!(out, "{:indent$}{line}", "");
    }
}

/// Unknown checks with the same reason are joined in one line.
fn write_unknown(out: &mut String, findings: &mut Vec<&Finding>, color: bool) {
    while let Some(first) = findings.first().copied() {
        let (same, others): (Vec<&Finding>, Vec<&Finding>) =
            findings.drain(..).partition(|finding| finding.finding == first.finding);
        *findings = others;
        let checks: Vec<String> =
            same.iter().map(|finding| finding.check.replace('_', " ")).collect();
        write_word(out, Severity::Unknown, color);
        let line = format!("{}: {}", checks.join(", "), text::clean(&first.finding));
        write_wrapped(out, &line, false);
    }
}
