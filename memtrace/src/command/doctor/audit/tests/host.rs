//! The checks of the host.

use super::*;

#[test]
fn two_that_move_balloons_are_one_too_many() {
    let check = |kinds: &[ReactorKind]| {
        let mut facts = facts(vec![]);
        let pids = 10_u32..;
        let all = kinds.iter().zip(pids).map(|(&kind, pid)| Reactor { kind, pid });
        facts.host.reactors = Ok(all.collect());
        found(&facts, "reactors")
    };
    use ReactorKind::{Ksmtuned, Memtrace, Mom, Pvestatd, Vdsm};
    for fine in [&[][..], &[Memtrace], &[Ksmtuned], &[Memtrace, Ksmtuned]] {
        assert_eq!(check(fine), None, "{fine:?}");
    }
    // MOM decides and vdsm does it: they are one.
    for alone in [&[Mom][..], &[Vdsm], &[Mom, Vdsm], &[Pvestatd]] {
        let finding = check(alone).expect("it is told");
        assert_eq!(finding.severity, Severity::Note, "{alone:?}");
        assert_eq!(finding.commands.len(), 1, "{alone:?}");
    }
    for both in [&[Mom, Memtrace][..], &[Pvestatd, Memtrace], &[Memtrace, Memtrace]] {
        let finding = check(both).expect("it is told");
        assert_eq!(finding.severity, Severity::Warning, "{both:?}");
        assert!(finding.finding.starts_with("2 programs control balloons"), "{finding:?}");
        assert_eq!(finding.commands.len(), 1, "one of them may stay: {finding:?}");
    }
}

#[test]
fn ksm_is_reported_while_it_runs_or_has_merged_pages() {
    let check = |ksm: Option<Ksm>| {
        let mut facts = facts(vec![]);
        facts.host.ksm = Ok(ksm);
        found(&facts, "ksm")
    };
    assert_eq!(check(None), None, "a kernel without it");
    assert_eq!(check(Some(Ksm { run: 0, saved: Bytes(0) })), None);
    let on = check(Some(Ksm { run: 1, saved: Bytes(0) })).expect("it is on");
    let lasting = "echo 'w /sys/kernel/mm/ksm/run - - - - 0' >/etc/tmpfiles.d/memtrace-ksm.conf && \
                   systemd-tmpfiles --create /etc/tmpfiles.d/memtrace-ksm.conf";
    assert_eq!(on.commands, [lasting]);
    let left = check(Some(Ksm { run: 0, saved: Bytes(300 * MIB) })).expect("pages are merged");
    assert!(left.finding.starts_with("stopped, still saves 300M"), "{left:?}");
    let mut tuned = facts(vec![]);
    tuned.host.ksm = Ok(Some(Ksm { run: 1, saved: Bytes(MIB) }));
    tuned.host.reactors = Ok(vec![Reactor { kind: ReactorKind::Ksmtuned, pid: 5 }]);
    let tuned = found(&tuned, "ksm").expect("it is on");
    assert!(tuned.finding.contains("ksmtuned (process 5) sets it"), "{tuned:?}");
    assert!(tuned.commands[0].contains("ksmtuned"), "first who sets it: {tuned:?}");
}

#[test]
fn huge_pages_cost_by_how_they_are_made_and_filled() {
    let check = |enabled: &str, defrag: &str, fills| {
        let mut facts = facts(vec![]);
        let [enabled, defrag] = [enabled, defrag].map(str::to_owned);
        facts.host.huge_pages = Ok(Some(HugePages { enabled, defrag, fills }));
        found(&facts, "huge_pages")
    };
    for fine in [check("never", "always", Some(511)), check("always", "defer", Some(0))] {
        assert_eq!(fine, None);
    }
    assert_eq!(check("madvise", "never", None), None, "what isn't told isn't held against it");
    for waits in ["always", "madvise", "defer+madvise"] {
        let finding = check("madvise", waits, Some(0)).expect("a fault waits");
        assert_eq!((finding.severity, finding.commands.len()), (Severity::Note, 1), "{waits}");
        assert!(finding.consequence.contains("compaction"), "{finding:?}");
    }
    let both = check("always", "madvise", Some(511)).expect("both");
    assert_eq!(both.commands.len(), 2);
    assert!(both.consequence.contains("khugepaged"), "{both:?}");
}
