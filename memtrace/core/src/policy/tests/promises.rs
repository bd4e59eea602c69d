//! What was given and isn't used counts as free again.

use super::fixture::{MIB, id};
use crate::policy::receive::promised;
use crate::policy::state::{Ordered, VmState};
use crate::policy::{Action, Memtrace, Policy};
use crate::units::{Bytes, Nanos};

const fn second(second: u64) -> Nanos {
    Nanos(second * Nanos::SECOND.0)
}

const fn mib(mib: u64) -> Bytes {
    Bytes(mib * MIB)
}

/// A VM of 4 GiB that got 100 MiB in each of these seconds, when the host held 1 GiB of it.
fn given(seconds: &[u64]) -> VmState {
    let mut memory = VmState::default();
    memory.size(Nanos(0), mib(4096));
    for &at in seconds {
        memory.promises.add(second(at), Some(mib(1024)), mib(100));
    }
    memory
}

#[test]
fn each_gift_lapses_for_itself_however_much_is_given_after_it() {
    let memory = given(&[1, 31, 60]);
    let open = |at| promised(&memory, second(at), Some(mib(1024)));
    assert_eq!([60, 61, 90, 91, 120].map(open), [300, 200, 200, 100, 0].map(mib));
    let begging: Vec<u64> = (1..=35).collect();
    let memory = given(&begging);
    assert_eq!(promised(&memory, second(35), Some(mib(1024))), mib(3328), "what fits into it");
    assert_eq!(promised(&memory, second(84), Some(mib(1024))), mib(1100), "of 25 to 35");
}

#[test]
fn what_is_used_is_used_of_the_oldest_gift_and_once() {
    let memory = given(&[1, 31]);
    let open = |rss: u64| promised(&memory, second(40), Some(mib(rss)));
    assert_eq!([1000, 1024, 1074, 1174, 1300].map(open), [200, 200, 150, 50, 0].map(mib));
    assert_eq!(promised(&memory, second(40), None), mib(200), "unknown use is none");
    // All of the first gift is used when the second comes, and half of that.
    let mut memory = given(&[1]);
    memory.promises.add(second(31), Some(mib(1124)), mib(100));
    assert_eq!(promised(&memory, second(40), Some(mib(1124))), mib(100));
    assert_eq!(promised(&memory, second(40), Some(mib(1174))), mib(50));
    // What the first was used for is not the second's when the first has lapsed.
    let memory = given(&[1, 31]);
    let open = |at| promised(&memory, second(at), Some(mib(1124)));
    assert_eq!([40, 60, 61, 90, 91].map(open), [100, 100, 100, 100, 0].map(mib));
}

#[test]
fn no_more_is_promised_than_the_vm_can_still_come_to_hold() {
    // 256 MiB may be the VMM's, and as much as was seen to be.
    let mut large = VmState { beside: Some(mib(2048)), ..VmState::default() };
    large.size(Nanos(0), mib(4096));
    large.promises.add(second(1), Some(mib(4608)), mib(1024));
    assert_eq!(promised(&large, second(2), Some(mib(4608))), mib(1024));
    for (rss, open) in [(4096, 100), (4252, 100), (4302, 50), (4352, 0), (5000, 0)] {
        let mut memory = VmState::default();
        memory.size(Nanos(0), mib(4096));
        memory.promises.add(second(1), Some(mib(rss)), mib(100));
        assert_eq!(promised(&memory, second(2), Some(mib(rss))), mib(open), "{rss}");
    }
}

#[test]
fn gifts_are_few_however_often_something_is_given() {
    let mut memory = VmState::default();
    (0..10_000_u64).for_each(|look| memory.promises.add(Nanos(look * 50_000_000), None, mib(1)));
    assert_eq!(promised(&memory, Nanos(500 * Nanos::SECOND.0), None), mib(1180), "the last 59 s");
    let kept = serde_json::to_value(&memory).expect("plain data");
    let gifts = kept["promises"]["gifts"].as_array().map(Vec::len);
    assert!(gifts.is_some_and(|gifts| gifts <= 61), "{gifts:?}");
}

#[test]
fn what_failed_takes_back_its_own_gift_alone() {
    let mut policy = Memtrace::default();
    let gave = Action::Balloon { from: mib(2048), to: mib(2148) };
    let order = Ordered {
        at: second(31),
        from: mib(2048),
        to: mib(2148),
        progressed: second(31),
        nearest: mib(100),
    };
    let mut withdrawn = |action: &Action| {
        policy.state.vms.insert(id(1), VmState { order: Some(order), ..given(&[1, 31]) });
        policy.withdraw(id(1), action);
        let memory = &policy.state.vms[&id(1)];
        (memory.order, promised(memory, second(40), Some(mib(1024))))
    };
    assert_eq!(withdrawn(&gave), (None, mib(100)));
    // Neither an earlier order, in whose place this one came, nor a reclaim that had too little.
    let earlier = Action::Balloon { from: mib(1948), to: mib(2048) };
    assert_eq!(withdrawn(&earlier), (Some(order), mib(200)));
    assert_eq!(withdrawn(&Action::Reclaim { bytes: mib(64) }), (Some(order), mib(200)));
}
