//! What holds for every pair of samples, however odd.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::walk::{inner, json, leaves, measured, with};
use crate::fixture::samples::{flow, party, sample, vm};
use crate::model::{Snapshot, derive};
use crate::sample::{Party, Sample};
use crate::signal::Quality;

/// A sample in which everything is known and something happened.
fn busy(second: u64) -> Sample {
    let (noisy, victim) = (vm("noisy", 1), vm("victim", 2));
    let flows = vec![
        flow(party(&noisy), party(&victim), second * 10),
        flow(Party::Kswapd, party(&noisy), second),
    ];
    let mut sample = sample(second, vec![noisy, victim]);
    sample.flows = Some(flows);
    for vm in &mut sample.vms {
        for bucket in vm.histograms.iter_mut().flat_map(|histograms| &mut histograms.reclaim) {
            *bucket = second;
        }
    }
    sample
}

/// Another value for a leaf: nothing, or any number.
fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        2 => Just(Value::Null),
        1 => Just(Value::from(u64::MAX)),
        1 => Just(Value::from(0)),
        3 => any::<u64>().prop_map(Value::from),
        3 => (0..100_000_u64).prop_map(Value::from),
    ]
}

/// A sample with some leaves changed to what their fields can hold.
fn odd(second: u64) -> impl Strategy<Value = Sample> {
    let busy = busy(second);
    let paths = leaves(&json(&busy));
    let change = (prop::sample::select(paths), leaf());
    prop::collection::vec(change, 0..40).prop_map(move |changes| {
        changes.into_iter().fold(busy.clone(), |sample, (path, value)| {
            with(&json(&sample), &path, value).unwrap_or(sample)
        })
    })
}

/// Every measured number: a value exactly when the quality isn't absent, and no value
/// below zero. What isn't finite would have been serialised as null.
fn is_sound(snapshot: &Snapshot) -> Result<(), TestCaseError> {
    for (path, value, quality) in measured(snapshot) {
        prop_assert_eq!(value.is_null(), quality == "absent", "{}: {} {}", path, value, quality);
        for leaf in leaves(&value) {
            let number = value.pointer(&leaf).and_then(Value::as_f64).unwrap_or(0.0);
            prop_assert!(number >= 0.0, "{}{}: {}", path, leaf, number);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_sample_makes_a_negative_or_undefined_number(before in odd(10), now in odd(11)) {
        is_sound(&derive(Some(&before), &now))?;
        is_sound(&derive(None, &now))?;
    }

    #[test]
    fn the_order_of_vms_and_flows_does_not_matter(before in odd(10), now in odd(11)) {
        let mut turned = now.clone();
        turned.vms.reverse();
        turned.flows.iter_mut().for_each(|flows| flows.reverse());
        let (straight, mut turned) = (derive(Some(&before), &now), derive(Some(&before), &turned));
        turned.vms.reverse();
        prop_assert_eq!(
            serde_json::to_value(straight).expect("a snapshot serialises"),
            serde_json::to_value(turned).expect("a snapshot serialises")
        );
    }
}

/// Where the numbers are that are present.
fn present(snapshot: &Snapshot) -> BTreeSet<String> {
    let all = measured(snapshot).into_iter();
    all.filter(|(_, _, quality)| quality != "absent").map(|(path, _, _)| path).collect()
}

/// Pairs of samples to take something away from: everything is known, guest memory is
/// shared, the kernel side is near the truth only.
fn bases() -> [(Sample, Sample); 3] {
    let shared = |mut sample: Sample| {
        for vm in &mut sample.vms {
            vm.process.rss_shmem = Some(crate::units::Bytes(u64::MAX / 2));
        }
        sample
    };
    let near = |mut sample: Sample| {
        for status in &mut sample.signals {
            status.quality = Quality::approximate("about");
        }
        sample
    };
    [(busy(10), busy(11)), (shared(busy(10)), shared(busy(11))), (near(busy(10)), near(busy(11)))]
}

#[test]
fn taking_knowledge_away_never_makes_a_number_appear() {
    let mut tried = 0;
    for (before, now) in bases() {
        let full = present(&derive(Some(&before), &now));
        let (json_before, json_now) = (json(&before), json(&now));
        for path in inner(&json_now) {
            let less_now = with(&json_now, &path, Value::Null);
            let less_before = with(&json_before, &path, Value::Null);
            let less = less_now.map(|now| derive(Some(&before), &now)).into_iter();
            for less in less.chain(less_before.map(|before| derive(Some(&before), &now))) {
                tried += 1;
                let less = present(&less);
                let appeared: Vec<_> = less.difference(&full).collect();
                assert_eq!(appeared, [""; 0], "without {path}");
            }
        }
    }
    assert!(tried > 600, "only {tried} fields could be taken away");
}

#[test]
fn a_signal_that_goes_away_never_makes_a_number_appear() {
    for (before, now) in bases() {
        let full = present(&derive(Some(&before), &now));
        for status in &now.signals {
            let mut less = now.clone();
            less.signals.retain(|other| other != status);
            let less = present(&derive(Some(&before), &less));
            let appeared: Vec<_> = less.difference(&full).collect();
            assert_eq!(appeared, [""; 0], "without {:?}", status.signal);
        }
    }
}
