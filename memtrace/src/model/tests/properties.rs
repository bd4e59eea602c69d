//! What holds for every pair of samples, however odd.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixture::{flow, party, sample, vm};
use super::walk::{inner, leaves, measured, with};
use crate::model::{Snapshot, derive};
use crate::sample::{Party, Sample};

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
        1 => Just(json!(u64::MAX)),
        1 => Just(json!(0)),
        3 => any::<u64>().prop_map(Value::from),
        3 => (0..100_000_u64).prop_map(Value::from),
    ]
}

/// A sample with some leaves changed to what their fields can hold.
fn odd(second: u64) -> impl Strategy<Value = Sample> {
    let busy = busy(second);
    let paths = leaves(&serde_json::to_value(&busy).expect("a sample serialises"));
    let change = (prop::sample::select(paths), leaf());
    prop::collection::vec(change, 0..40).prop_map(move |changes| {
        changes.into_iter().fold(busy.clone(), |sample, (path, value)| {
            with(&sample, &path, value).unwrap_or(sample)
        })
    })
}

/// Every measured number: a value exactly when the quality isn't absent, and no value
/// below zero. What isn't finite would have been serialised as null.
fn is_sound(snapshot: &Snapshot) -> Result<(), TestCaseError> {
    for (path, value, quality) in measured(snapshot) {
        // For these, null with quality exact says that there is no limit.
        let nullable = path.ends_with("/cgroup_limit") || path.ends_with("/cgroup_high");
        if !nullable || quality == "absent" {
            prop_assert_eq!(
                value.is_null(),
                quality == "absent",
                "{}: {} {}",
                path,
                value,
                quality
            );
        }
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

/// Numbers that are present in `after` and were absent in `before`.
fn appeared(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let present = |snapshot: &Snapshot| -> Vec<String> {
        let all = measured(snapshot).into_iter();
        all.filter(|(_, _, quality)| quality != "absent").map(|(path, _, _)| path).collect()
    };
    let before = present(before);
    present(after).into_iter().filter(|path| !before.contains(path)).collect()
}

#[test]
fn taking_knowledge_away_never_makes_a_number_appear() {
    let (before, now) = (busy(10), busy(11));
    let full = derive(Some(&before), &now);
    let mut tried = 0;
    for path in inner(&serde_json::to_value(&now).expect("a sample serialises")) {
        let less_now = with(&now, &path, Value::Null).map(|now| derive(Some(&before), &now));
        let less_before =
            with(&before, &path, Value::Null).map(|before| derive(Some(&before), &now));
        for less in less_now.iter().chain(&less_before) {
            tried += 1;
            assert_eq!(appeared(&full, less), [""; 0], "without {path}");
        }
    }
    assert!(tried > 200, "only {tried} fields could be taken away");
}

#[test]
fn a_signal_that_goes_away_never_makes_a_number_appear() {
    let (before, now) = (busy(10), busy(11));
    let full = derive(Some(&before), &now);
    for index in 0..now.signals.len() {
        let mut less = now.clone();
        less.signals.remove(index);
        assert_eq!(appeared(&full, &derive(Some(&before), &less)), [""; 0], "without {index}");
    }
}
