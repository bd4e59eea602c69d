//! Decisions in words, for a log and for `explain`. Pure.

use std::fmt::Write as _;

use jiff::tz::TimeZone;

use crate::emphasis::Emphasis;
use crate::summary;
use crate::words;
use memtrace_core::format;
use memtrace_core::policy::thought::Thought;
use memtrace_core::policy::{Action, Decision};
use memtrace_core::reactor::{Called, Entry, Fate};
use memtrace_core::text;
use memtrace_core::units::Bytes;

const COLUMNS: usize = 6;
const INDENT: &str = "  ";
const DEEPER: &str = "    ";
const OPEN: &str = "    open   ";
const CLOSED: &str = "    CLOSED ";

/// An entry in a line, with its time of day, and a newline.
pub fn line(entry: &Entry, zone: &TimeZone) -> String {
    let Entry { wall, name, decision, fate, .. } = entry;
    let time = summary::local_time(*wall, zone, "%H:%M:%S");
    let name = text::clean(name);
    let because = words::because(decision);
    let (action, because) = (action(decision.action), text::clean(&because));
    let (fate, rule) = (became(fate), words::rule(decision.rule));
    format!("{time} {name}: {fate}{action} [{rule}]: {because}\n")
}

/// What the hook is told in a line, with its time of day, and a newline.
pub fn told(called: &Called, zone: &TimeZone) -> String {
    let Called { wall, call, fate, .. } = called;
    let time = summary::local_time(*wall, zone, "%H:%M:%S");
    let (fate, missing) = (became(fate), bytes(call.missing));
    let because = words::call(call);
    let because = text::clean(&because);
    format!("{time} host: {fate}call the hook, {missing} missing [hook]: {because}\n")
}

fn became(fate: &Fate) -> String {
    match fate {
        Fate::Observed => "would ".to_owned(),
        Fate::InFlight => String::new(),
        Fate::Done => "done: ".to_owned(),
        Fate::Failed(why) => format!("FAILED ({}): ", text::clean(&words::failure(why))),
    }
}

/// An action, in the imperative.
pub fn action(action: Action) -> String {
    match action {
        Action::Balloon { from, to } => {
            let verb = if to < from { "inflate its balloon" } else { "deflate its balloon" };
            format!("{verb}, {} -> {}", bytes(from), bytes(to))
        }
        Action::Reclaim { bytes: amount } => format!("reclaim {} of cold pages", bytes(amount)),
    }
}

fn bytes(amount: Bytes) -> String {
    format::bytes(amount, COLUMNS).trim().to_owned()
}

/// A line of an explanation, for a view that wraps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What stands before the text, on its first line alone.
    pub mark: &'static str,
    /// Without anything that a terminal would act upon.
    pub text: String,
    pub emphasis: Emphasis,
}

impl Said {
    fn new(mark: &'static str, text: &str, emphasis: Emphasis) -> Self {
        Self { mark, text: text::clean(text).into_owned(), emphasis }
    }

    fn head(text: &str) -> Self {
        Self::new(INDENT, text, Emphasis::Strong)
    }

    fn item(text: &str) -> Self {
        Self::new(DEEPER, text, Emphasis::Plain)
    }
}

/// What was thought of a VM or the host, under a heading, over several lines.
pub fn explanation(
    heading: &str,
    thought: Option<&Thought>,
    decision: Option<&Decision>,
) -> String {
    let mut text = String::new();
    for Said { mark, text: said, .. } in said(heading, thought, decision) {
        let _ = writeln!(text, "{mark}{said}");
    }
    text
}

/// The same line by line: what was seen, which gates were open, the arithmetic, what was
/// decided, and what would have to change for another decision.
pub fn said(heading: &str, thought: Option<&Thought>, decision: Option<&Decision>) -> Vec<Said> {
    let mut lines = vec![Said::new("", heading, Emphasis::Strong)];
    match thought {
        None => lines.push(Said::new(INDENT, "not considered in this step", Emphasis::Plain)),
        Some(thought) => lines.extend(considered(thought)),
    }
    lines.extend(decided(decision, thought.is_none_or(|thought| thought.vm.is_some())));
    let otherwise = thought.map(|thought| thought.otherwise.as_slice()).unwrap_or_default();
    let otherwise = otherwise.iter().map(words::what_if);
    lines.extend(section("what would have to change for another decision", otherwise));
    lines
}

fn considered(thought: &Thought) -> Vec<Said> {
    let mut lines = section("inputs", thought.inputs.iter().map(words::input));
    if !thought.gates.is_empty() {
        lines.push(Said::head(match thought.vm {
            Some(_) => "preconditions for taking memory (all must hold)",
            None => "escalation steps, and which are active",
        }));
    }
    lines.extend(thought.gates.iter().map(|gate| {
        let (mark, emphasis) =
            if gate.open { (OPEN, Emphasis::Plain) } else { (CLOSED, Emphasis::Warm) };
        let said = format!("{}: {}", gate.kind.word(), words::reason(&gate.reason));
        Said::new(mark, &said, emphasis)
    }));
    lines.extend(section("arithmetic", thought.arithmetic.iter().map(words::term)));
    lines
}

fn section(title: &str, lines: impl Iterator<Item = String>) -> Vec<Said> {
    let items: Vec<Said> = lines.map(|line| Said::item(&line)).collect();
    let head = (!items.is_empty()).then(|| Said::head(title));
    head.into_iter().chain(items).collect()
}

/// For the host as a whole nothing is decided.
fn decided(decision: Option<&Decision>, may: bool) -> Vec<Said> {
    let Some(decision) = decision else {
        return if may { vec![Said::head("decision: none")] } else { Vec::new() };
    };
    vec![
        Said::head(&format!(
            "decision: {} [{}]",
            action(decision.action),
            words::rule(decision.rule)
        )),
        Said::item(&format!("because {}", words::because(decision))),
        Said::item(&format!("unless {}", words::unless(decision))),
    ]
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use memtrace_core::fixture::{GIB, MIB, WALL};
    use memtrace_core::order::Failure;
    use memtrace_core::policy::thought::Gate;
    use memtrace_core::policy::thought::Term;
    use memtrace_core::policy::thought::WhatIf;
    use memtrace_core::policy::thought::{Input, Quantity, Seen};
    use memtrace_core::policy::{GateKind, Reason, RuleId};
    use memtrace_core::sample::VmId;
    use memtrace_core::units::Nanos;

    fn decision(action: Action) -> Decision {
        Decision {
            vm: VmId::Uuid(Uuid::from_u128(7)),
            action,
            rule: RuleId::Pressure,
            reason: Reason::Reported {
                text: "the host has\u{1b}[2J 512M available of 8G".to_owned(),
            },
        }
    }

    fn entry(fate: Fate) -> Entry {
        let action = Action::Balloon { from: Bytes(2 * GIB), to: Bytes(1984 * MIB) };
        Entry { number: 0, wall: WALL, name: "web".to_owned(), decision: decision(action), fate }
    }

    #[test]
    fn a_line_says_when_who_what_and_why() {
        let line = line(&entry(Fate::Observed), &TimeZone::UTC);
        assert!(
            line.starts_with("21:31:05 web: would inflate its balloon, 2.0G -> 1.9G"),
            "{line}"
        );
        assert!(line.ends_with("512M available of 8G\n"), "{line}");
        assert_eq!(line.lines().count(), 1);
        assert!(!line.contains('\u{1b}'), "text of others can't move the cursor");
    }

    #[test]
    fn a_failed_action_has_its_reason() {
        let line =
            line(&entry(Fate::Failed(Failure::Reported("no balloon".to_owned()))), &TimeZone::UTC);
        assert!(line.contains("FAILED (no balloon): inflate"), "{line}");
    }

    #[test]
    fn an_explanation_has_every_gate_and_what_would_change_it() {
        let reported = |text: &str| Reason::Reported { text: text.to_owned() };
        let gate = |kind, open| Gate { kind, open, reason: reported("no device\u{1b}[2J") };
        let thought = Thought {
            vm: None,
            gates: vec![gate(GateKind::Statistics, true), gate(GateKind::AtEase, false)],
            arithmetic: vec![Term::Wants { wanted: Bytes(650 * MIB), given: Bytes(0) }],
            inputs: vec![Input {
                what: Seen::GuestStatistics,
                value: Some(Quantity::Time(Nanos(1_300_000_000))),
                limit: None,
            }],
            otherwise: vec![WhatIf::NeverReceives { reason: reported("at ease\u{1b}[2J") }],
        };
        let reclaim = decision(Action::Reclaim { bytes: Bytes(64 * MIB) });
        let text = explanation("web", Some(&thought), Some(&reclaim));
        for part in [
            "age of guest statistics: 1.3 s",
            "open   statistics",
            "CLOSED at ease",
            "demand 650 MiB",
            "reclaim 64M of cold pages",
            "unless",
            "in any case (at ease",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains('\u{1b}'), "text of others can't move the cursor");
        assert!(explanation("web", None, None).contains("decision: none"));
    }
}
