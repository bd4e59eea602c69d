//! The output of `memtrace mitigate`: one line per change, or one document per step.

use std::fmt::Write as _;

use anyhow::Result;
use jiff::tz::TimeZone;

use memtrace_core::policy::Level;
use memtrace_core::reactor::{Entry, Fate, Owed, Reaction, Step};
use memtrace_core::text;
use memtrace_core::units::Bytes;
pub(super) use memtrace_view::export::reaction::action;
use memtrace_view::export::reaction::{line, told};
use memtrace_view::export::worded;
use memtrace_view::summary;
use memtrace_view::words;
use serde_json::json;

/// Remembers what was printed.
pub(super) struct Printer {
    json: bool,
    zone: TimeZone,
    /// Entries below this number were printed.
    next: u64,
    /// Printed as in flight; their outcome is pending.
    open: Vec<u64>,
    /// The last printed call of the hook and its outcome.
    called: Option<(u64, Fate)>,
    /// The last printed state of the host.
    state: Option<Level>,
    problem: Option<String>,
    /// The last printed owed memory.
    owed: Option<String>,
}

impl Printer {
    pub(super) fn new(json: bool) -> Self {
        let zone = TimeZone::system();
        let open = Vec::new();
        Self { json, zone, next: 0, open, called: None, state: None, problem: None, owed: None }
    }

    /// The output for a step.
    pub(super) fn text(&mut self, step: &Step) -> Result<String> {
        if self.json {
            let Step { snapshot, reaction } = step;
            let document = json!({ "snapshot": snapshot, "reaction": worded::reaction(reaction) });
            let mut text = document.to_string();
            text.push('\n');
            return Ok(text);
        }
        let time = summary::local_time(step.snapshot.wall, &self.zone, "%H:%M:%S");
        let mut text = String::new();
        let state = step.reaction.decisions.state;
        if self.state != state {
            let state = summary::state(state);
            let _ = writeln!(text, "{time} {}: host state {state}", step.reaction.mode.word());
        }
        self.state = state;
        if self.problem != step.reaction.problem
            && let Some(problem) = &step.reaction.problem
        {
            let _ = writeln!(text, "{time} can't act: {problem}");
        }
        self.problem.clone_from(&step.reaction.problem);
        text.push_str(&self.entries(&step.reaction));
        let called = step.reaction.called.as_ref();
        let now = called.map(|called| (called.number, called.fate.clone()));
        if let Some(called) = called.filter(|_| self.called != now) {
            text.push_str(&told(called, &self.zone));
        }
        self.called = now;
        let owed = step.reaction.farewell.as_ref().map(|all| match owed(all) {
            text if text.is_empty() => "nothing left to give back".to_owned(),
            text => format!("giving back: {text}"),
        });
        if let Some(owed) = owed.filter(|owed| self.owed.as_ref() != Some(owed)) {
            let _ = writeln!(text, "{time} {owed}");
            self.owed = Some(owed);
        }
        Ok(text)
    }

    fn entries(&mut self, reaction: &Reaction) -> String {
        let mut text = String::new();
        for entry in &reaction.entries {
            let Entry { number, fate, .. } = entry;
            let is_new = *number >= self.next;
            let has_ended = *fate != Fate::InFlight && self.open.contains(number);
            if is_new || has_ended {
                text.push_str(&line(entry, &self.zone));
            }
            self.open.retain(|other| other != number || !has_ended);
            if is_new {
                self.next = number.saturating_add(1);
                if *fate == Fate::InFlight {
                    self.open.push(*number);
                }
            }
        }
        text
    }
}

/// The owed memory by VM, with reasons.
pub(super) fn owed(all: &[Owed]) -> String {
    let one = |owed: &Owed| {
        let much =
            owed.bytes.map_or_else(String::new, |Bytes(bytes)| format!("{} MiB ", bytes >> 20));
        format!(
            "{much}to {} ({})",
            text::clean(&owed.name),
            text::clean(&words::reason(&owed.reason))
        )
    };
    all.iter().map(one).collect::<Vec<String>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::fixture;
    use memtrace_core::policy::{Action, Decision, Decisions, Reason, RuleId};
    use memtrace_core::reactor::Mode;

    fn entry(number: u64, fate: Fate) -> Entry {
        let vm = fixture::vm("web", 7);
        let decision = Decision {
            vm: vm.id,
            action: Action::Balloon { from: Bytes(512 << 20), to: Bytes(448 << 20) },
            rule: RuleId::Pressure,
            reason: Reason::LevelNow { level: Level::Soft },
        };
        Entry { number, wall: fixture::WALL, name: vm.name, decision, fate }
    }

    fn step(state: Level, entries: Vec<Entry>) -> Step {
        let decisions = Decisions { state: Some(state), ..Decisions::default() };
        let reaction = Reaction { decisions, entries, ..Reaction::default() };
        Step { snapshot: fixture::demo(), reaction }
    }

    fn lines(printer: &mut Printer, step: &Step) -> Vec<String> {
        let text = printer.text(step).expect("it can be printed");
        text.lines()
            .map(|line| line.split_once(' ').map_or(line, |(_, rest)| rest).to_owned())
            .collect()
    }

    #[test]
    fn only_what_is_new_is_printed() {
        let mut printer = Printer::new(false);
        let first = step(Level::Soft, vec![entry(0, Fate::Observed)]);
        assert_eq!(lines(&mut printer, &first).len(), 2, "the state, and an entry");
        assert_eq!(lines(&mut printer, &first), [""; 0]);
        let second = step(Level::Calm, vec![entry(0, Fate::Observed), entry(1, Fate::Observed)]);
        let printed = lines(&mut printer, &second);
        assert_eq!(printed[0], "observe: host state calm");
        assert!(printed[1].starts_with("web: would inflate"), "{printed:?}");
        assert_eq!(printed.len(), 2);
    }

    #[test]
    fn an_order_is_reported_when_it_begins_and_when_it_ends() {
        let mut printer = Printer::new(false);
        let begun = lines(&mut printer, &step(Level::Soft, vec![entry(0, Fate::InFlight)]));
        assert!(begun[1].starts_with("web: inflate"), "{begun:?}");
        let ended = step(Level::Soft, vec![entry(0, Fate::Done)]);
        assert!(lines(&mut printer, &ended)[0].starts_with("web: done: inflate"));
        assert_eq!(lines(&mut printer, &ended), [""; 0]);
    }

    #[test]
    fn owed_memory_is_printed_when_it_changes() {
        let mut printer = Printer::new(false);
        let mut leaving = step(Level::Soft, Vec::new());
        let reason = Reason::NotFree;
        let (name, bytes) = ("web".to_owned(), Some(Bytes(64 << 20)));
        let owed = Owed { name, bytes, reason, waits: true };
        leaving.reaction.farewell = Some(vec![Owed { bytes: None, ..owed.clone() }, owed]);
        let printed = lines(&mut printer, &leaving);
        let line = "giving back: to web (not enough is free), 64 MiB to web (not enough is free)";
        assert_eq!(printed[1], line);
        assert_eq!(lines(&mut printer, &leaving), [""; 0]);
        leaving.reaction.farewell = Some(Vec::new());
        assert_eq!(lines(&mut printer, &leaving), ["nothing left to give back"]);
    }

    #[test]
    fn an_order_to_the_hook_is_printed_once_and_again_with_its_outcome() {
        let mut printer = Printer::new(false);
        let mut low = step(Level::Low, Vec::new());
        let mut called = fixture::called(Fate::InFlight);
        low.reaction.called = Some(called.clone());
        let line = "host: call the hook, 600M missing [hook]: 1.0 % of 16.0 GiB";
        let printed = lines(&mut printer, &low);
        assert!(printed.len() == 2 && printed[1].starts_with(line), "{printed:?}");
        assert_eq!(lines(&mut printer, &low), [""; 0]);
        called.fate = Fate::Done;
        low.reaction.called = Some(called.clone());
        assert!(lines(&mut printer, &low)[0].starts_with("host: done: call the hook"));
        (called.number, called.fate) = (1, Fate::Observed);
        low.reaction.called = Some(called);
        assert!(lines(&mut printer, &low)[0].starts_with("host: would call the hook"));
    }

    #[test]
    fn a_problem_of_the_journal_is_printed_once() {
        let mut printer = Printer::new(false);
        let mut full = step(Level::Soft, Vec::new());
        full.reaction.problem = Some("no space left".to_owned());
        assert_eq!(lines(&mut printer, &full)[1], "can't act: no space left");
        assert_eq!(lines(&mut printer, &full), [""; 0]);
    }

    #[test]
    fn a_document_is_a_line_with_snapshot_and_reaction() {
        let text = Printer::new(true).text(&step(Level::Soft, Vec::new())).expect("it is written");
        let step: Step = serde_json::from_str(&text).expect("it can be read");
        assert_eq!((text.lines().count(), step.reaction.mode), (1, Mode::Observe));
    }
}
