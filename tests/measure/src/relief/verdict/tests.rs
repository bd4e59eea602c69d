//! Two runs made up, and one thing at a time wrong with them.

use memtrace_lab_host::series::Host;

use super::super::run::Mode;
use super::*;

/// A run in which the web guest suffers so much by day, and the others have `sizes` at the
/// end of each phase.
fn run(mode: Mode, suffered: f64, sizes: [f64; 4]) -> Run {
    let mut run = Run::new(mode);
    let phases = ["before", "night", "day", "calm"];
    for (number, (phase, size)) in phases.into_iter().zip(sizes).enumerate() {
        let so_far = if number >= 2 { suffered } else { 0.0 };
        let web = OfOne {
            name: WEB.to_owned(),
            stalled: Some(so_far),
            pressure: Some(so_far),
            swapped_in: Some(so_far * 10.0),
            refaulted: Some(so_far * 10.0),
            touched: Some(if number >= 2 { 1100.0 } else { 500.0 }),
            ..OfOne::default()
        };
        let batch = OfOne { name: "batch".to_owned(), size: Some(size), ..OfOne::default() };
        run.points.push(Point {
            at: number as f64,
            phase: phase.to_owned(),
            state: None,
            host: Host { killed: Some(0), pressure: Some(so_far), ..Host::default() },
            guests: if phase == "calm" { vec![batch] } else { vec![batch, web] },
        });
    }
    run
}

fn observed() -> Run {
    run(Mode::Observe, 30.0, [1024.0; 4])
}

fn enforced(suffered: f64) -> Run {
    run(Mode::Enforce, suffered, [1024.0, 600.0, 424.0, 1000.0])
}

#[test]
fn a_tenth_relieves_and_more_does_not() {
    let verdict = Verdict::of(LabLevel::Two, &observed(), &enforced(3.0));
    assert_eq!(verdict.problems, [""; 0]);
    assert_eq!((verdict.taken, verdict.back), (600.0, 576.0));
    // One moment of it has no length.
    assert_eq!(verdict.calm, 0.0);
    let mut longer = enforced(3.0);
    let mut last = longer.points.last().expect("it has points").clone();
    last.at += 60.0;
    longer.points.push(last);
    assert_eq!(Verdict::of(LabLevel::Two, &observed(), &longer).calm, 60.0);
    assert_eq!(verdict.rows[1].factor(), Some(10.0));
    let verdict = Verdict::of(LabLevel::Two, &observed(), &enforced(3.1));
    assert_eq!(verdict.problems.len(), 4);
    assert!(verdict.problems[0].contains("fell to no less than 3.10"), "{verdict}");
}

#[test]
fn on_level_1_delay_accounting_counts_and_what_memtrace_cannot_see_does_not() {
    let waits = |mut run: Run, seconds: f64| {
        let web = run.points[2].guests.iter_mut().find(|guest| guest.name == WEB);
        web.expect("it is there").reclaiming = Some(seconds);
        let web = run.points[0].guests.iter_mut().find(|guest| guest.name == WEB);
        web.expect("it is there").reclaiming = Some(0.0);
        for guest in run.points.iter_mut().flat_map(|point| &mut point.guests) {
            (guest.stalled, guest.pressure) = (None, Some(0.0));
        }
        run
    };
    let observed = waits(observed(), 20.0);
    let verdict = Verdict::of(LabLevel::One, &observed, &waits(enforced(1.0), 2.0));
    assert_eq!(verdict.problems, [""; 0]);
    let verdict = Verdict::of(LabLevel::One, &observed, &waits(enforced(1.0), 2.1));
    assert!(verdict.problems[0].contains("(delay accounting): 20.00 fell to no less than 2.10"));
    assert_eq!(verdict.problems.len(), 1);
}

#[test]
fn without_distress_the_runs_show_nothing() {
    let calm = run(Mode::Observe, 0.5, [1024.0; 4]);
    let verdict = Verdict::of(LabLevel::Two, &calm, &enforced(0.0));
    assert!(verdict.problems[0].contains("too little to learn from"), "{verdict}");
}

#[test]
fn a_guest_that_was_killed_or_a_run_that_failed_is_wrong() {
    let mut killed = enforced(1.0);
    killed.points[2].host.killed = Some(1);
    let verdict = Verdict::of(LabLevel::Two, &observed(), &killed);
    assert_eq!(verdict.problems, ["killed for want of memory (vmstat): 1 while memtrace acted"]);
    let mut failed = enforced(1.0);
    failed.failed = Some("web has ended".to_owned());
    assert_eq!(
        Verdict::of(LabLevel::Two, &observed(), &failed).problems,
        ["enforce: web has ended"]
    );
}

#[test]
fn memory_has_to_be_taken_and_to_return() {
    let kept = run(Mode::Enforce, 1.0, [1024.0, 600.0, 424.0, 500.0]);
    let verdict = Verdict::of(LabLevel::Two, &observed(), &kept);
    assert_eq!(verdict.problems, ["of 600 MiB that were taken only 76 are back"]);
    let idle = run(Mode::Enforce, 1.0, [1024.0; 4]);
    assert_eq!(
        Verdict::of(LabLevel::Two, &observed(), &idle).problems,
        ["nothing was taken from any guest"]
    );
}

#[test]
fn unknown_is_not_zero() {
    let mut blind = enforced(1.0);
    for guest in &mut blind.points[2].guests {
        guest.stalled = None;
    }
    let verdict = Verdict::of(LabLevel::Two, &observed(), &blind);
    assert_eq!(verdict.problems, ["waited for memory (memtrace): not known"]);
}
