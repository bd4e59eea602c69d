//! What holds for every host and everything that isn't known of it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::fixture::{GIB, MIB, host, slow_swap, vm};
use crate::policy::decision::Decision;
use crate::policy::state::VmState;
use crate::policy::{
    Action, Memtrace, Observation, Policy, Reason, RuleId, Rules, Taken, VmObservation, at_exit,
    step,
};
use crate::sample::{VmId, VmState as Running};
use crate::units::{ByteRate, Bytes, Nanos, Percent, Rate};

fn a_vm(number: u32) -> impl Strategy<Value = VmObservation> {
    let sizes = (0_u64..5000, 0_u64..5000, 0_u64..5000, 0_u64..5000, 0_u64..3000);
    let rates = (0_u32..12, 0_u32..12, 0_u32..12, 0_u32..12, 0_u32..12);
    let rest = (0_u32..8, 0_u64..8, 0_u64..60, any::<bool>());
    (sizes, rates, rest).prop_map(move |(sizes, rates, rest)| {
        let mib = |mib: u64| Some(Bytes(mib * MIB));
        let rare = |rate: u32, much: f64| if rate == 0 { much } else { 0.0 };
        let (actual, available, rss, free, swap) = sizes;
        let mut vm = vm(number);
        // Half of them make sense.
        let (sane, maximum) = (rest.3, 4096);
        let actual = if sane { actual.clamp(600, maximum) } else { actual };
        let available = if sane { available.min(actual) } else { available };
        vm.actual = mib(actual);
        vm.rss = mib(if sane { actual } else { rss });
        vm.swap = mib(swap);
        vm.dead = mib(swap / 2);
        vm.swap_in = Some(ByteRate(rare(rates.0, 1e8)));
        vm.async_faults = Some(Rate(rare(rates.1, f64::INFINITY)));
        vm.stalled = Some(Percent(rare(rates.2, 30.0)));
        vm.psi_some = Some(Percent(rare(rates.3, 30.0)));
        vm.state = Some(if rest.0 == 0 { Running::Paused } else { Running::Running });
        vm.cpu_time = Some(Nanos((35 + rest.2) * Nanos::SECOND.0));
        vm.no_balloon = (rest.0 == 1).then_some(Reason::NoConnection);
        if let Some(guest) = &mut vm.guest {
            guest.age = Some(Nanos(rest.1 * Nanos::SECOND.0));
            guest.total = mib(if sane { actual } else { free });
            guest.available = mib(available);
            guest.free = mib(if sane { available / 2 } else { free });
            guest.swap_in = Some(ByteRate(rare(rates.4, 1e7)));
            let faults = if rates.4 == 1 { 1000.0 } else { rare(rates.4, f64::NAN) };
            guest.major_faults = Some(Rate(faults));
        }
        vm
    })
}

fn a_look() -> impl Strategy<Value = Observation> {
    let vms = (1..6_u32).map(a_vm).collect::<Vec<_>>();
    let scope = (0_u64..12_000, 0_u32..5, 0_u32..5, 1_u64..8);
    (vms, scope).prop_map(|(vms, (available, psi, direct, pause))| {
        // The second is the pause; the sequence adds them up.
        let mut look = host(pause, available, vms);
        look.scope.psi_some = Some(Percent(if psi == 0 { 40.0 } else { 0.0 }));
        look.scope.direct_reclaims = Some(Rate(if direct == 0 { 200.0 } else { 0.0 }));
        look
    })
}

/// Looks one after the other. Sizes mostly follow what was ordered, so that more than
/// standing down happens.
fn looks() -> impl Strategy<Value = (Vec<Observation>, Vec<bool>)> {
    (prop::collection::vec(a_look(), 2..14), prop::collection::vec(prop::bool::weighted(0.97), 14))
}

/// Runs them, and hands each look with the state before it to `check`.
fn walk(
    looks: Vec<Observation>,
    follows: &[bool],
    mut check: impl FnMut(&Memtrace, &Observation, &[Decision]) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let mut policy = slow_swap(Rules::default());
    let mut at = 0;
    let mut sizes: BTreeMap<VmId, Bytes> = BTreeMap::new();
    for (mut look, follows) in looks.into_iter().zip(follows) {
        at += look.at.0;
        look.at = Nanos(at);
        for vm in look.vms.iter_mut().filter(|_| *follows) {
            if let Some(size) = sizes.get(&vm.id) {
                vm.actual = Some(*size);
                vm.rss = Some(*size);
                if let Some(guest) = &mut vm.guest {
                    guest.total = Some(*size);
                    guest.available = guest.available.map(|bytes| bytes.min(*size));
                    guest.free = guest.available.map(|bytes| Bytes(bytes.0 / 2));
                }
            }
        }
        let before = policy.clone();
        let decisions = policy.step(&look);
        check(&before, &look, &decisions.actions)?;
        sizes.extend(look.vms.iter().filter_map(|vm| Some((vm.id, vm.actual?))));
        for decision in &decisions.actions {
            if let Action::Balloon { to, .. } = decision.action {
                sizes.insert(decision.vm, to);
            }
        }
    }
    Ok(())
}

/// By VM and kind (grows, shrinks, reclaims), how much.
fn amounts(actions: &[Decision]) -> BTreeMap<(VmId, u8), u64> {
    let one = |decision: &Decision| match decision.action {
        Action::Balloon { from, to } if to > from => ((decision.vm, 0), to.0 - from.0),
        Action::Balloon { from, to } => ((decision.vm, 1), from.0 - to.0),
        Action::Reclaim { bytes } => ((decision.vm, 2), bytes.0),
    };
    actions.iter().map(one).collect()
}

/// Fields whose absence says something, so that to leave them out isn't to know less.
const REASONS: [&str; 3] = ["no_balloon", "pinned", "cgroup"];

/// The look without one field each.
fn with_less(look: &Observation) -> Vec<(String, Observation)> {
    let json = serde_json::to_value(look).expect("it serialises");
    let less = paths(look, &json).into_iter().filter_map(|path| {
        let look = without(&json, &path)?;
        Some((path, look))
    });
    less.collect()
}

/// The look without some of its fields at once.
fn with_gaps(look: &Observation, gaps: &[prop::sample::Index]) -> Observation {
    gaps.iter().fold(look.clone(), |look, gap| {
        let json = serde_json::to_value(&look).expect("it serialises");
        let paths = paths(&look, &json);
        without(&json, &paths[gap.index(paths.len())]).unwrap_or(look)
    })
}

fn without(json: &Value, path: &str) -> Option<Observation> {
    let mut json = json.clone();
    *json.pointer_mut(path)? = Value::Null;
    serde_json::from_value(json).ok()
}

fn paths(look: &Observation, json: &Value) -> Vec<String> {
    let mut paths: Vec<String> = fields(json, "/scope");
    for index in 0..look.vms.len() {
        paths.extend(fields(json, &format!("/vms/{index}")));
        paths.extend(fields(json, &format!("/vms/{index}/guest")));
    }
    paths
}

fn fields(json: &Value, path: &str) -> Vec<String> {
    let names =
        json.pointer(path).and_then(Value::as_object).into_iter().flat_map(|map| map.keys());
    names
        .filter(|name| !REASONS.contains(&name.as_str()))
        .map(|name| format!("{path}/{name}"))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn bounds_step_and_cool_down_are_never_broken((looks, follows) in looks()) {
        let rules = Rules::default();
        walk(looks, &follows, |before, look, actions| {
            for decision in actions {
                let Action::Balloon { from, to } = decision.action else { continue };
                let vm = look.vms.iter().find(|vm| vm.id == decision.vm).expect("it is there");
                prop_assert_eq!(Some(from), vm.actual);
                prop_assert!(from != to && to <= Bytes(4 * GIB), "{decision:?}");
                if to > from {
                    prop_assert!(to.0 - from.0 <= GIB);
                    continue;
                }
                prop_assert!(to >= Bytes(614 * MIB), "under 15 % of its maximum: {:?}", to);
                let dead = vm.dead.unwrap_or_default().0.min(2 * GIB);
                prop_assert!(from.0 - to.0 <= (820 * MIB).max(dead));
                let shrunk = before.state.vms.get(&vm.id).and_then(|memory| memory.shrunk);
                if let Some(shrunk) = shrunk {
                    prop_assert!(look.at.0 - shrunk.0 >= rules.cool_down.0);
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn what_is_given_is_free((looks, follows) in looks()) {
        walk(looks, &follows, |_, look, actions| {
            let given: u64 = amounts(actions)
                .into_iter()
                .filter(|((_, kind), _)| *kind == 0)
                .map(|(_, bytes)| bytes)
                .sum();
            let kept = Rules::default().kept(Bytes(32 * GIB));
            let free = look.scope.available.unwrap_or_default().saturating_sub(kept);
            prop_assert!(given <= free.0, "{given} of {free:?}");
            Ok(())
        })?;
    }

    #[test]
    fn the_order_of_vms_does_not_matter((looks, follows) in looks(), turn in 1_usize..5) {
        walk(looks, &follows, |before, look, _| {
            let mut turned = look.clone();
            turned.vms.rotate_left(turn);
            turned.vms.swap(0, 1);
            let straight = step(&before.rules, before.state.clone(), look);
            prop_assert_eq!(straight, step(&before.rules, before.state.clone(), &turned));
            Ok(())
        })?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn less_knowledge_never_means_more_action((looks, follows) in looks()) {
        walk(looks, &follows, less_means_no_more)?;
    }

    /// Two that are missing together may matter where each alone does not, and so may what
    /// was never known.
    #[test]
    fn less_means_no_more_where_something_is_missing_already(
        (looks, follows) in looks(),
        gaps in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..6), 14),
    ) {
        let looks = looks.iter().zip(&gaps).map(|(look, gaps)| with_gaps(look, gaps)).collect();
        walk(looks, &follows, less_means_no_more)?;
    }
}

fn less_means_no_more(
    before: &Memtrace,
    look: &Observation,
    _: &[Decision],
) -> Result<(), TestCaseError> {
    let had = |(id, vm): (&VmId, &VmState)| Some(Taken { vm: *id, before: vm.base?, sent: None });
    let taken: Vec<Taken> = before.state.vms.iter().filter_map(had).collect();
    let (rules, state) = (&before.rules, || before.state.clone());
    let goes_on = |look: &Observation| step(rules, state(), look).1.actions;
    let ends = |look: &Observation| at_exit(rules, state(), look, &taken).1.decisions.actions;
    let (going_on, ending) = (amounts(&goes_on(look)), amounts(&ends(look)));
    for (path, less) in with_less(look) {
        for (full, less) in [(&going_on, goes_on(&less)), (&ending, ends(&less))] {
            for (key, bytes) in amounts(&less) {
                let known = full.get(&key).copied().unwrap_or(0);
                prop_assert!(bytes <= known, "without {path}: {key:?} {known} -> {bytes}");
            }
        }
    }
    Ok(())
}

#[test]
fn all_kinds_of_action_are_among_what_is_tried() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut kinds: BTreeMap<RuleId, usize> = BTreeMap::new();
    for _ in 0..200 {
        let (looks, follows) = looks().new_tree(&mut runner).expect("it generates").current();
        let counted = walk(looks, &follows, |_, _, actions| {
            for decision in actions {
                *kinds.entry(decision.rule).or_default() += 1;
            }
            Ok(())
        });
        assert!(counted.is_ok());
    }
    for kind in [RuleId::Pressure, RuleId::Dead, RuleId::Distress] {
        assert!(kinds.get(&kind).is_some_and(|&count| count > 3), "{kind:?}: {kinds:?}");
    }
}
