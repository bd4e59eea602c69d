//! Messages while libvirt answers, hangs, is gone, or doesn't know a VM.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::super::daemon::UNKNOWN;
use super::super::known::{Domain, Learned};
use crate::vmm::guest::GuestAnswer;
use memtrace_core::sample::{GuestSample, VmState};
use memtrace_core::units::Bytes;

const WEB: Uuid = Uuid::from_u128(1);
const PID: u32 = 50;

fn learned(answered: Instant) -> Learned {
    let guest = GuestSample { actual: Some(Bytes(5)), ..GuestSample::default() };
    let answer = GuestAnswer { state: Some(VmState::Running), guest, ..GuestAnswer::default() };
    Learned {
        unknown: UNKNOWN,
        followed: [].into(),
        answered: Some(answered),
        begun: Some(answered),
        down: None,
        domains: [(WEB, Domain { answer, pid: Some(PID), ..Domain::default() })].into(),
    }
}

fn after(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

#[test]
fn an_answer_is_given_as_it_is() {
    let start = Instant::now();
    let answer = learned(start).domain(WEB, PID, after(start, 3));
    assert_eq!(answer.state, Some(VmState::Running));
    assert_eq!(answer.guest.problem, None);
}

#[test]
fn while_libvirt_hangs_the_last_answer_stands_with_its_age() {
    let start = Instant::now();
    let learned = learned(start);
    assert_eq!(learned.problem(after(start, 9)).as_deref(), Some("not answering since 9 s"));
    let answer = learned.domain(WEB, PID, after(start, 9));
    assert_eq!(answer.guest.actual, Some(Bytes(5)));
    assert_eq!(answer.state, None);
    assert_eq!(answer.guest.problem.as_deref(), Some("libvirt: not answering since 9 s"));
}

#[test]
fn a_lost_connection_is_said_in_libvirts_words() {
    let start = Instant::now();
    let learned = Learned { down: Some("End of file".to_owned()), ..learned(start) };
    let answer = learned.domain(WEB, PID, start);
    assert_eq!(answer.guest.problem.as_deref(), Some("libvirt: End of file"));
}

#[test]
fn a_domain_that_hangs_is_reported_alone() {
    let start = Instant::now();
    let mut learned = learned(after(start, 10));
    learned.domains.entry(WEB).or_default().waiting = Some(start);
    assert_eq!(learned.problem(after(start, 10)), None);
    let problem = learned.domain(WEB, PID, after(start, 10)).guest.problem.unwrap();
    assert_eq!(problem, "libvirt: this domain is not answering since 10 s");
}

#[test]
fn a_domain_that_libvirt_does_not_know_has_a_reason() {
    let start = Instant::now();
    let other = Uuid::from_u128(2);
    let problem = learned(start).domain(other, PID, start).guest.problem.unwrap();
    assert_eq!(problem, "libvirt: unknown to qemu:///system");
    let problem = Learned::default().domain(other, PID, start).guest.problem.unwrap();
    assert_eq!(problem, "libvirt: no answer yet");
}

#[test]
fn a_libvirt_that_never_answered_is_noticed() {
    let start = Instant::now();
    let learned = Learned { begun: Some(start), ..Learned::default() };
    assert_eq!(learned.problem(after(start, 2)), None);
    assert!(learned.problem(after(start, 20)).unwrap().contains("20 s"));
}

#[test]
fn a_process_that_says_a_domains_uuid_gets_none_of_its_answers() {
    let start = Instant::now();
    let mut learned = learned(start);
    let answer = learned.domain(WEB, 51, start);
    assert_eq!((answer.state, answer.guest.actual), (None, None));
    let problem = "libvirt: its domain with this UUID is process 50, not this one";
    assert_eq!(answer.guest.problem.as_deref(), Some(problem));
    assert!(
        learned.obstacle(WEB, 51, start).is_some() && learned.obstacle(WEB, PID, start).is_none()
    );
    // Where libvirt's file can't be read, discovery alone decides who has the UUID.
    learned.domains.entry(WEB).or_default().pid = None;
    assert_eq!(learned.domain(WEB, 51, start).guest.actual, Some(Bytes(5)));
}
