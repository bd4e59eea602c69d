//! The thresholds of the policy: `[policy]`. Documented in `policy::rules`.

use super::problem::Place;
use super::reader::Section;
use super::value::{MibPerSecond, Number};
use memtrace_core::policy::rules::{Rules, Step};
use memtrace_core::units::{Bytes, Nanos, Percent};

const MOST: Bytes = Bytes(1 << 40);
const DAY: Nanos = Nanos(86_400 * Nanos::SECOND.0);
/// Bytes in a MiB.
const MIB: f64 = 1_048_576.0;

pub(super) fn read(rules: &mut Rules, section: &mut Section<'_, '_>) {
    section.set("inflate", &mut rules.inflate);
    section.set("win_back", &mut rules.win_back);
    states(rules, section);
    amounts(rules, section);
    times(rules, section);
    distress(rules, section);
    let states = ["step_soft", "step_hard", "step_low"];
    for ((key, step), floor) in
        states.into_iter().zip(&mut rules.steps).zip(&mut rules.floor_shares)
    {
        let mut section = section.section(key);
        at_once(&mut section, step);
        share(&mut section, "floor_share", floor);
    }
    at_once(&mut section.section("step_dead"), &mut rules.dead_step);
    at_once(&mut section.section("relief"), &mut rules.relief);
    at_once(&mut section.section("calm"), &mut rules.calm);
}

fn at_once(section: &mut Section<'_, '_>, step: &mut Step) {
    share(section, "share", &mut step.share);
    size(section, "most", &mut step.most);
}

fn states(rules: &mut Rules, section: &mut Section<'_, '_>) {
    let soft = share(section, "soft", &mut rules.soft);
    let hard = share(section, "hard", &mut rules.hard);
    let low = share(section, "low", &mut rules.low);
    if let Some(place) = low.or(hard).or(soft)
        && !(rules.low < rules.hard && rules.hard < rules.soft)
    {
        let Rules { soft, hard, low, .. } = rules;
        let text = format!(
            "low ({low}) must be less than hard ({hard}), and hard less than soft ({soft})"
        );
        section.problem(place, "", text);
    }
    share(section, "leave", &mut rules.leave);
    let in_use = share(section, "in_use", &mut rules.in_use);
    let calm_above = share(section, "calm_above", &mut rules.calm_above);
    if let Some(place) = calm_above.or(in_use)
        && rules.calm_above <= rules.in_use
    {
        section.problem(place, "calm_above", "must be greater than in_use");
    }
    let begin = share(section, "psi_begin", &mut rules.psi_begin);
    let full = share(section, "psi_full", &mut rules.psi_full);
    if let Some(place) = full.or(begin)
        && rules.psi_full <= rules.psi_begin
    {
        section.problem(place, "psi_full", "must be greater than psi_begin");
    }
}

fn amounts(rules: &mut Rules, section: &mut Section<'_, '_>) {
    size(section, "reserve", &mut rules.reserve);
    share(section, "reserve_share", &mut rules.reserve_share);
    size(section, "floor", &mut rules.floor_least);
    number(section, "floor_used", &mut rules.floor_used);
    share(section, "learnt_margin", &mut rules.learnt_margin);
    share(section, "too_small_margin", &mut rules.too_small_margin);
    share(section, "guest_spare", &mut rules.guest_spare);
    size(section, "burst", &mut rules.burst);
    size(section, "least_step", &mut rules.least_step);
    size(section, "reclaim", &mut rules.reclaim);
    share(section, "reclaim_psi", &mut rules.reclaim_psi);
}

fn times(rules: &mut Rules, section: &mut Section<'_, '_>) {
    for (key, time) in [
        ("horizon", &mut rules.horizon),
        ("quiet", &mut rules.quiet),
        ("hold", &mut rules.hold),
        ("cool_down", &mut rules.cool_down),
        ("calm_pause", &mut rules.calm_pause),
        ("reclaim_pause", &mut rules.reclaim_pause),
        ("recover", &mut rules.recover),
        ("keep", &mut rules.keep),
        ("stale", &mut rules.stale),
        ("boot", &mut rules.boot),
        ("stuck", &mut rules.stuck),
        ("flagged", &mut rules.flagged),
        ("stand_down", &mut rules.stand_down),
        ("learnt_half_life", &mut rules.learnt_half_life),
        ("too_small_lasts", &mut rules.too_small_lasts),
        ("burst_lasts", &mut rules.burst_lasts),
    ] {
        section.within(key, (Nanos(1), DAY), "greater than 0 and at most 24h", time);
    }
}

fn distress(rules: &mut Rules, section: &mut Section<'_, '_>) {
    share(section, "guest_low", &mut rules.guest_low);
    share(section, "guest_tight", &mut rules.guest_tight);
    number(section, "guest_faults", &mut rules.guest_faults);
    number(section, "guest_thrash", &mut rules.guest_thrash);
    number(section, "guest_thrash_kept", &mut rules.guest_thrash_kept);
    share(section, "guest_full", &mut rules.guest_full);
    rate(section, "guest_swap", &mut rules.guest_swap);
    rate(section, "host_swap_in", &mut rules.host_swap_in);
    number(section, "host_faults", &mut rules.host_faults);
    number(section, "host_stalled", &mut rules.host_stalled);
}

/// In per cent of something.
fn share(section: &mut Section<'_, '_>, key: &'static str, into: &mut f64) -> Option<Place> {
    let mut share = Percent(*into);
    let place = section.within(key, (Percent(0.0), Percent(100.0)), "from 0 to 100", &mut share);
    *into = share.0;
    place
}

fn number(section: &mut Section<'_, '_>, key: &'static str, into: &mut f64) {
    let mut number = Number(*into);
    section.set(key, &mut number);
    *into = number.0;
}

/// In MiB a second; kept in bytes.
fn rate(section: &mut Section<'_, '_>, key: &'static str, into: &mut f64) {
    let mut rate = MibPerSecond(*into / MIB);
    if section.set(key, &mut rate).is_some() {
        *into = rate.0 * MIB;
    }
}

fn size(section: &mut Section<'_, '_>, key: &'static str, into: &mut Bytes) {
    section.within(key, (Bytes(0), MOST), "at most 1TiB", into);
}
