//! docs/policy.md tells what a run gives today.

use super::super::{catalogue, run};
use crate::policy::Memtrace;

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policy.md"));

/// The cells of memtrace's row under a scenario's heading.
fn kept(scenario: &str) -> Vec<String> {
    let section = PAGE.split_once(&format!("\n## {scenario}\n")).expect("it has a section").1;
    let row = section.lines().find(|line| line.starts_with("| memtrace "));
    let cells = row.expect("it has a row").trim_matches('|').split('|');
    cells.map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn the_page_is_of_today() {
    for scenario in catalogue::all().expect("they are scenarios") {
        let is = run(&scenario, &mut Memtrace::default()).expect("physics hold");
        let fresh = [
            "memtrace".to_owned(),
            format!("{:.1}", is.stall_seconds),
            format!("{:.2}", is.swap_in_gib),
            is.guest_ooms.to_string(),
            is.kills.to_string(),
            is.relief_seconds.to_string(),
            is.oscillations.to_string(),
            format!("{:.0}", is.needless_gib_seconds),
            is.breaches.to_string(),
        ];
        let name = &scenario.name;
        assert_eq!(kept(name), fresh, "{name}: write the page anew (cargo xtask bench policy)");
    }
}
