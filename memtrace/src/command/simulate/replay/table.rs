//! How two policies compare, as text. Pure.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::tz::TimeZone;

use super::episode::{AT_ONCE, Episode, First, Named, PAUSE};
use super::run::{Comparison, Side};
use memtrace_core::decision_counts::{ActionByRule, Count, DecisionCounts};
use memtrace_core::format;
use memtrace_core::policy::Action;
use memtrace_core::text::{clean, left, right};
use memtrace_core::units::{Bytes, Nanos, WallNanos};
use memtrace_view::summary::local_time;
use memtrace_view::{summary, words};

/// So many episodes are shown; JSON has more.
const SHOWN: usize = 20;
/// Decisions of a moment.
const DECISIONS: usize = 6;
const NAME: usize = 24;

/// The whole text.
pub(super) fn table(compared: &Comparison, zone: &TimeZone) -> String {
    let mut text = String::new();
    head(&mut text, compared, zone);
    caveat(&mut text, compared);
    text.push_str("\nAll decisions, and those that began an episode:\n\n");
    counts(&mut text, compared);
    states(&mut text, compared);
    episodes(&mut text, compared, zone);
    text
}

// Writing to a string can't fail.

fn head(text: &mut String, compared: &Comparison, zone: &TimeZone) {
    let Comparison { from, to, moments, acted, observed, undecided, .. } = compared;
    let _ = writeln!(
        text,
        "{} to {}, {}: memtrace in enforce mode in {acted}, in observe mode in \
         {observed}, \
         no policy in {undecided}",
        time(*from, zone),
        time(*to, zone),
        format::several(*moments, "sample"),
    );
    for loss in &compared.losses {
        let _ = writeln!(text, "lost: {}", clean(loss));
    }
    if let Some(ignored) = &compared.ignored {
        let _ = writeln!(text, "ignored: {}", clean(ignored));
    }
}

/// How far the numbers can be compared.
fn caveat(text: &mut String, compared: &Comparison) {
    let minutes = PAUSE.0 / 60 / Nanos::SECOND.0;
    text.push_str(
        "\nThe recording does not react to decisions of the new configuration: memory that it would\n\
         have taken or given changes no later value.\n",
    );
    match (compared.acted, compared.observed) {
        (0, 0) => text.push_str(
            "No policy was running when it was recorded, so there is nothing to compare with.\n\
             Repeated decisions would have been fewer if they had taken effect.\n",
        ),
        (0, _) => text.push_str(
            "The recorded memtrace ran in observe mode, so both saw the same unchanged host: all\n\
             rows are comparable, and both repeat decisions that were not carried out.\n",
        ),
        _ => {
            let _ = writeln!(
                text,
                "The recorded memtrace acted, which changed the host: only the start of each episode\n\
                 is comparable, and only if the new one starts no later. An episode ends when neither\n\
                 has decided anything for {minutes} minutes. Recorded balloon changes count as those\n\
                 of the new one.",
            );
        }
    }
}

fn counts(text: &mut String, compared: &Comparison) {
    let none = DecisionCounts::default();
    let recorded = compared.recorded.as_ref();
    let tallies = [
        recorded.map_or(&none, |side| &side.decisions),
        &compared.new.decisions,
        recorded.map_or(&none, |side| &side.first),
        &compared.new.first,
    ];
    let _ = writeln!(text, "{}{:>36}{:>36}", left("", 24), "all", "first of an episode");
    let _ = write!(text, "{}{}", left("action", 9), left("rule", 15));
    for title in ["recorded", "new", "recorded", "new"] {
        let _ = write!(text, "{}", right(title, 18));
    }
    text.push('\n');
    let kinds: BTreeSet<&ActionByRule> =
        tallies.iter().flat_map(|tally| tally.kinds()).map(|(kind, _)| kind).collect();
    let row =
        |text: &mut String, action: &str, rule: &str, of: &dyn Fn(&DecisionCounts) -> Count| {
            let _ = write!(text, "{}{}", left(action, 9), left(&clean(rule), 15));
            for (index, tally) in tallies.iter().enumerate() {
                let is_known = index % 2 == 1 || recorded.is_some();
                let _ = write!(text, "{}", right(&number(is_known.then(|| of(tally))), 18));
            }
            text.push('\n');
        };
    for kind in kinds {
        row(text, kind.action, words::rule(kind.rule), &|tally| tally.of(kind));
    }
    row(text, "together", "", &DecisionCounts::all);
    let hooks = |side: &Side| side.hook.to_string();
    let _ = writeln!(
        text,
        "samples with a call of the hook: recorded {}, new {}",
        recorded.map_or_else(|| format::UNKNOWN.to_owned(), hooks),
        hooks(&compared.new)
    );
}

/// `12   3.0G`.
fn number(count: Option<Count>) -> String {
    match count {
        None => format::UNKNOWN.to_owned(),
        Some(Count { decisions, bytes }) => {
            format!("{decisions} {}", right(&format::bytes(Bytes(bytes), 6), 7))
        }
    }
}

fn states(text: &mut String, compared: &Comparison) {
    let side = |text: &mut String, who: &str, side: &Side| {
        let parts: Vec<String> =
            side.states.iter().map(|(state, count)| format!("{} {count}", clean(state))).collect();
        let _ = writeln!(text, "samples by host state, {who}: {}", parts.join(", "));
    };
    if let Some(recorded) = &compared.recorded {
        side(text, "recorded", recorded);
    }
    side(text, "new", &compared.new);
}

fn episodes(text: &mut String, compared: &Comparison, zone: &TimeZone) {
    let Comparison { episodes, all_episodes, alike, .. } = compared;
    if compared.recorded.is_none() {
        let _ = writeln!(text, "\n{all_episodes} episodes");
    } else {
        let _ = writeln!(
            text,
            "\n{all_episodes} episodes, of which {alike} began with the same decisions at the \
             same time"
        );
    }
    let differing: Vec<&Episode> = episodes.iter().filter(|episode| !episode.is_alike()).collect();
    for episode in differing.iter().take(SHOWN) {
        let _ = writeln!(text, "\n{}: {}", time(episode.begin, zone), verdict(compared, episode));
        if compared.recorded.is_some() {
            first(text, "recorded", episode.recorded.as_ref(), zone);
        }
        first(text, "new", episode.new.as_ref(), zone);
    }
    let rest = all_episodes.saturating_sub(*alike).saturating_sub(SHOWN as u64);
    if rest > 0 {
        let _ = writeln!(text, "\nand {rest} more that differ; --json has up to 200 of all");
    }
}

fn verdict(compared: &Comparison, episode: &Episode) -> String {
    let what = if episode.same_decisions { "the same decisions" } else { "other decisions" };
    match episode.later_seconds {
        _ if compared.recorded.is_none() => "the new configuration starts".to_owned(),
        Some(seconds) if episode.acted_before => format!(
            "the new one had not decided anything when memtrace acted; it starts {} later, \
             on a changed host",
            format::seconds(seconds)
        ),
        Some(seconds) if seconds > AT_ONCE => {
            format!("the new one starts {} later, {what}", format::seconds(seconds))
        }
        Some(seconds) if seconds < -AT_ONCE => {
            format!("the new one starts {} earlier, {what}", format::seconds(-seconds))
        }
        Some(_) => format!("both start at the same time, {what}"),
        None if episode.new.is_some() => "only the new one acts".to_owned(),
        None => "the new one doesn't act".to_owned(),
    }
}

fn first(text: &mut String, who: &str, first: Option<&First>, zone: &TimeZone) {
    let Some(First { at, state, decisions, .. }) = first else {
        let _ = writeln!(text, "  {who}: nothing");
        return;
    };
    let state = summary::state(*state);
    let _ = writeln!(text, "  {who} at {}, host state {}:", time(*at, zone), clean(state));
    for Named { name, decision } in decisions.iter().take(DECISIONS) {
        let action = match decision.action {
            Action::Balloon { from, to } => {
                format!("{} -> {}", format::bytes(from, 6), format::bytes(to, 6))
            }
            Action::Reclaim { bytes } => format!("reclaim {}", format::bytes(bytes, 6)),
        };
        let name = left(&clean(name), NAME);
        let because = words::because(decision);
        let (rule, because) = (words::rule(decision.rule), clean(&because));
        let _ = writeln!(text, "    {} {action} ({rule}): {because}", name.trim_end());
    }
    let rest = decisions.len().saturating_sub(DECISIONS);
    if rest > 0 {
        let _ = writeln!(text, "    and {rest} more");
    }
}

fn time(at: WallNanos, zone: &TimeZone) -> String {
    local_time(at, zone, "%Y-%m-%d %H:%M:%S")
}
