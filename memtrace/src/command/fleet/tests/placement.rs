//! Where there is room.

use super::*;
use crate::command::fleet::placement::KEEP;
use memtrace_core::policy::Rules;

fn judged(changes: &[(&str, f64)], size: f64) -> (Fit, String, Vec<String>) {
    let mut answers = answers(&[but("a", changes)]);
    answers.sufferers = Ok(answer(&[stalls("a", "web", 0.0)]));
    let places = places(&Fleet::of(answers).hosts, Bytes((size * GIB) as u64));
    let [place] = &places[..] else { panic!("{places:?}") };
    (place.fits, place.because.clone(), place.cautions.clone())
}

#[test]
fn a_vm_fits_where_enough_stays_available_or_balloons_give_it() {
    assert!((KEEP * 100.0 - Rules::default().soft).abs() < 1e-9);
    // 32 GiB are available, 12.8 stay.
    let (fits, why, cautions) = judged(&[], 19.0);
    assert_eq!((fits, cautions), (Fit::Now, vec![]));
    assert_eq!(why, "19.2 GiB above the 12.8 GiB kept free");
    let (fits, why, _) = judged(&[], 24.0);
    assert_eq!(fits, Fit::Reclaiming);
    assert!(why.ends_with("kept free, balloons can reclaim 4.8 GiB of 8.0 GiB"), "{why}");
    let (fits, why, _) = judged(&[], 32.0);
    assert_eq!(fits, Fit::No);
    assert!(why.starts_with("4.8 GiB short: 19.2 GiB above the 12.8 GiB"), "{why}");
    let (fits, why, _) = judged(&[("reclaimable", f64::NAN)], 24.0);
    assert_eq!(fits, Fit::No);
    assert!(why.ends_with("reclaimable memory unknown"), "{why}");
    let (fits, why, _) = judged(&[("memory_available", f64::NAN)], 1.0);
    assert_eq!((fits, why.as_str()), (Fit::Unknown, "its memory size is unknown"));
}

#[test]
fn where_it_is_short_or_becomes_so_nothing_fits() {
    let state = |word: &str| {
        let label = format!("\"state\":\"{word}\"");
        judged(&[("\"state\":\"calm\"", 0.0), (&label, 1.0)], 1.0)
    };
    assert_eq!(state("low").1, "state low");
    assert_eq!(state("hard").0, Fit::No);
    assert_eq!((state("soft").0, state("soft").2), (Fit::Now, vec!["state soft".to_owned()]));
    let mut answers = answers(&[told("a")]);
    let mut ahead = answers.hosts.series[0].clone();
    for (name, value) in [("__name__", "memtrace_host_forecast_seconds"), ("what", "swap")] {
        ahead.labels.insert(name.to_owned(), value.to_owned());
    }
    ahead.value = 90.0;
    answers.hosts.series.push(ahead);
    let hosts = Fleet::of(answers).hosts;
    let place = &places(&hosts, Bytes(1 << 30))[0];
    assert_eq!(place.because, "forecast: swapping in 90 s");
    let (fits, why, _) = judged(&[("host_allocated", 120.0 * GIB)], 10.0);
    assert_eq!(fits, Fit::No);
    assert_eq!(why, "maximum sizes of its VMs are 2.0 times its memory, limit 2.0");
}

#[test]
fn the_best_place_comes_first_and_the_unknown_last() {
    let swaps = [("swap_in", 8.0 * 1_048_576.0)];
    let hosts = [
        but("old", &[("sample_timestamp", NOW - 300.0)]),
        but("full", &[("memory_available", 16.0 * GIB)]),
        but("tight", &[("memory_available", 24.0 * GIB)]),
        but("swaps", &swaps),
        told("good"),
        but("best", &[("memory_available", 50.0 * GIB)]),
    ];
    let places = places(&fleet(&hosts), Bytes(16 << 30));
    let order: Vec<(&str, Fit)> =
        places.iter().map(|place| (place.host.as_str(), place.fits)).collect();
    use Fit::{No, Now, Reclaiming, Unknown};
    let expected = [
        ("best", Now),
        ("good", Now),
        ("swaps", Now),
        ("tight", Reclaiming),
        ("full", No),
        ("old", Unknown),
    ];
    assert_eq!(order, expected);
    assert!(places[2].cautions.contains(&"swap-in 8 MiB/s".to_owned()));
}
