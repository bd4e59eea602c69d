//! Sizes whose right answers are known.

use proptest::prelude::*;

use super::*;

const GIB: u64 = 1 << 30;
const AROUND: Around = Around { room: Some(Bytes(8 * GIB)), floor: Bytes(GIB / 2) };

/// A VM of 8 GiB that needed these amounts, each for the same share of this many days.
fn account(needs: &[u64], days: f64) -> VmAccount {
    let mut account = VmAccount { allocated: Some(Bytes(8 * GIB)), ..VmAccount::default() };
    account.seconds = days * 86_400.0;
    for hour in &mut account.need {
        for need in needs {
            hour.add(*need, account.seconds / 24.0 / needs.len() as f64);
        }
    }
    account.peak = needs.iter().max().map(|peak| (Bytes(*peak), WallNanos(1)));
    account
}

/// Advice for a VM that needed a quarter of its size for this many days.
pub(in crate::command::advise) fn advised(days: f64) -> VmAdvice {
    advise(None, &account(&[2 * GIB], days), AROUND)
}

fn verdict(account: &VmAccount, around: Around) -> (SizeAdvice, Option<Size>) {
    let advice = advise(None, account, around);
    (advice.verdict, advice.size)
}

fn maximum(size: Option<Size>) -> Option<u64> {
    size.map(|size| size.maximum.0)
}

#[test]
fn unneeded_memory_is_taken_after_a_week() {
    let (given, size) = verdict(&account(&[2 * GIB], 20.0), AROUND);
    assert_eq!((given, maximum(size)), (SizeAdvice::Lower, Some(2464 << 20)));
    let (given, size) = verdict(&account(&[2 * GIB], 6.0), AROUND);
    assert_eq!((given, maximum(size)), (SizeAdvice::Keep, Some(8 * GIB)));
    assert_eq!(verdict(&account(&[6 * GIB], 20.0), AROUND).0, SizeAdvice::Keep);
}

#[test]
fn a_vm_near_its_limit_gets_more_if_the_host_has_it() {
    let near = account(&[7 * GIB], 20.0);
    let (given, size) = verdict(&near, AROUND);
    assert_eq!((given, maximum(size)), (SizeAdvice::Raise, Some(8608 << 20)));
    for room in [Some(Bytes(100 << 20)), None] {
        let advice = advise(None, &near, Around { room, ..AROUND });
        assert_eq!(advice.verdict, SizeAdvice::NoRoom, "{room:?}");
        assert_eq!(maximum(advice.size), Some(8 * GIB));
        assert_eq!(advice.wanted, Some(Bytes(8608 << 20)));
    }
}

#[test]
fn a_vm_in_distress_gets_a_quarter_more_than_it_had() {
    let mut hurt = account(&[3 * GIB], 20.0);
    (hurt.hurt, hurt.hurt_at) = (60.0, Some(Bytes(8 * GIB)));
    let (given, size) = verdict(&hurt, AROUND);
    assert_eq!((given, maximum(size)), (SizeAdvice::Raise, Some(10 * GIB)));
    assert_eq!(size.map(|size| size.initial), Some(Bytes(8 * GIB)));
}

#[test]
fn a_lone_peak_is_no_reason_to_raise() {
    let mut needs = vec![2 * GIB; 999];
    needs.push(7 * GIB + GIB / 2);
    let (given, size) = verdict(&account(&needs, 20.0), AROUND);
    assert_eq!((given, maximum(size)), (SizeAdvice::Keep, Some(8 * GIB)));
    assert!(size.is_some_and(|size| size.initial < Bytes(3 * GIB)), "{size:?}");
}

#[test]
fn too_little_data_is_an_answer() {
    for account in [account(&[GIB], 0.2), VmAccount::default()] {
        let advice = advise(None, &account, AROUND);
        assert_eq!((advice.verdict, advice.size), (SizeAdvice::TooLittle, None));
        assert!(advice.why[0].starts_with("too little data"), "{advice:?}");
    }
}

#[test]
fn without_its_size_there_are_bounds_and_no_judgement() {
    let unknown = VmAccount { allocated: None, ..account(&[2 * GIB], 20.0) };
    assert_eq!(verdict(&unknown, AROUND).0, SizeAdvice::Bounds);
}

proptest! {
    #[test]
    fn bounds_are_in_order_and_hold_the_peak(
        needs in prop::collection::vec(1_u64..1 << 42, 1..9), days in 0.3..60.0_f64,
        allocated in prop::option::of(1_u64..1 << 43), hurt in prop::option::of(1_u64..1 << 43),
    ) {
        let mut account = account(&needs, days);
        (account.allocated, account.hurt_at) = (allocated.map(Bytes), hurt.map(Bytes));
        let advice = advise(None, &account, AROUND);
        let Some(Size { initial, minimum, maximum }) = advice.size else {
            return Err(TestCaseError::fail("there is data"));
        };
        prop_assert!(minimum <= initial && initial <= maximum);
        let peak = needs.iter().max().copied().unwrap_or(0);
        let is_kept = allocated == Some(maximum.0);
        prop_assert!(is_kept || maximum.0 >= peak, "{advice:?}");
        prop_assert!(advice.verdict != SizeAdvice::Lower || allocated > Some(maximum.0));
        prop_assert!(advice.verdict != SizeAdvice::Raise || allocated < Some(maximum.0));
    }
}
