//! Episodes: from the first decision of either to when neither has decided anything for a
//! while. Only how each of the two begins is compared, because after the first order a host that
//! is acted on is another one; and what one begins after the other has acted doesn't count. Pure.

use serde::{Serialize, Serializer};

use memtrace_core::decision_counts::{ActionByRule, DecisionCounts};
use memtrace_core::policy::{Action, Decision, Decisions, Level, SAME};
use memtrace_core::sample::VmId;
use memtrace_core::units::{Nanos, WallNanos};
use memtrace_view::export::worded;

/// An episode is over when nothing was decided for so long. Longer than any pause of the
/// policy between two steps of one shortage, looks and a grown cool-down aside.
pub(super) const PAUSE: Nanos = Nanos(300 * Nanos::SECOND.0);
/// Maximum number of episodes, and of decisions per sample.
pub(super) const MOST_EPISODES: usize = 200;
const MOST_DECISIONS: usize = 64;
/// Seconds apart that count as simultaneous in observe mode.
pub(super) const AT_ONCE: f64 = 1.5;

/// How an episode began.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Episode {
    pub(super) begin: WallNanos,
    /// `None`: it did nothing in all of it.
    pub(super) recorded: Option<First>,
    pub(super) new: Option<First>,
    /// By so many seconds the new one began later; less than 0: sooner.
    pub(super) later_seconds: Option<f64>,
    /// Both began with the same decisions, whenever.
    pub(super) same_decisions: bool,
    /// The recorded memtrace had acted before the new one began, which so looked at a host that
    /// had been acted on.
    pub(super) acted_before: bool,
}

/// What was decided first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct First {
    pub(super) at: WallNanos,
    /// It was carried out.
    pub(super) acted: bool,
    /// The host's, as the policy saw it.
    pub(super) state: Option<Level>,
    pub(super) decisions: Vec<Named>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Named {
    /// Untrusted text.
    pub(super) name: String,
    #[serde(flatten, serialize_with = "with_words")]
    pub(super) decision: Decision,
}

fn with_words<S: Serializer>(decision: &Decision, serializer: S) -> Result<S::Ok, S::Error> {
    worded::decision(decision).serialize(serializer)
}

impl First {
    /// Of a moment; `None`: nothing was decided in it.
    pub(super) fn of(
        (at, acted): (WallNanos, bool),
        decisions: &Decisions,
        name: impl Fn(VmId) -> String,
    ) -> Option<Self> {
        if decisions.actions.is_empty() {
            return None;
        }
        let named =
            |decision: &Decision| Named { name: name(decision.vm), decision: decision.clone() };
        let actions = decisions.actions.iter().take(MOST_DECISIONS);
        let (state, decisions) = (decisions.state, actions.map(named).collect());
        Some(Self { at, acted, state, decisions })
    }

    /// The same VMs, and of each the same within [`SAME`].
    fn is_like(&self, other: &Self) -> bool {
        let find = |vm: VmId| other.decisions.iter().find(|named| named.decision.vm == vm);
        self.decisions.len() == other.decisions.len()
            && self.decisions.iter().all(|named| {
                let decision = &named.decision;
                find(decision.vm).is_some_and(|found| are_same(decision, &found.decision))
            })
    }
}

fn are_same(one: &Decision, other: &Decision) -> bool {
    let goal = |decision: &Decision| match decision.action {
        Action::Balloon { to, .. } => to.0,
        Action::Reclaim { bytes } => bytes.0,
    };
    ActionByRule::of(one).0.action == ActionByRule::of(other).0.action
        && goal(one).abs_diff(goal(other)) <= SAME
}

impl Episode {
    /// Both began with the same, within a second.
    pub(super) fn is_alike(&self) -> bool {
        self.same_decisions && self.later_seconds.is_some_and(|seconds| seconds.abs() <= AT_ONCE)
    }
}

/// All episodes together.
#[derive(Clone, Debug, Default)]
pub(super) struct All {
    pub(super) episodes: u64,
    pub(super) alike: u64,
    pub(super) recorded: DecisionCounts,
    pub(super) new: DecisionCounts,
}

/// Puts decisions into episodes, moment by moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    now: Option<(Option<First>, Option<First>)>,
    last: WallNanos,
    kept: Vec<Episode>,
    all: All,
}

impl Book {
    pub(super) fn add(&mut self, at: WallNanos, recorded: Option<First>, new: Option<First>) {
        let pause = Nanos(at.0.abs_diff(self.last.0));
        if self.now.is_some() && pause > PAUSE {
            self.close();
        }
        if recorded.is_none() && new.is_none() {
            return;
        }
        self.last = at;
        let (first_recorded, first_new) = self.now.get_or_insert_with(Default::default);
        *first_recorded = first_recorded.take().or(recorded);
        *first_new = first_new.take().or(new);
    }

    pub(super) fn finish(mut self) -> (Vec<Episode>, All) {
        self.close();
        (self.kept, self.all)
    }

    fn close(&mut self) {
        let Some((recorded, new)) = self.now.take() else { return };
        let (done, would) = (recorded.as_ref(), new.as_ref());
        let begins = [done, would].into_iter().flatten().map(|first| first.at);
        let later = done
            .zip(would)
            .map(|(done, would)| Nanos(would.at.0).seconds() - Nanos(done.at.0).seconds());
        let acted_before =
            done.is_some_and(|done| done.acted) && later.is_some_and(|seconds| seconds > 0.0);
        let episode = Episode {
            begin: begins.min().unwrap_or_default(),
            later_seconds: later,
            same_decisions: done.zip(would).is_some_and(|(done, would)| done.is_like(would)),
            acted_before,
            recorded,
            new,
        };
        self.all.episodes = self.all.episodes.saturating_add(1);
        self.all.alike = self.all.alike.saturating_add(u64::from(episode.is_alike()));
        let count = |tally: &mut DecisionCounts, first: Option<&First>| {
            let decisions = first.into_iter().flat_map(|first| &first.decisions);
            decisions.for_each(|named| tally.add(&named.decision));
        };
        count(&mut self.all.recorded, episode.recorded.as_ref());
        count(&mut self.all.new, episode.new.as_ref().filter(|_| !acted_before));
        if self.kept.len() < MOST_EPISODES {
            self.kept.push(episode);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::fixture;
    use memtrace_core::units::Bytes;

    /// A step of the demo's to so many MiB, at this second.
    fn first((second, acted): (u64, bool), to: u64) -> Option<First> {
        let decided = fixture::enforced();
        let mut decisions = decided.report()?.reaction.decisions.clone();
        let from = Bytes(2048 << 20);
        decisions.actions[0].action = Action::Balloon { from, to: Bytes(to << 20) };
        First::of((at(second), acted), &decisions, |_| "idle".to_owned())
    }

    fn at(second: u64) -> WallNanos {
        WallNanos(second * Nanos::SECOND.0)
    }

    fn book(acted: bool, moments: &[(u64, Option<u64>, Option<u64>)]) -> (Vec<Episode>, All) {
        let mut book = Book::default();
        for (second, recorded, new) in moments {
            let of = |acted: bool, to: Option<u64>| to.and_then(|to| first((*second, acted), to));
            book.add(at(*second), of(acted, *recorded), of(false, *new));
        }
        book.finish()
    }

    #[test]
    fn only_how_each_begins_is_compared() {
        let moments = [
            (100, Some(1536), None),
            (112, Some(1024), Some(1538)),
            (130, None, Some(512)),
            // 300 s later it is another one.
            (431, Some(1536), Some(1536)),
            (900, None, Some(1536)),
            (1500, None, None),
            (2000, Some(1536), Some(1792)),
        ];
        let (episodes, all) = book(false, &moments);
        let told: Vec<_> = episodes
            .iter()
            .map(|episode| (episode.later_seconds, episode.same_decisions, episode.is_alike()))
            .collect();
        let expected = [
            (Some(12.0), true, false),
            (Some(0.0), true, true),
            (None, false, false),
            (Some(0.0), false, false),
        ];
        assert_eq!(told, expected);
        assert_eq!((all.episodes, all.alike), (4, 1));
        assert_eq!((all.recorded.all().decisions, all.new.all().decisions), (3, 4));
        assert!(episodes.iter().all(|episode| !episode.acted_before));
        // What is decided 12 s after the first order was carried out is about another host.
        let (episodes, all) = book(true, &moments);
        let before: Vec<bool> = episodes.iter().map(|episode| episode.acted_before).collect();
        assert_eq!(before, [true, false, false, false]);
        assert_eq!((all.recorded.all().decisions, all.new.all().decisions), (3, 3));
    }

    #[test]
    fn what_is_told_is_bounded() {
        let many: Vec<_> = (0..500).map(|number| (number * 1000, Some(1024), None)).collect();
        let (episodes, all) = book(true, &many);
        assert_eq!((episodes.len(), all.episodes), (MOST_EPISODES, 500));
    }
}
