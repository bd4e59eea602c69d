//! docs/simulator.md from the comparison.

use std::fs;

use anyhow::{Context as _, Result};
use memtrace_lab::paths;

use super::comparison::{Comparison, MEASURES};
use super::plot;

/// Measures that have a picture.
const DRAWN: [(usize, &str); 3] =
    [(0, "simulator-stall.svg"), (1, "simulator-swap-in.svg"), (2, "simulator-faults.svg")];

/// Writes the page, and its pictures.
///
/// # Errors
/// When one can't be drawn or written.
pub(super) fn write(comparison: &Comparison) -> Result<()> {
    let docs = paths::workspace().join("docs");
    for (number, picture) in DRAWN {
        if let Some(measure) = MEASURES.get(number) {
            let svg = plot::draw(measure, &comparison.compared(number))?;
            fs::write(docs.join(picture), svg).context("write the picture")?;
        }
    }
    fs::write(docs.join("simulator.md"), page(comparison)).context("write the page")
}

fn page(comparison: &Comparison) -> String {
    let mut text = String::from(HEAD);
    text.push_str(&format!("\n## How far they agree\n\n{}\n", comparison.agreement()));
    let listed = comparison.disagreements_listed();
    if listed.is_empty() {
        text.push_str("On no host do they disagree by more than 2x on which of two rules wins.\n");
    } else {
        text.push_str("Pairs of rules of which the simulator and the guests don't see the same ");
        text.push_str(&format!("win, by more than 2x:\n\n{listed}"));
    }
    for (number, picture) in DRAWN {
        let name = MEASURES.get(number).map_or("", |measure| measure.name);
        text.push_str(&format!("\n![{name}, simulated and real]({picture})\n"));
    }
    text.push_str(&format!("\n## Each host under each rule\n\n{}", comparison.table()));
    text.push_str(TAIL);
    text
}

const HEAD: &str = include_str!("page/head.md");
const TAIL: &str = include_str!("page/tail.md");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_it_has_no_numbers_for() {
        let page = page(&Comparison::default());
        assert!(page.contains("| stall | - | 0 |") && page.contains("On no host"), "{page}");
        assert!(page.contains("does not know"));
    }
}
