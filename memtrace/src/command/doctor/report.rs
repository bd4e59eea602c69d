//! The doctor's report and verdict, and both as text. Pure.

use std::fmt::Write;

use serde::Serialize;

use super::audit::Audit;
use memtrace_core::format::UNKNOWN;
use memtrace_core::signal::{Quality, SignalStatus};
use memtrace_core::text;

/// Version of the report's JSON form.
pub const SCHEMA_VERSION: u32 = 1;

/// The whole report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DoctorReport {
    pub schema_version: u32,
    /// Of memtrace.
    pub version: String,
    /// ABI between memtrace and its eBPF programs.
    pub abi_version: u32,
    pub facts: Vec<Fact>,
    /// Empty if the eBPF programs cannot run.
    pub signals: Vec<SignalStatus>,
    /// Why the eBPF programs cannot run.
    pub problem: Option<String>,
    /// The audit of the host and its VMs. Doesn't affect the verdict.
    pub audit: Audit,
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    pub name: &'static str,
    pub standing: Standing,
    pub finding: String,
}

/// The rating of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Good.
    Good,
    /// Informational.
    Note,
    /// Some values will be missing.
    Poor,
    /// memtrace cannot run.
    Bad,
}

impl Standing {
    const fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Note => "note",
            Self::Poor => "poor",
            Self::Bad => "bad",
        }
    }
}

/// The verdict; its number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Usability {
    Usable = 0,
    Degraded = 1,
    Unusable = 2,
}

impl DoctorReport {
    pub fn verdict(&self) -> Usability {
        let worst = self.facts.iter().map(|fact| fact.standing).max();
        let mut needed = self.signals.iter().filter(|status| !status.signal.is_optional());
        let none = needed.clone().all(|status| status.quality.is_absent());
        if self.problem.is_some() || worst == Some(Standing::Bad) || none {
            Usability::Unusable
        } else if worst == Some(Standing::Poor) || needed.any(|status| status.quality.is_absent()) {
            Usability::Degraded
        } else {
            Usability::Usable
        }
    }

    /// The report as text, with colours if wanted. Untrusted text in it is cleaned.
    pub fn text(&self, color: bool) -> String {
        let mut out = format!("memtrace {}, ABI {}\n\n", self.version, self.abi_version);
        let names = self.facts.iter().map(|fact| fact.name.len()).max().unwrap_or(0);
        for fact in &self.facts {
            let finding = text::clean(&fact.finding);
            let word = fact.standing.word();
            let _ = writeln!(out, "  {word:<6}{:<names$}  {finding}", fact.name);
        }
        out.push('\n');
        match &self.problem {
            Some(problem) => {
                let _ = writeln!(out, "eBPF programs cannot run: {}", text::clean(problem));
            }
            None => self.write_signals(&mut out),
        }
        let _ = writeln!(out, "\n{}\n{}", self.audit.text(color), self.conclusion());
        out
    }

    fn write_signals(&self, out: &mut String) {
        let titles = self.shown().map(|status| status.signal.title().len()).max();
        let titles = titles.unwrap_or(0);
        for status in self.shown() {
            let source = status.source.as_deref().map_or(UNKNOWN.into(), text::clean);
            let quality = status.quality.word();
            let title = status.signal.title();
            let _ = writeln!(out, "  {quality:<13}{title:<titles$}  {source}");
            if let Some(reason) = status.quality.reason() {
                let _ = writeln!(out, "  {:<13}{:<titles$}  ({})", "", "", text::clean(reason));
            }
        }
        for (reason, titles) in self.spared() {
            let titles = titles.join(", ");
            let _ =
                writeln!(out, "\n  optional, not available: {titles}\n  ({})", text::clean(reason));
        }
    }

    fn shown(&self) -> impl Iterator<Item = &SignalStatus> {
        self.signals.iter().filter(|status| !status.is_spared())
    }

    /// The optional signals that are missing, by reason.
    fn spared(&self) -> Vec<(&str, Vec<&'static str>)> {
        let mut reasons: Vec<(&str, Vec<&'static str>)> = Vec::new();
        for status in self.signals.iter().filter(|status| status.is_spared()) {
            let reason = status.quality.reason().unwrap_or_default();
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, titles)) => titles.push(status.signal.title()),
                None => reasons.push((reason, vec![status.signal.title()])),
            }
        }
        reasons
    }

    fn conclusion(&self) -> String {
        let count = |wanted: fn(&Quality) -> bool| {
            self.shown().filter(|status| wanted(&status.quality)).count()
        };
        let signals = format!(
            "signals: {} exact, {} approximate, {} absent",
            count(|quality| matches!(quality, Quality::Exact)),
            count(|quality| matches!(quality, Quality::Approximate(_))),
            count(Quality::is_absent),
        );
        match self.verdict() {
            Usability::Usable => format!("usable; {signals}"),
            Usability::Degraded => format!("degraded; {signals}"),
            Usability::Unusable => "unusable; see above".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::signal::Signal;

    fn fact(name: &'static str, standing: Standing, finding: &str) -> Fact {
        Fact { name, standing, finding: finding.into() }
    }

    fn status(signal: Signal, quality: Quality) -> SignalStatus {
        let source = (!quality.is_absent()).then(|| "raw_tp kmem:rss_stat".into());
        SignalStatus { signal, source, hooked: true, quality }
    }

    fn report() -> DoctorReport {
        DoctorReport {
            schema_version: SCHEMA_VERSION,
            version: "0.1.0".into(),
            abi_version: 1,
            facts: vec![
                fact("kernel", Standing::Good, "6.18.44 on x86_64"),
                fact("tracefs", Standing::Note, "not mounted; memtrace does not need it"),
            ],
            signals: vec![
                status(Signal::SwapOut, Quality::Exact),
                status(Signal::MajorFaults, Quality::approximate("by cgroup")),
            ],
            problem: None,
            audit: Audit { vms: 0, unseen: 0, hindrance: None, findings: vec![] },
        }
    }

    #[test]
    fn approximate_signals_and_notes_are_usable() {
        assert_eq!(report().verdict(), Usability::Usable);
    }

    #[test]
    fn an_absent_signal_or_a_poor_fact_degrades() {
        let mut absent = report();
        absent.signals.push(status(Signal::Kswapd, Quality::absent("no tracepoint")));
        assert_eq!(absent.verdict(), Usability::Degraded);
        let mut poor = report();
        poor.facts.push(fact("PSI", Standing::Poor, "off"));
        assert_eq!(poor.verdict(), Usability::Degraded);
    }

    #[test]
    fn missing_optional_signals_take_one_line_and_degrade_nothing() {
        let mut report = report();
        for signal in [Signal::SwapInWait, Signal::ShmemSwap] {
            report.signals.push(status(signal, Quality::absent("refused")));
        }
        assert_eq!(report.verdict(), Usability::Usable);
        let text = report.text(false);
        assert!(text.contains("not available: waits for swap-in, shared memory swap\n  (refused)"));
        assert!(text.ends_with("usable; signals: 1 exact, 1 approximate, 0 absent\n"), "{text}");
        report.signals.retain(|status| status.signal.is_optional());
        assert_eq!(report.verdict(), Usability::Unusable);
    }

    #[test]
    fn without_a_kernel_side_it_is_unusable() {
        let problem = DoctorReport { problem: Some("no BPF".into()), ..report() };
        assert_eq!(problem.verdict(), Usability::Unusable);
        let nothing = DoctorReport { signals: vec![], ..report() };
        assert_eq!(nothing.verdict(), Usability::Unusable);
        let mut bad = report();
        bad.facts.push(fact("capabilities", Standing::Bad, "CAP_BPF is missing"));
        assert_eq!(bad.verdict(), Usability::Unusable);
    }

    #[test]
    fn the_text_lines_up() {
        let mut report = report();
        report.signals.push(status(Signal::Kswapd, Quality::absent("no tracepoint")));
        insta::assert_snapshot!(report.text(false));
    }

    #[test]
    fn the_text_says_why_the_kernel_side_cannot_run() {
        let report = DoctorReport { problem: Some("no BPF\x1b[2J".into()), ..report() };
        let text = report.text(false);
        assert!(text.contains("cannot run: no BPF"), "{text}");
        assert!(!text.contains('\x1b'), "{text:?}");
        assert!(text.ends_with("unusable; see above\n"), "{text}");
    }
}
