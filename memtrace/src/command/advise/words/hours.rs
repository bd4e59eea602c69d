//! The table by hour of the day.

use super::{MOST_ROWS, NAME, Page, bytes};
use crate::command::advise::hours::{ByHour, Couple};
use memtrace_core::text::{clean, left, right};
use memtrace_view::emphasis::Emphasis;

impl Page<'_> {
    pub(super) fn hours(&mut self, hours: &ByHour) {
        if hours.vms.is_empty() {
            return;
        }
        self.line("", Emphasis::Plain);
        let title = "Demand by hour of the day: p95 in tenths of its own largest hour; - unknown";
        self.line(title, Emphasis::Strong);
        let head = format!("{}0     6     12    18      largest", left("", NAME));
        self.line(&head, Emphasis::Dim);
        for vm in hours.vms.iter().take(MOST_ROWS) {
            let (name, most) = (left(&clean(&vm.name), NAME), right(&bytes(vm.most()), 7));
            self.line(&format!("{name}{}{most}", vm.digits()), Emphasis::Plain);
        }
        if hours.vms.len() > MOST_ROWS {
            let more = hours.vms.len() - MOST_ROWS;
            self.said(&format!("and {more} more with a smaller largest hour"), Emphasis::Dim);
        }
        for (word, couples) in [("together", &hours.together), ("apart", &hours.apart)] {
            if !couples.is_empty() {
                let couples: Vec<String> = couples.iter().map(couple).collect();
                self.said(&format!("peak {word}: {}", couples.join(", ")), Emphasis::Plain);
            }
        }
    }
}

fn couple(couple: &Couple) -> String {
    format!("{} and {} ({:.2})", couple.one, couple.other, couple.correlation)
}
