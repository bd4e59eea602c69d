//! The report of the self-test, as text and JSON. Pure.

use std::fmt::Write;

use serde::Serialize;

use super::subject::{Row, Skipped, Table};
use super::verdict::{Finding, HostVerdict, Judgement};
use memtrace_core::accuracy::table::{self, Rule};
use memtrace_core::text;
use memtrace_view::emphasis::Emphasis;

/// Version of the report's JSON form.
pub const SCHEMA_VERSION: u32 = 1;

/// The whole report.
#[derive(Clone, Debug, PartialEq)]
pub struct SelftestReport {
    /// Of memtrace.
    pub version: String,
    pub kernel: Option<String>,
    pub architecture: String,
    pub guest: GuestFacts,
    pub table: Table,
    pub signals: Vec<Judgement>,
    pub verdict: HostVerdict,
}

/// The guest used.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GuestFacts {
    pub kind: GuestKind,
    /// Why it is no KVM guest.
    pub reason: Option<String>,
    pub memory_mib: u32,
    /// Limit of its cgroup. `None`: none.
    pub limit_mib: Option<u64>,
    pub cgroup_version: Option<u8>,
    /// How long it walked over its memory.
    pub seconds: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GuestKind {
    Kvm,
    /// An ordinary process that touches memory in the same way.
    Process,
}

impl SelftestReport {
    /// One document, with a line end.
    ///
    /// # Errors
    /// If serialisation fails, which isn't expected.
    pub fn json(&self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Document<'a> {
            schema_version: u32,
            verdict: HostVerdict,
            version: &'a str,
            kernel: Option<&'a str>,
            architecture: &'a str,
            guest: &'a GuestFacts,
            rows: Vec<Judged<'a>>,
            skipped: &'a [Skipped],
            signals: &'a [Judgement],
        }
        #[derive(Serialize)]
        struct Judged<'a> {
            verdict: table::Verdict,
            difference: f64,
            #[serde(flatten)]
            row: &'a Row,
        }
        let judged =
            |row| Judged { verdict: Row::verdict(row), difference: Row::difference(row), row };
        let mut text = serde_json::to_string_pretty(&Document {
            schema_version: SCHEMA_VERSION,
            verdict: self.verdict,
            version: &self.version,
            kernel: self.kernel.as_deref(),
            architecture: &self.architecture,
            guest: &self.guest,
            rows: self.table.rows.iter().map(judged).collect(),
            skipped: &self.table.skipped,
            signals: &self.signals,
        })?;
        text.push('\n');
        Ok(text)
    }

    /// As text, with colours if wanted. Untrusted text in it is cleaned.
    pub fn text(&self, color: bool) -> String {
        let mut out = String::new();
        let kernel = text::clean(self.kernel.as_deref().unwrap_or("an unknown release"));
        let _ = writeln!(out, "memtrace {} on {kernel}, {}", self.version, self.architecture);
        let _ = writeln!(out, "{}\n", describe(&self.guest));
        self.write_rows(color, &mut out);
        out.push('\n');
        self.write_signals(color, &mut out);
        let _ = writeln!(out, "\n{}", self.conclusion());
        out
    }

    fn write_rows(&self, color: bool, out: &mut String) {
        let head = format!(
            "  {:<11}  {:>10}  {:>10}  {:>10}  what",
            "verdict", "memtrace", "kernel", "difference"
        );
        let _ = writeln!(out, "{}", Emphasis::Strong.paint(&head, color));
        for row in &self.table.rows {
            let word = match row.verdict() {
                table::Verdict::Exact => format!("{:<11}", "exact"),
                table::Verdict::Approximate => Emphasis::Warm.paint("approximate", color),
                table::Verdict::Wrong => Emphasis::Hot.paint(&format!("{:<11}", "WRONG"), color),
            };
            let _ = writeln!(out, "  {word}  {}", row_line(row));
        }
        for Skipped { subject, counter, reason, .. } in &self.table.skipped {
            let line = format!("  not checked  {subject}: {counter}: {}", text::clean(reason));
            let _ = writeln!(out, "{}", Emphasis::Dim.paint(&line, color));
        }
    }

    fn write_signals(&self, color: bool, out: &mut String) {
        for judgement in &self.signals {
            let word = format!("{:<11}", judgement.verdict.word());
            let word = match judgement.verdict {
                Finding::Exact => word,
                Finding::Approximate => Emphasis::Warm.paint(&word, color),
                Finding::Wrong => Emphasis::Hot.paint(&word, color),
                Finding::Absent | Finding::NotChecked => Emphasis::Dim.paint(&word, color),
            };
            let _ = writeln!(out, "  {word}  {}", signal_line(judgement));
        }
    }

    fn conclusion(&self) -> String {
        let counted = format!(
            "{} of {} rows pass, {} not checked",
            self.table.rows.iter().filter(|row| row.holds()).count(),
            self.table.rows.len(),
            self.table.skipped.len()
        );
        match self.verdict {
            HostVerdict::Exact => format!("exact; {counted}"),
            HostVerdict::Degraded => format!("degraded by {}; {counted}", self.shortcomings()),
            HostVerdict::Wrong => format!("WRONG: {} rows fail; {counted}", self.table.failed()),
        }
    }

    /// The required signals that aren't exact.
    fn shortcomings(&self) -> String {
        let lacks = |judgement: &&Judgement| judgement.degrades();
        let names: Vec<String> = self.signals.iter().filter(lacks).map(title).collect();
        names.join(", ")
    }
}

fn describe(guest: &GuestFacts) -> String {
    let kind = match guest.kind {
        GuestKind::Kvm => "a KVM guest",
        GuestKind::Process => "an ordinary process",
    };
    let pressed = match (guest.limit_mib, guest.cgroup_version) {
        (Some(limit), Some(version)) => {
            format!("in a cgroup of {limit} MiB (version {version})")
        }
        _ => "without a limit".to_owned(),
    };
    let mut text = format!("{kind} of {} MiB {pressed}, {:.0} s", guest.memory_mib, guest.seconds);
    if let Some(reason) = &guest.reason {
        let _ = write!(text, "\n(no KVM guest: {})", text::clean(reason));
    }
    text
}

fn row_line(row: &Row) -> String {
    let Row { subject, counter, source, .. } = row;
    let relation = match row.rule {
        Rule::Equal(_) => "=",
        Rule::AtMost => "at most",
        Rule::AtLeast => "at least",
    };
    let difference = match (row.rule, row.difference_percent()) {
        (Rule::Equal(_), Some(percent)) => format!("{percent:+.2} %"),
        _ => format!("{:+}", rounded(row.difference())),
    };
    format!(
        "{:>10}  {:>10}  {difference:>10}  {subject}: {counter} {relation} {source}",
        rounded(row.memtrace),
        rounded(row.kernel),
    )
}

/// To a tenth; most are whole numbers.
fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn title(judgement: &Judgement) -> String {
    judgement.signal.to_string().replace('_', " ")
}

fn signal_line(judgement: &Judgement) -> String {
    let mut line = title(judgement);
    if let Some(percent) = judgement.difference_percent
        && judgement.verdict != Finding::Wrong
    {
        let _ = write!(line, ", within {percent:.2} %");
    }
    if let Some(reason) = &judgement.reason {
        let _ = write!(line, " ({})", text::clean(reason));
    }
    line
}

#[cfg(test)]
mod tests;
