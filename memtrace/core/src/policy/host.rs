//! How pressed the scope is, with hysteresis, and where its trend leads.

use super::observation::ScopeObservation;
use super::reason::{Ahead, Coming, Standing};
use super::rules::{Rules, Safety};
use super::state::{Level, PolicyState};
use super::thought::Term;
use crate::policy::tri_state::{percent, rate, share};
use crate::units::{Bytes, Nanos};

/// The shortest stretch that makes a trend.
const SHORTEST: Nanos = Nanos(2_500_000_000);

/// A trend over so short a time isn't reported beyond this many seconds ahead.
pub const FAR: f64 = 600.0;

/// What is known of the scope at one moment. There is none without total and available.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    pub total: Bytes,
    pub available: Bytes,
    /// Per cent of the total.
    pub share: f64,
    /// 0 to 1, by PSI and direct reclaim; what isn't known adds nothing.
    pub effort: f64,
    /// PSI and direct reclaims are known to be low.
    pub at_ease: bool,
    pub level: Level,
    /// Enough is available, also by its trend, and has been for a while: memory is returned, and
    /// memory in use is not taken.
    pub quiet: bool,
    /// Bytes per second that available falls.
    pub fall: f64,
    /// Next to nothing has been available for a while.
    pub exhausted: bool,
}

/// After this time with next to nothing available, memory reserved for bursts yields to memory
/// needed now.
const EXHAUSTED: Nanos = Nanos(120_000_000_000);

impl Host {
    pub fn of(
        rules: &Rules,
        state: &PolicyState,
        at: Nanos,
        scope: &ScopeObservation,
    ) -> Option<Self> {
        let total = scope.total.filter(|total| total.0 > 0)?;
        let available = scope.available?.min(total);
        let share = share(available, total);
        // With plenty available, stalls come from a cgroup's own limit, and no other VM's
        // memory would help.
        let near = share < rules.soft + 2.0 * rules.leave;
        let psi = percent(scope.psi_some).filter(|_| rules.capabilities.psi);
        let direct = rate(scope.direct_reclaims).filter(|_| rules.capabilities.direct_reclaims);
        let range = (rules.psi_full - rules.psi_begin).max(1.0);
        let by_psi = psi.map_or(0.0, |psi| ((psi - rules.psi_begin) / range).clamp(0.0, 1.0));
        let by_reclaim = direct.map_or(0.0, |rate| (rate / 100.0).clamp(0.0, 0.5));
        let effort = if near { by_psi.max(by_reclaim) } else { 0.0 };
        let known = (psi.is_some() || !rules.capabilities.psi)
            && (direct.is_some() || !rules.capabilities.direct_reclaims);
        let at_ease = known && effort <= 0.0;
        let level = level(rules, state.level, share, if near { psi } else { None });
        let fall = fall(rules, state, at, available);
        let for_long =
            state.quiet_since.is_some_and(|since| at.saturating_sub(since) >= rules.quiet);
        let ahead = available.0 as f64 - fall * rules.horizon.seconds();
        let line = rules.calm_above;
        let quiet = for_long && share >= line && ahead >= total.0 as f64 * line / 100.0;
        let exhausted =
            state.exhausted_since.is_some_and(|since| at.saturating_sub(since) >= EXHAUSTED);
        Some(Self { total, available, share, effort, at_ease, level, quiet, fall, exhausted })
    }

    /// A quarter of the reserve, or less, is available.
    pub fn is_exhausted(&self, rules: &Rules) -> bool {
        self.available.0 < rules.kept(self.total).0 / 4
    }

    /// Seconds until this share of the total is all that is available, by the trend.
    pub fn seconds_to(&self, limit: f64) -> Option<f64> {
        let room = self.available.0 as f64 - self.total.0 as f64 * limit / 100.0;
        (self.fall > 0.0 && room > 0.0).then(|| room / self.fall)
    }

    /// What the trend leads to soon, the nearest first.
    pub fn ahead(&self, rules: &Rules) -> Vec<Ahead> {
        let next = [
            (rules.soft, Coming::Soft),
            (rules.hard, Coming::Hard),
            (rules.low, Coming::Low),
            (0.0, Coming::Swap),
        ];
        let ahead = next.into_iter().filter_map(|(limit, what)| {
            let seconds = self.seconds_to(limit).filter(|seconds| *seconds < FAR)?;
            Some(Ahead { what, seconds })
        });
        ahead.collect()
    }

    /// As it stands, for the reason of a decision.
    pub const fn standing(&self) -> Standing {
        Standing { share: self.share, total: self.total, level: self.level }
    }

    /// What its state follows from, and where it leads.
    pub fn terms(&self, rules: &Rules, scope: &ScopeObservation) -> Vec<Term> {
        let mut terms = vec![
            Term::State {
                available: self.available,
                host: self.standing(),
                soft: rules.soft,
                hard: rules.hard,
                low: rules.low,
                leave: rules.leave,
            },
            Term::Effort {
                psi: percent(scope.psi_some),
                direct: rate(scope.direct_reclaims),
                kswapd: percent(scope.kswapd),
                effort: self.effort,
            },
        ];
        let ahead = self.ahead(rules);
        if !ahead.is_empty() {
            terms.push(Term::Trend { fall: Bytes(self.fall as u64), ahead });
        }
        terms
    }
}

fn level(rules: &Rules, before: Level, share: f64, psi: Option<f64>) -> Level {
    let limits = [(Level::Low, rules.low), (Level::Hard, rules.hard), (Level::Soft, rules.soft)];
    let deepest = |more: f64, allowed: Level| {
        let found = limits.iter().find(|(level, limit)| *level <= allowed && share < limit + more);
        found.map_or(Level::Calm, |(level, _)| *level)
    };
    let by_psi = match psi {
        Some(psi) if psi >= rules.psi_full => Level::Hard,
        Some(psi) if psi >= rules.psi_begin => Level::Soft,
        _ => Level::Calm,
    };
    deepest(0.0, Level::Low).max(deepest(rules.leaves(), before)).max(by_psi)
}

/// The slope of available over the last looks, by least squares; nothing when it rises.
fn fall(rules: &Rules, state: &PolicyState, at: Nanos, available: Bytes) -> f64 {
    if !rules.has(Safety::Forecast) {
        return 0.0;
    }
    let recent = |&&(then, _): &&(Nanos, Bytes)| at.saturating_sub(then) <= rules.horizon;
    let looks = state
        .looks
        .iter()
        .filter(recent)
        .map(|&(then, bytes)| (-at.saturating_sub(then).seconds(), bytes.0 as f64));
    let points: Vec<(f64, f64)> = looks.chain([(0.0, available.0 as f64)]).collect();
    let oldest = points.iter().map(|point| point.0).fold(0.0, f64::min);
    if points.len() < 3 || -oldest < SHORTEST.seconds() {
        return 0.0;
    }
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (x, y) = (x / count, y / count);
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), point| {
        let dx = point.0 - x;
        (above + dx * (point.1 - y), below + dx * dx)
    });
    let slope = if below > 0.0 { above / below } else { 0.0 };
    (-slope).max(0.0)
}
