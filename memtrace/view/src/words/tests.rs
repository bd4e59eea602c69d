//! Sentences, each with the numbers that it is made of.

use memtrace_core::fixture;
use memtrace_core::policy::reason::{Claim, Uncounted};
use memtrace_core::policy::{Memtrace, RuleId};
use memtrace_core::reactor::Decided;
use memtrace_core::sim::{catalogue, watch};

use super::*;

const MIBI: u64 = 1 << 20;

#[test]
fn a_decision_says_why_and_what_would_have_led_elsewhere() {
    let Decided::Report(report) = fixture::observed() else { panic!("nothing is decided") };
    let decision = &report.reaction.decisions.actions[0];
    assert_eq!(decision.rule, RuleId::Pressure);
    assert_eq!(
        because(decision),
        "18.8 % of 16.0 GiB is available (soft), 205 MiB are needed, and it can spare 640 MiB"
    );
    assert_eq!(
        unless(decision),
        "from 20 % available and without pressure nothing would be taken; at 1472 MiB or below \
         it would give nothing"
    );
}

#[test]
fn numbers_have_their_unit_and_their_limit() {
    let swap_ins = Symptom { kind: SymptomKind::HostSwapIn, value: 8.0 * MIB, limit: 1.0 * MIB };
    let available = Symptom { kind: SymptomKind::GuestAvailable, value: 3.25, limit: 5.0 };
    let reasons = [
        (Reason::NotRunning { state: VmState::ShuttingDown }, "it is shutting down"),
        (Reason::Locked { bytes: Bytes(200 * MIBI) }, "200 MiB of it are locked"),
        (
            Reason::UsesUncounted { why: Uncounted::MergedZeros },
            "it uses more than the host shows of it: KSM merges its pages of zeros with the \
             kernel's own",
        ),
        (
            Reason::InDistress { symptoms: vec![swap_ins, available] },
            "in distress: swap-ins 8.0 MiB/s (from 1.0), guest available 3.2 % (low under 5)",
        ),
        (
            Reason::NothingToFree { used: Bytes(3 << 30), vmm: Bytes(150 * MIBI) },
            "inflating would free nothing: the guest uses 3072 MiB, up to 150 MiB is VMM overhead",
        ),
        (
            Reason::Refaulted {
                since: Nanos(5 * Nanos::SECOND.0),
                within: Nanos(60 * Nanos::SECOND.0),
                rest: Nanos(120 * Nanos::SECOND.0),
                times: 2,
            },
            "reclaimed pages were refaulted within 60 s, 5 s ago: backs off for 2 min (2 in a row)",
        ),
        (
            Reason::DistressUnknown { unknown: vec![SymptomKind::AsyncFaults] },
            "distress is not known: asynchronous faults unknown",
        ),
        (
            Reason::Contradicted {
                claim: Claim::UsedOverHost,
                claimed: Bytes(3 << 30),
                most: Bytes(1 << 30),
            },
            "the guest claims 3072 MiB in use, RSS and swap are 1024 MiB",
        ),
    ];
    for (value, text) in reasons {
        assert_eq!(reason(&value), text);
    }
}

#[test]
fn an_input_says_what_limits_it() {
    let rate = Some(Quantity::BytesPerSecond(2.0 * MIB));
    let limit = |text: &str| Some(text.to_owned());
    let of = |what, value, limit| input(&Input { what, value, limit });
    assert_eq!(of(Seen::SwappedIn, rate, None), "swap-ins: 2.0 MiB/s");
    assert_eq!(
        of(Seen::SwappedIn, rate, limit("without memory.stat")),
        "swap-ins: 2.0 MiB/s (~ without memory.stat)"
    );
    assert_eq!(of(Seen::PsiSome, None, limit("no PSI")), "PSI some: - (no PSI)");
    assert_eq!(of(Seen::PsiSome, None, None), "PSI some: - (not known)");
}

#[test]
fn the_hook_gets_the_missing_amount() {
    let told = fixture::called(memtrace_core::reactor::Fate::Done).call;
    assert_eq!(
        call(&told),
        "1.0 % of 16.0 GiB is available (low), and for 31 s (from 30 s) balloons and reclaim have \
         not been enough: missing 600 MiB = need 700 MiB - 100 MiB that balloons can still give - \
         0 MiB of cold pages a step; what 1 of 3 VMs could give is not known"
    );
}

#[test]
fn all_that_is_thought_in_the_stories_has_words() {
    let mut said = 0;
    for scenario in catalogue::all().expect("they are scenarios").iter().step_by(5) {
        let outcome = watch(scenario, &mut Memtrace::default(), |look| {
            for thought in &look.decisions.thoughts {
                let gates = thought.gates.iter().map(|gate| reason(&gate.reason));
                let terms = thought.arithmetic.iter().map(term);
                let others = thought.otherwise.iter().map(what_if);
                for text in gates.chain(terms).chain(others) {
                    assert!(!text.is_empty() && text != "not recorded", "{thought:?}");
                    said += 1;
                }
            }
            for decision in &look.decisions.actions {
                assert!(!because(decision).is_empty(), "{decision:?}");
                assert_ne!(unless(decision), "not recorded", "{decision:?}");
            }
        });
        assert!(outcome.is_ok());
    }
    assert!(said > 1000, "{said}");
}
