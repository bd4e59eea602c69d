//! The page of made-up moments.

use jiff::tz::TimeZone;

use super::*;
use crate::command::report::gather::tests::{report, shown, ten_minutes};
use memtrace_core::fixture;
use memtrace_core::model::Measured;
use memtrace_core::model::snapshot::VmView;
use memtrace_core::policy::Reason;
use memtrace_core::policy::ScopeObservation;
use memtrace_core::units::{Bytes, Percent};

fn made(report: &Contents, losses: &[String]) -> String {
    let around = Around { source: "recordings", losses, zone: &TimeZone::UTC };
    page(report, &around).expect("it can be drawn")
}

/// The part under a heading, a tag a line, without plots.
fn part(page: &str, heading: &str) -> String {
    let (_, rest) = page.split_once(&format!("<h2>{heading}</h2>")).expect("it has this part");
    let part = rest.split("<h2>").next().unwrap_or_default();
    let mut pieces = part.split("<svg");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text.push_str("[plot]");
        text.push_str(piece.split_once("</svg>").expect("it ends").1);
    }
    text.replace("><", ">\n<")
}

#[test]
fn recorded_parts_and_missing_parts() {
    let losses = ["a.mtrec: the frame's checksum is wrong at byte 9; 5 bytes are lost".to_owned()];
    let page = made(&report(ten_minutes()), &losses);
    insta::assert_snapshot!(part(&page, "Recording"));
}

#[test]
fn the_worst_minutes_and_who_suffered() {
    let page = made(&report(ten_minutes()), &[]);
    let parts = [
        "Most stalled VMs",
        "VMs that caused most reclaim",
        "Reclaim attribution",
        "Worst minutes",
    ];
    insta::assert_snapshot!(parts.map(|heading| part(&page, heading)).join("\n\n"));
}

#[test]
fn lanes_decisions_and_alerts() {
    let page = made(&report(ten_minutes()), &[]);
    let parts = ["VMs", "Decisions", "Alerts", "Wait times"];
    insta::assert_snapshot!(parts.map(|heading| part(&page, heading)).join("\n\n"));
}

#[test]
fn unknown_values_are_marked_and_not_drawn_as_zero() {
    let mut shown = shown(1, Some(1), Vec::new());
    shown.snapshot = fixture::without_kernel_side();
    let page = made(&report(vec![shown]), &[]);
    for text in [
        "Unknown: /proc/pressure/memory was not read; PSI may be off (psi=1).",
        "Unknown: the kernel side doesn't run: CAP_BPF is missing.",
        "2 quiet VMs, no others",
        "absent",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert_eq!(page.matches("None.").count(), 0);
}

#[test]
fn a_scope_is_shown_with_its_limit_and_the_host_alone_without_one() {
    let pool = |available| ScopeObservation {
        cgroup: Some("pool".to_owned()),
        total: Some(Bytes(2 << 30)),
        available,
        ..ScopeObservation::default()
    };
    let mut moments = ten_minutes();
    let alone = made(&report(moments.clone()), &[]);
    assert!(!alone.contains("of the scope") && !alone.contains("the cgroup"));
    for moment in &mut moments {
        moment.scope = Some(pool(Some(Bytes(300 << 20))));
    }
    let page = made(&report(moments.clone()), &[]);
    assert!(page.contains("the cgroup pool, at most 2.0 GiB"), "{page}");
    assert!(page.contains("Available memory of the scope"), "{page}");
    assert!(page.contains("2.0 GiB total; least 300 MiB"), "{page}");
    for moment in &mut moments {
        moment.scope = Some(pool(None));
    }
    let page = made(&report(moments), &[]);
    assert!(page.contains("Unknown: limit, usage or reclaimable memory of the scope"));
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let page = made(&report(ten_minutes()), &[]);
    for foreign in ["http", "<script", "src=", "href=", "url(", "@import", "<link"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn names_can_do_no_harm() {
    let bad = "</style><script>alert(1)</script>\"' onload=x \u{1b}[2J\u{202e}";
    let mut moments = ten_minutes();
    for moment in &mut moments {
        let snapshot = std::sync::Arc::make_mut(&mut moment.snapshot);
        snapshot.vms[0].name = bad.to_owned();
        snapshot.host.hostname = Some(bad.to_owned());
        snapshot.host.kernel = Some(bad.to_owned());
        let reaction = moment.reaction.iter_mut();
        for action in reaction.flat_map(|reaction| &mut reaction.decisions.actions) {
            action.reason = Reason::Reported { text: bad.to_owned() };
        }
    }
    let page = made(&report(moments), &[bad.to_owned()]);
    for harm in ["<script", "alert(1)<", "\"' onload", "\u{1b}", "\u{202e}"] {
        assert!(!page.contains(harm), "{harm:?}");
    }
    assert!(page.matches("&lt;script&gt;").count() > 5);
}

#[test]
fn there_are_no_more_lanes_than_can_be_looked_at() {
    let stalled = |pid: u32| VmView {
        stalled: Measured::exact(Percent(f64::from(pid))),
        ..fixture::vm(&format!("vm-{pid}"), pid)
    };
    let mut vms: Vec<VmView> = (1..=60).map(stalled).collect();
    vms.extend((100..130).map(|pid| fixture::vm("quiet", pid)));
    let page = made(&report(vec![shown(1, Some(1), vms.clone()), shown(2, Some(1), vms)]), &[]);
    assert_eq!(page.matches("class=\"lane\"").count(), 40);
    assert!(page.contains("and 20 more VMs with shorter stalls"));
    assert!(page.contains("and 30 more quiet VMs"));
    assert!(page.len() < 400_000, "{} bytes", page.len());
}
