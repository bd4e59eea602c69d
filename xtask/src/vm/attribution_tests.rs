//! The document, of made-up reports.

use super::*;
use crate::truth::table::Skipped;

fn row(signal: &str, memtrace: f64, kernel: f64, quality: Quality) -> Row {
    Row {
        signal: signal.to_owned(),
        subject: "noisy".to_owned(),
        counter: "pages".to_owned(),
        memtrace,
        kernel,
        source: "VmSwap".to_owned(),
        rule: Rule::within(1.0, 16.0),
        quality,
    }
}

fn outcome() -> Outcome {
    let near = Quality::approximate("huge | pages");
    let table = Table {
        rows: vec![
            row("swap_out", 1002.0, 1000.0, Quality::Exact),
            row("swap_out", 0.0, 0.0, Quality::Exact),
            row("swap_in", 970.0, 1000.0, near),
            row("taken", 2000.0, 1000.0, Quality::Exact),
            row("major_faults", 0.0, 0.0, Quality::Exact),
        ],
        skipped: vec![Skipped {
            signal: "swap_device".to_owned(),
            subject: "noisy".to_owned(),
            counter: "pages".to_owned(),
            reason: "no pswpin".to_owned(),
        }],
    };
    let scenario = |name: &str, state| Scenario { name: name.to_owned(), seconds: 1.0, state };
    let mut outcome = Outcome::default();
    outcome.kernel = Some("6.1.0-cloud-amd64".to_owned());
    outcome.scenarios = vec![
        scenario("max", State::Compared(table)),
        scenario("zswap", State::Skipped("no zswap".to_owned())),
    ];
    outcome
}

#[test]
fn each_cell_says_what_the_number_is_worth_and_how_far_it_was() {
    let text = document(&[outcome()], "2026-01-31");
    for expected in [
        "| swap_out | exact (+0.2 %) |",
        "| swap_in | approximate (-3.0 %) [1] |",
        "| taken | **WRONG** (+100.0 %) [2] |",
        "| major_faults | - |",
        "| (all) | skipped [3] |",
        "1. huge | pages\n",
        "2. noisy: pages: 2000 against 1000 of VmSwap\n",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
}
