//! Decisions counted by what they do and by which rule. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::policy::{Action, Decision, RuleId};

/// What a decision does, and the rule behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ActionByRule {
    /// `take`, `give` or `reclaim`.
    pub action: &'static str,
    pub rule: RuleId,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    pub decisions: u64,
    pub bytes: u64,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecisionCounts {
    kinds: BTreeMap<ActionByRule, Count>,
    all: Count,
}

impl ActionByRule {
    /// Of a decision, with how many bytes it moves.
    pub fn of(decision: &Decision) -> (Self, u64) {
        let (action, bytes) = match decision.action {
            Action::Balloon { from, to } if to < from => ("take", from.saturating_sub(to)),
            Action::Balloon { from, to } => ("give", to.saturating_sub(from)),
            Action::Reclaim { bytes } => ("reclaim", bytes),
        };
        (Self { action, rule: decision.rule }, bytes.0)
    }
}

impl Count {
    fn add(&mut self, bytes: u64) {
        self.decisions = self.decisions.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl DecisionCounts {
    pub fn add(&mut self, decision: &Decision) {
        let (kind, bytes) = ActionByRule::of(decision);
        self.all.add(bytes);
        self.kinds.entry(kind).or_default().add(bytes);
    }

    pub fn kinds(&self) -> impl Iterator<Item = (&ActionByRule, &Count)> {
        self.kinds.iter()
    }

    pub fn of(&self, kind: &ActionByRule) -> Count {
        self.kinds.get(kind).copied().unwrap_or_default()
    }

    pub const fn all(&self) -> Count {
        self.all
    }
}

/// A list, as a key of JSON is a text.
impl Serialize for DecisionCounts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Row<'a> {
            #[serde(flatten)]
            kind: &'a ActionByRule,
            #[serde(flatten)]
            count: &'a Count,
        }
        serializer.collect_seq(self.kinds.iter().map(|(kind, count)| Row { kind, count }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn decisions_are_counted_by_action_and_rule() {
        let mut tally = DecisionCounts::default();
        let decided = fixture::enforced();
        let entries = decided.report().map(|report| report.reaction.entries.clone());
        for entry in entries.iter().flatten() {
            tally.add(&entry.decision);
        }
        let json = serde_json::to_value(&tally).expect("it can be written");
        let row = |action, rule| {
            serde_json::json!({
                "action": action, "rule": rule, "decisions": 1, "bytes": 512_u64 << 20
            })
        };
        let rows = [row("give", "distress"), row("take", "pressure"), row("take", "calm")];
        assert_eq!(json, serde_json::Value::from(rows.to_vec()));
        assert_eq!(tally.all(), Count { decisions: 3, bytes: 1536 << 20 });
    }
}
