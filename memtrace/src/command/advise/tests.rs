//! A month of a host whose right answers are known by construction, recorded and read again.

pub(super) mod month;

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use super::basis::Sure;
use super::dead::Cure;
use super::host::Level;
use super::swap::Swap;
use super::tick::{Key, Need, Tick, VmTick};
use super::*;
use crate::cli::ColorChoice;
use crate::prometheus::CredentialsArguments;
use memtrace_core::replay::time::Since;
use memtrace_core::units::{Nanos, Percent};
use month::{GIB, MIB, Month};

const DAY: Duration = Duration::from_secs(86_400);

fn arguments(directory: &Path, since: Duration) -> AdviseArguments {
    AdviseArguments {
        vm: None,
        since: Since::Before(Nanos(u64::try_from(since.as_nanos()).expect("it is short"))),
        recording: directory.to_owned(),
        prometheus: None,
        credentials: CredentialsArguments::default(),
        host: None,
        add: None,
        config: None,
        json: false,
        apply_to: None,
        yes: false,
        color: ColorChoice::Never,
    }
}

fn of(directory: &Path, since: Duration) -> Advice {
    let (config, zone) = (Config::default(), TimeZone::UTC);
    let read = read(&arguments(directory, since), &config, &zone);
    let (record, losses) = read.expect("there is a recording");
    Advice { losses, ..advise(&record, &config.rules, Some(Bytes(16 * GIB))) }
}

static MONTH: LazyLock<(Month, Advice)> = LazyLock::new(|| {
    let month = Month::recorded(30);
    let advice = of(month.path(), 30 * DAY);
    (month, advice)
});

fn vm(name: &str) -> &'static VmAdvice {
    let found = MONTH.1.vms.iter().find(|vm| vm.name == name);
    found.expect("it is in the month")
}

/// Within a tenth.
fn near(what: &str, found: Option<Bytes>, right: u64) {
    let found = found.map_or(0.0, |bytes| bytes.0 as f64);
    let right = right as f64;
    assert!((found - right).abs() <= right / 10.0, "{what}: {found} for {right}");
}

#[test]
fn sizes_of_a_month_are_within_a_tenth_of_the_right_ones() {
    right_sizes(&MONTH.1, Sure::High);
    assert_eq!(vm("silent").basis.missing.as_deref(), Some("no balloon device"));
}

/// What each needs is in `month`; a fifth more is right.
pub(super) fn right_sizes(advice: &Advice, sure: Sure) {
    for (name, verdict, minimum, initial, maximum) in [
        ("steady", SizeAdvice::Keep, 3.72, 3.72, 4.0),
        ("day", SizeAdvice::Lower, 2.4, 9.6, 9.6),
        ("night", SizeAdvice::Lower, 2.4, 9.6, 9.6),
        ("growing", SizeAdvice::Raise, 7.2, 7.2, 9.6),
        ("cache", SizeAdvice::Lower, 2.4, 2.4, 2.4),
        ("dead", SizeAdvice::Lower, 4.07, 4.07, 4.07),
        ("idle", SizeAdvice::Lower, 0.5, 0.5, 0.5),
        ("near", SizeAdvice::Raise, 8.4, 8.4, 8.4),
        ("hurt", SizeAdvice::Raise, 3.3, 4.0, 5.0),
    ] {
        let vm = advice.vms.iter().find(|vm| vm.name == name).expect("it is in the month");
        let gib = |size: f64| (size * GIB as f64) as u64;
        assert_eq!((vm.verdict, vm.sure), (verdict, sure), "{vm:?}");
        let size = vm.size;
        near(&format!("{name} minimum"), size.map(|size| size.minimum), gib(minimum));
        near(&format!("{name} initial"), size.map(|size| size.initial), gib(initial));
        near(&format!("{name} maximum"), size.map(|size| size.maximum), gib(maximum));
    }
    let silent = advice.vms.iter().find(|vm| vm.name == "silent").expect("it is in the month");
    assert_eq!(
        (silent.verdict, silent.sure, silent.size),
        (SizeAdvice::TooLittle, Sure::TooLittle, None)
    );
}

#[test]
fn the_host_of_a_month_is_within_a_tenth_of_the_right_answers() {
    right_host(&MONTH.1.host);
}

pub(super) fn right_host(host: &HostAdvice) {
    let together = month::together_peak();
    near("together", host.together_peak, together);
    near("usable", host.usable, month::usable());
    let ratio = month::ALLOCATED as f64 / month::INSTALLED as f64;
    assert!(host.ratio.is_some_and(|found| (found - ratio).abs() < 1e-9), "{host:?}");
    assert_eq!(host.level, Some(Level::of(ratio)));
    let safe = (ratio * month::usable() as f64 / (1.2 * together as f64)).min(2.0);
    assert!(host.safe_ratio.is_some_and(|found| (found - safe).abs() < safe / 10.0), "{host:?}");
    assert!(host.peaks > Bytes(together), "{host:?}");
    // The need of one VM is unknown.
    assert_eq!(host.sure, Sure::Low);
}

#[test]
fn peak_hours_are_found() {
    let hours = &MONTH.1.by_hour;
    let apart: Vec<(&str, &str)> =
        hours.apart.iter().map(|pair| (pair.one.as_str(), pair.other.as_str())).collect();
    assert_eq!(apart, [("day", "night")]);
    let day = hours.vms.iter().find(|vm| vm.name == "day").map(hours::Profile::digits);
    assert_eq!(day.as_deref(), Some("222222229999999999222222"));
}

#[test]
fn dead_memory_of_a_month_is_the_thread_s_and_swap_has_room_for_it() {
    right_dead(&MONTH.1);
}

/// shakenfist/shakenfist#3920.
pub(super) fn right_dead(advice: &Advice) {
    let dead = advice.dead.vms.iter().find(|vm| vm.name == "dead").expect("it is there");
    near("dead", Some(dead.p50), 5_255_620 << 10);
    near("in swap at least", dead.swapped_least, 1_859_368 << 10);
    near("in swap at most", dead.swapped_most, 5_155_624 << 10);
    assert_eq!((dead.cure, advice.dead.unknown), (Cure::Reporting, 1));
    // Without available memory, caches count as used.
    let worth: Vec<&str> = advice
        .dead
        .vms
        .iter()
        .filter(|vm| vm.cure != Cure::None)
        .map(|vm| vm.name.as_str())
        .collect();
    assert_eq!(worth, ["dead"]);
    let swap = &advice.swap;
    assert_eq!((swap.advice, swap.leant), (Swap::Enough, Some(Percent(0.0))));
    near("swap", swap.size, 12 * (5_155_624 << 10) / 10);
    assert_eq!(swap.short, Some(Bytes(0)));
}

#[test]
fn room_is_given_once_and_to_who_suffered_first() {
    let tick = |day: u64| {
        let vm = |name: &str, gib: u64, hurts| VmTick {
            key: Key::Name(name.to_owned()),
            name: name.to_owned(),
            allocated: Some(Bytes(8 * GIB)),
            actual: Some(Bytes(8 * GIB)),
            need: Need::Known(Bytes(gib * GIB)),
            hurts: Some(hurts),
            ..VmTick::default()
        };
        let vms = vec![vm("calm", 2, false), vm("near", 7, false), vm("suffers", 7, true)];
        Tick { wall: WallNanos(day), seconds: 86_400.0, vms, ..Tick::default() }
    };
    let mut record = Record::default();
    (0..20).for_each(|day| record.add(&tick(day)));
    // The VM in distress wants 2 GiB, the VM near its limit half of one.
    let verdicts = |room| {
        let mut vms = sizes(&record, Some(Bytes(room)), Bytes(GIB));
        vms.sort_by(|one, other| one.name.cmp(&other.name));
        vms.iter().map(|vm| vm.verdict).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(3 * GIB), [SizeAdvice::Lower, SizeAdvice::Raise, SizeAdvice::Raise]);
    assert_eq!(verdicts(2 * GIB), [SizeAdvice::Lower, SizeAdvice::NoRoom, SizeAdvice::Raise]);
    assert_eq!(verdicts(GIB), [SizeAdvice::Lower, SizeAdvice::Raise, SizeAdvice::NoRoom]);
}

#[test]
fn only_the_time_that_counts_is_read() {
    let week = of(MONTH.0.path(), 7 * DAY);
    assert!((week.recorded_seconds - 7.0 * 86_400.0).abs() < 2000.0, "{}", week.recorded_seconds);
    let growing = week.vms.iter().find(|vm| vm.name == "growing").expect("it is there");
    assert_eq!(growing.sure, Sure::Medium);
    assert!(growing.basis.p50 > Some(Bytes(5 * GIB + 500 * MIB)), "{growing:?}");
    let hours = of(MONTH.0.path(), Duration::from_secs(5 * 3600));
    assert!(hours.vms.iter().all(|vm| vm.sure == Sure::TooLittle && vm.size.is_none()));
}

#[test]
fn advice_is_made_of_what_can_be_read_and_says_so() {
    let month = Month::recorded(3);
    let file = month.a_file();
    let mut bytes = std::fs::read(&file).expect("it can be read");
    let half = bytes.len() / 2;
    bytes.truncate(half);
    std::fs::write(&file, bytes).expect("it can be written");
    let advice = of(month.path(), 30 * DAY);
    assert!(!advice.losses.is_empty(), "{advice:?}");
    let days = advice.recorded_seconds / 86_400.0;
    assert!((1.9..2.9).contains(&days), "{days}");
    let steady = advice.vms.iter().find(|vm| vm.name == "steady").expect("it is there");
    near("steady", steady.basis.p95, 31 * GIB / 10);
    let text = words::text(&advice, &TimeZone::UTC, false);
    assert!(text.contains("\n    1 part not read: see standard error"), "{text}");
}

#[test]
fn the_text_is_as_it_was() {
    insta::assert_snapshot!(words::text(&MONTH.1, &TimeZone::UTC, false));
}

#[test]
fn colours_change_no_word() {
    let colored = words::text(&MONTH.1, &TimeZone::UTC, true);
    let codes = ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m"];
    let bare = codes.iter().fold(colored.clone(), |text, code| text.replace(code, ""));
    assert!(colored.contains("\x1b[33m"));
    assert_eq!(bare, words::text(&MONTH.1, &TimeZone::UTC, false));
}

#[test]
fn the_json_is_as_it_was() {
    let mut advice = MONTH.1.clone();
    only(&mut advice, "day").expect("it is there");
    insta::assert_snapshot!(serde_json::to_string_pretty(&advice).expect("it has a form"));
}

#[test]
fn a_vm_is_found_by_name_or_uuid_or_the_names_are_reported() {
    for wanted in ["day", "00000000-0000-0000-0000-000000000002"] {
        let mut advice = MONTH.1.clone();
        only(&mut advice, wanted).expect("it is there");
        assert_eq!(advice.vms.iter().map(|vm| vm.name.as_str()).collect::<Vec<_>>(), ["day"]);
    }
    let mut called = MONTH.1.clone();
    let day = called.vms.iter_mut().find(|vm| vm.name == "day").expect("it is there");
    (day.labels.project, day.labels.name) = (Some("shop".to_owned()), Some("web".to_owned()));
    let known = titles(&called);
    let text = words::text(&titled(&called, &known), &TimeZone::UTC, false);
    assert!(text.contains("shop/web") && !text.contains("\nday "), "{text}");
    let mut twins = called.clone();
    twins.vms.iter_mut().for_each(|vm| vm.name = "day".to_owned());
    assert!(titles(&twins).is_empty(), "which of them is it?");
    let mut other = called.clone();
    only(&mut other, "cache").expect("it is there");
    let couple = |other: &str| hours::Couple {
        one: "cache".to_owned(),
        other: other.to_owned(),
        correlation: 1.0,
    };
    other.by_hour.together = vec![couple("day")];
    assert_eq!(titled(&other, &known).by_hour.together, [couple("shop/web")]);
    only(&mut called, "shop/web").expect("it is called so");
    assert_eq!(called.vms[0].name, "day", "by which it is configured");
    let error = only(&mut MONTH.1.clone(), "days").expect_err("there is none");
    assert!(error.to_string().contains("cache, day, dead"), "{error}");
}
