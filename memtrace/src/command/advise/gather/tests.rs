//! Accounts stay bounded, and unknown values don't count as 0.

use super::*;

fn shakenfist() -> VmTick {
    let (resident, swap) = (Bytes::from_kib(3_396_252), Bytes::from_kib(5_155_624));
    let dead = Some(Bytes::from_kib(5_255_620));
    let (resident, swap) = (Some(resident), Some(swap));
    VmTick { resident, swap, dead, ..VmTick::default() }
}

#[test]
fn dead_memory_in_swap_lies_between_two_bounds() {
    let bounds = (Bytes::from_kib(1_859_368), Bytes::from_kib(5_155_624));
    assert_eq!(shakenfist().dead_in_swap(), Some(bounds));
    let unknown = VmTick { swap: None, ..shakenfist() };
    assert_eq!((unknown.dead_in_swap(), unknown.footprint()), (None, None));
}

#[test]
fn a_vm_too_many_is_counted_and_takes_no_room() {
    let mut record = Record::default();
    for number in 0..3 * MOST_VMS {
        let vm = VmTick { key: Key::Name(number.to_string()), ..VmTick::default() };
        record.add(&Tick { vms: vec![vm], seconds: 1.0, ..Tick::default() });
    }
    assert_eq!((record.vms.len(), record.left_out.len()), (MOST_VMS, MOST_VMS));
}

#[test]
fn a_vm_of_which_nothing_is_known_is_not_taken_for_nothing() {
    let mut record = Record::default();
    let need = VmTick { need: Need::Known(Bytes(7)), ..VmTick::default() };
    let held = VmTick { key: Key::Name("held".into()), ..shakenfist() };
    let gone = VmTick { key: Key::Name("gone".into()), ..VmTick::default() };
    for vms in [vec![need.clone()], vec![need.clone(), held], vec![need, gone]] {
        record.add(&Tick { vms, seconds: 1.0, ..Tick::default() });
    }
    let host = &record.host;
    assert_eq!((host.by_footprint, host.without), (2.0, 1.0));
    assert_eq!(host.together_peak.map(|(peak, _)| peak.0), Some(7 + (8_551_876 << 10)));
}
