//! Decisions in words, for a log and for `explain`. Pure.

use jiff::tz::TimeZone;

use crate::format;
use crate::policy::decision::Thought;
use crate::policy::{Action, Decision};
use crate::reactor::{Entry, Fate};
use crate::summary;
use crate::text;
use crate::units::Bytes;

const COLUMNS: usize = 6;
const INDENT: &str = "  ";

/// An entry in a line, with its time of day, and a newline.
pub fn line(entry: &Entry, zone: &TimeZone) -> String {
    let Entry { wall, name, decision, fate, .. } = entry;
    let time = summary::moment(*wall, zone, "%H:%M:%S");
    let name = text::clean(name);
    let (action, because) = (action(decision.action), text::clean(&decision.because));
    let fate = match fate {
        Fate::Observed => "would ".to_owned(),
        Fate::InFlight => String::new(),
        Fate::Done => "done: ".to_owned(),
        Fate::Failed(reason) => format!("FAILED ({}): ", text::clean(reason)),
    };
    format!("{time} {name}: {fate}{action} [{}]: {because}\n", decision.rule)
}

/// An action, as an order to somebody.
pub fn action(action: Action) -> String {
    match action {
        Action::Balloon { from, to } => {
            let verb = if to < from { "inflate its balloon" } else { "deflate its balloon" };
            format!("{verb}, {} -> {}", bytes(from), bytes(to))
        }
        Action::Reclaim { bytes: amount } => format!("win back {} of cold pages", bytes(amount)),
    }
}

fn bytes(amount: Bytes) -> String {
    format::bytes(amount, COLUMNS).trim().to_owned()
}

/// What was thought of a VM or the host, under a heading, over several lines.
pub fn explanation(
    heading: &str,
    thought: Option<&Thought>,
    decision: Option<&Decision>,
) -> String {
    let mut lines = vec![text::clean(heading).into_owned()];
    match thought {
        None => lines.push(format!("{INDENT}nothing was thought of it")),
        Some(thought) => {
            for gate in &thought.gates {
                let state = if gate.open { "open  " } else { "CLOSED" };
                let because = text::clean(&gate.because);
                lines.push(format!("{INDENT}{state} {}: {because}", text::clean(&gate.name)));
            }
            lines.extend(
                thought.arithmetic.iter().map(|line| format!("{INDENT}{}", text::clean(line))),
            );
        }
    }
    match decision {
        None => lines.push(format!("{INDENT}decision: none")),
        Some(decision) => {
            let Decision { rule, because, unless, .. } = decision;
            let what = action(decision.action);
            lines.push(format!("{INDENT}decision: {what} [{rule}]"));
            lines.push(format!("{INDENT}because {}", text::clean(because)));
            lines.push(format!("{INDENT}unless {}", text::clean(unless)));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::fixture::{GIB, MIB, WALL};
    use crate::policy::decision::Gate;
    use crate::sample::VmId;

    fn decision(action: Action) -> Decision {
        Decision {
            vm: VmId::Uuid(Uuid::from_u128(7)),
            action,
            rule: "pressure".to_owned(),
            because: "the host has\u{1b}[2J 512M available of 8G".to_owned(),
            unless: "it had 1.6G".to_owned(),
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
    fn what_failed_says_why() {
        let line = line(&entry(Fate::Failed("no balloon".to_owned())), &TimeZone::UTC);
        assert!(line.contains("FAILED (no balloon): inflate"), "{line}");
    }

    #[test]
    fn an_explanation_has_every_gate_and_what_would_change_it() {
        let gate = |name: &str, open| Gate {
            name: name.to_owned(),
            open,
            because: "statistics are 1 s old".to_owned(),
        };
        let thought = Thought {
            vm: None,
            gates: vec![gate("fresh statistics", true), gate("no distress", false)],
            arithmetic: vec!["floor = 1.3 x 500M = 650M".to_owned()],
        };
        let reclaim = decision(Action::Reclaim { bytes: Bytes(64 * MIB) });
        let text = explanation("web", Some(&thought), Some(&reclaim));
        for part in ["open   fresh", "CLOSED no distress", "650M", "win back 64M", "unless it had"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(explanation("web", None, None).contains("decision: none"));
    }
}
