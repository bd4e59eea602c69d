//! How much memory is to be freed: the distance to the soft limit, the trend until balloons have
//! moved, and what pressure and distress add, less what orders in flight will free.

use super::costs;
use super::host::Host;
use super::observation::Observation;
use super::rules::{Rules, part};
use super::state::PolicyState;
use super::thought::Term;
use crate::units::{Bytes, Nanos};

/// Upper bound of pressure, trend and steady shortage each, in per cent of the total.
const MOST: f64 = 10.0;
/// Integral gain: share of the shortage that is added per second while it lasts.
const GAIN: f64 = 0.05;
/// Share of that sum that is taken back per second once the shortage is over.
const DECAY: f64 = 0.2;

/// Share of the reserve. With no more than this available, now and before by the trend, available
/// memory no longer counts as falling. On working seeds the whole reserve has 5 % more stall where
/// it fits easily (docs/population.md).
const BOTTOM: f64 = 0.5;

#[derive(Clone, Debug, PartialEq)]
pub struct Need {
    pub bytes: Bytes,
    /// Part of the need that may be taken from memory in use; the rest comes from unused memory.
    pub in_use: Bytes,
    pub term: Term,
    /// For memory in use: nothing is short now, only the trend asks for it.
    pub forecast: bool,
    /// Being short costs something ([`super::costs::pays`]).
    pub pays: bool,
    /// Memory in use would be taken if host swap were slower than guests' disks.
    pub fast_swap: bool,
    /// Swap isn't full and available memory isn't falling, so there is time to see what each step
    /// costs.
    pub patient: bool,
}

/// `coming`: what orders on their way will free.
pub fn need(
    rules: &Rules,
    state: &PolicyState,
    host: &Host,
    coming: Bytes,
    seen: &Observation,
) -> Need {
    let pays = costs::pays(rules, host, seen);
    let full = costs::has_room(host, &seen.scope) == Some(false);
    let aim = part(host.total, rules.soft);
    let most = part(host.total, MOST);
    let short = aim.saturating_sub(host.available);
    let ahead = Bytes((host.fall * rules.horizon.seconds()) as u64).min(most);
    // A trend that ends above the soft limit adds nothing.
    let trend =
        if short.0 > 0 { ahead } else { ahead.saturating_sub(host.available.saturating_sub(aim)) };
    let pressure = Bytes((most.0 as f64 * host.effort) as u64);
    // Bounded by the shortage itself, or the integral would overshoot.
    let held = Bytes(state.held.max(0.0) as u64).min(most).min(short);
    let owed = state.owed;
    let wanted = [short, trend, pressure, held, owed];
    let sum = wanted.iter().fold(Bytes(0), |sum, part| sum.saturating_add(*part));
    let bytes = sum.saturating_sub(coming);
    let enough = bytes >= worth_it(rules, host.total);
    let line = line(rules, host.total);
    let paid = pressure.saturating_add(owed);
    let lacks = if pays { line.saturating_sub(host.available) } else { Bytes(0) };
    let falls = ahead.saturating_sub(host.available.saturating_sub(line));
    let in_use = lacks.saturating_add(falls).saturating_add(paid).saturating_sub(coming).min(bytes);
    let forecast = host.available >= line && pressure.0 == 0 && owed.0 == 0;
    let patient = !full && (falls.0 == 0 || is_at_the_bottom(rules, host));
    let asked = in_use >= worth_it(rules, host.total);
    let fast_swap = asked && patient && costs::is_as_fast_as_disks(state.swap_wait);
    let in_use = if asked && !fast_swap { in_use } else { Bytes(0) };
    let term = Term::Need {
        need: bytes,
        short,
        aim,
        soft: rules.soft,
        trend,
        horizon: rules.horizon,
        pressure,
        held,
        owed,
        in_flight: coming,
        in_use,
        pays,
        fast_swap,
        enough,
    };
    let bytes = if enough { bytes } else { Bytes(0) };
    Need { bytes, in_use, term, forecast, pays, fast_swap, patient }
}

/// Next to nothing is available, and by the trend there was no more before. Changes down there are
/// memory that balloons and guests free and others take at once.
fn is_at_the_bottom(rules: &Rules, host: &Host) -> bool {
    let before = host.available.0 as f64 + host.fall * rules.horizon.seconds();
    before <= rules.kept(host.total).0 as f64 * BOTTOM
}

/// With less available than this, memory in use may be taken.
pub fn line(rules: &Rules, total: Bytes) -> Bytes {
    part(total, rules.in_use).max(rules.kept(total))
}

/// The least that is worth a command, for a scope with so much memory.
fn worth_it(rules: &Rules, total: Bytes) -> Bytes {
    rules.least_step.max(part(total, 0.25))
}

/// Integral of a steady shortage. Anti-windup: it doesn't grow while no VM can give, nor for a
/// shortage below the least step, which would become a command minutes later.
pub fn hold(
    rules: &Rules,
    state: &PolicyState,
    at: Nanos,
    host: &Host,
    somebody_gives: bool,
) -> f64 {
    let passed = state.at.map_or(0.0, |before| at.saturating_sub(before).seconds()).min(10.0);
    let short = part(host.total, rules.soft).saturating_sub(host.available);
    let held = if short >= worth_it(rules, host.total) {
        state.held + if somebody_gives { short.0 as f64 * GAIN * passed } else { 0.0 }
    } else {
        state.held * (1.0 - DECAY * passed).max(0.0)
    };
    held.clamp(0.0, part(host.total, MOST).0 as f64)
}
