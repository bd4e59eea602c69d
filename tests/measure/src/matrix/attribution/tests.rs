//! The document, of made-up reports.

use memtrace_core::accuracy::table::Skipped;

use super::*;

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

fn outcome() -> Kept {
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
            did_not_occur: false,
        }],
    };
    let scenario = |name: &str, state| Scenario { name: name.to_owned(), seconds: 1.0, state };
    Kept {
        date: "2026-01-31".to_owned(),
        kernel: Some("6.1.0-cloud-amd64".to_owned()),
        earlier: std::collections::BTreeMap::new(),
        scenarios: vec![
            scenario("max", ScenarioState::Compared(table)),
            scenario("zswap", ScenarioState::Skipped("no zswap".to_owned())),
        ],
        signals: Vec::new(),
    }
}

#[test]
fn each_cell_says_what_the_number_is_worth_and_how_far_it_was() {
    let text = document(&[outcome()]);
    for expected in [
        "| swap_out | exact (+0.2 %) |",
        "| swap_in | approximate (-3.0 %) [1] |",
        "| taken | **WRONG** (+100.0 %) [2] |",
        "| major_faults | - |",
        "| (all) | skipped [3] |",
        "Produced on 2026-01-31 (6.1.0).",
        "1. huge | pages\n",
        "2. noisy: pages: 2000 against 1000 of VmSwap\n",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
}

/// Shape alone: which scenarios there are, and that each line of a table has as many cells
/// as its head. The numbers are those of the day.
#[test]
fn the_kept_document_has_every_scenario_and_whole_tables() {
    let text = fs::read_to_string(path()).unwrap();
    assert!(text.starts_with(INTRODUCTION), "write it again: cargo xtask vm --all --write");
    for scenario in scenario::ALL {
        assert!(text.contains(&format!("\n## {}: {}\n", scenario.name, scenario.about)));
    }
    let mut cells = None;
    let mut tables = 0;
    for line in text.lines() {
        let count = line.starts_with('|').then(|| line.matches('|').count());
        match (cells, count) {
            (Some(cells), Some(count)) => assert_eq!(cells, count, "{line}"),
            (None, Some(_)) => tables += 1,
            _ => {}
        }
        cells = count;
    }
    assert!(tables > scenario::ALL.len());
    assert!(!text.contains("WRONG**"), "an exact number beyond its bound is a bug");
}
