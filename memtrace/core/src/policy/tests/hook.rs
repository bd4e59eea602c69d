//! The last escalation step: the hook is called exactly when nothing else can meet the need.

use super::fixture::{GIB, MIB, gate, host, id, slow_swap, vm};
use crate::policy::reason::{Distress, Standing, Symptom, SymptomKind};
use crate::policy::rules::HookRules;
use crate::policy::{
    Call, GateKind, Level, Memtrace, Observation, Policy, Reason, Rules, VmObservation,
};
use crate::units::{ByteRate, Bytes, Percent};

/// 900 MiB of 32 GiB.
const LOW: u64 = 900;

fn policy(change: impl FnOnce(&mut Rules)) -> Memtrace {
    let hook = HookRules { heard: true, ..HookRules::default() };
    let mut rules = Rules { hook, ..Rules::default() };
    change(&mut rules);
    slow_swap(rules)
}

/// A VM without a balloon, and one that suffers and has nothing to give.
fn helpless(second: u64, available: u64) -> Observation {
    let fixed = VmObservation { no_balloon: Some(Reason::NoConnection), ..vm(1) };
    let swap_in = Some(ByteRate(8.0 * MIB as f64));
    let suffering = VmObservation { swap_in, no_balloon: Some(Reason::NoConnection), ..vm(2) };
    host(second, available, vec![fixed, suffering])
}

/// The seconds in which the hook was called, and the last call.
fn calls(
    policy: &mut Memtrace,
    seconds: std::ops::Range<u64>,
    look: impl Fn(u64) -> Observation,
) -> (Vec<u64>, Option<Call>) {
    let (mut at, mut last) = (Vec::new(), None);
    for second in seconds {
        let decisions = policy.step(&look(second));
        // No order is carried out here, so no balloon counts as stuck.
        decisions
            .actions
            .iter()
            .for_each(|decision| policy.withdraw(decision.vm, &decision.action));
        let is_open = gate(&decisions, None, GateKind::Hook).0;
        assert_eq!(is_open, decisions.hook.is_some(), "the step is open when the hook is called");
        if let Some(call) = decisions.hook {
            at.push(second);
            last = Some(call);
        }
    }
    (at, last)
}

#[test]
fn it_is_told_once_in_its_period_while_the_others_fall_short() {
    let mut policy = policy(|_| {});
    let (seconds, call) = calls(&mut policy, 1..700, |second| helpless(second, LOW));
    assert_eq!(seconds, [31, 631]);
    let call = call.expect("it was told");
    assert_eq!((call.balloons, call.reclaim), (Bytes(0), Bytes(32 * MIB)));
    assert_eq!(call.missing, Bytes(call.need.0 - 32 * MIB));
    // To 20 % of 32 GiB.
    assert!(call.need >= Bytes(5 * GIB), "{call:?}");
    let suffering: Vec<_> = call.suffering.iter().map(|suffering| suffering.vm).collect();
    assert_eq!(suffering, [id(2)]);
    let (value, limit) = (8.0 * MIB as f64, MIB as f64);
    let symptom = Symptom { kind: SymptomKind::HostSwapIn, value, limit };
    assert_eq!(call.suffering[0].from, Distress::Symptoms(vec![symptom]));
    let share = 100.0 * 900.0 / 32_768.0;
    assert_eq!(call.host, Standing { share, total: Bytes(32 * GIB), level: Level::Low });
}

#[test]
fn a_shortage_that_ends_begins_anew_and_the_period_holds_from_one_to_the_next() {
    let mut policy = policy(|_| {});
    // Over 5 % and the hysteresis at second 20, and again at 100.
    let eased = |second| if second == 20 || second == 100 { 4000 } else { LOW };
    let (seconds, _) = calls(&mut policy, 1..660, |second| helpless(second, eased(second)));
    assert_eq!(seconds, [21 + 30, 21 + 30 + 600]);
    let hard = |second| helpless(second, 3500);
    assert_eq!(calls(&mut policy, 660..1300, hard).0, [0; 0], "it is hard, and not low");
}

#[test]
fn what_balloons_can_still_give_is_not_missing() {
    let spare = |second| host(second, LOW, (1..6).map(vm).collect());
    let mut off = policy(|rules| rules.inflate = false);
    assert_eq!(calls(&mut policy(|_| {}), 1..100, spare).0, [0; 0]);
    assert_eq!(
        calls(&mut off, 1..100, spare).0,
        [31],
        "an escalation step that is off gives nothing"
    );
}

#[test]
fn it_is_silent_when_switched_off_without_a_command_and_on_a_host_that_is_not_known() {
    let look = |second| helpless(second, LOW);
    for (reason, change) in [
        (Reason::SwitchedOff, (|rules| rules.hook.on = false) as fn(&mut Rules)),
        (Reason::NoHookCommand, |rules| rules.hook.heard = false),
    ] {
        let mut silent = policy(change);
        assert_eq!(calls(&mut silent, 1..100, look).0, [0; 0]);
        assert_eq!(gate(&silent.step(&look(100)), None, GateKind::Hook).1, reason);
    }
    let blind = |second| {
        let mut look = helpless(second, LOW);
        look.scope.available = None;
        look
    };
    let mut policy = policy(|_| {});
    assert_eq!(calls(&mut policy, 1..100, blind).0, [0; 0]);
    assert_eq!(calls(&mut policy, 100..131, look).0, [130], "it counts from what was seen");
}

#[test]
fn what_reclaim_may_not_touch_does_not_count() {
    let pressed = |second| {
        let mut look = helpless(second, LOW);
        look.vms[0].psi_some = Some(Percent(3.0));
        look
    };
    let (_, call) = calls(&mut policy(|_| {}), 1..40, pressed);
    assert_eq!(call.map(|call| call.reclaim), Some(Bytes(0)));
}
