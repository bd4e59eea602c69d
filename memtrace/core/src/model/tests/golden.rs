//! The JSON form of a snapshot. A change of this file is a change of the schema: a field
//! that goes away or changes its meaning wants a new `SCHEMA_VERSION`.

use crate::fixture::samples::{counting, flow, party, sample, set_signal, vm};
use crate::model::derive;
use crate::sample::{Notice, Party};
use crate::signal::{Quality, Signal};

#[test]
fn the_json_form_of_a_snapshot_is_pinned() {
    let noisy = counting(vm("noisy", 1), |counters| counters.guest_faults = 1000);
    let mut now = sample(12, vec![noisy.clone()]);
    now.flows = Some(vec![flow(party(&noisy), Party::Other, 64)]);
    now.notices = vec![Notice {
        about: crate::sample::Topic::Libvirt,
        text: "the connection was closed".into(),
    }];
    set_signal(&mut now, Signal::AsyncFaults, Quality::absent("no kvm:kvm_async_pf_ready"));
    let snapshot = derive(Some(&sample(10, vec![vm("noisy", 1)])), &now);
    let json = serde_json::to_string_pretty(&snapshot).expect("a snapshot serialises");
    insta::assert_snapshot!(json);
}

#[test]
fn a_snapshot_survives_its_json_form() {
    let snapshot = derive(Some(&sample(10, vec![vm("a", 1)])), &sample(11, vec![vm("a", 1)]));
    let json = serde_json::to_string(&snapshot).expect("a snapshot serialises");
    assert_eq!(serde_json::from_str::<crate::model::Snapshot>(&json).expect("it reads"), snapshot);
}
