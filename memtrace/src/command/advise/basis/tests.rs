//! Trends and certainty.

use super::*;
use crate::command::advise::gather::Day;

fn days(peaks: impl IntoIterator<Item = u64>) -> VmAccount {
    let day = |peak| Day { seconds: DAY, peak };
    let days = (0..).zip(peaks.into_iter().map(day)).collect();
    VmAccount { days, ..VmAccount::default() }
}

#[test]
fn a_trend_survives_bad_days_and_noise_is_none() {
    let mut rising: Vec<u64> = (0..30).map(|day| 4000 + 10 * day).collect();
    rising[3] = 90_000;
    rising[17] = 0;
    assert_eq!(growth(&days(rising)), Some(10.0));
    assert_eq!(growth(&days((0..30).map(|day| 9000 - 10 * day))), Some(-10.0));
    assert_eq!(growth(&days((0..30).map(|day| 5000 + 100 * (day * 7 % 5)))), None);
    assert_eq!(growth(&days([5000; 30])), None);
    assert_eq!(growth(&days((0..6).map(|day| 10 * day))), None);
}

#[test]
fn a_day_of_which_little_is_known_counts_for_no_trend() {
    let mut account = days((0..8).map(|day| 100 * day));
    assert_eq!(growth(&account), Some(100.0));
    for day in [0, 7] {
        account.days.insert(day, Day { seconds: 0.4 * DAY, peak: 0 });
    }
    assert_eq!(growth(&account), None);
}

#[test]
fn certainty_takes_time_and_completeness() {
    assert_eq!(Sure::of(5.9 * HOUR, 5.9 * HOUR), Sure::TooLittle);
    assert_eq!(Sure::of(DAY, DAY), Sure::Low);
    assert_eq!(Sure::of(5.0 * DAY, 5.0 * DAY), Sure::Medium);
    assert_eq!(Sure::of(20.0 * DAY, 20.0 * DAY), Sure::High);
    assert_eq!(Sure::of(20.0 * DAY, 25.0 * DAY), Sure::Medium);
    assert_eq!(Sure::of(20.0 * DAY, 50.0 * DAY), Sure::Low);
    assert_eq!(Sure::of(0.0, 0.0), Sure::TooLittle);
}
