//! The texts about swap and unused memory.

use super::{MOST_ROWS, NAME, Page, bytes};
use crate::command::advise::dead::{Cure, Dead, DeadAdvice};
use crate::command::advise::swap::{Swap, SwapAdvice};
use memtrace_core::format::{self, UNKNOWN};
use memtrace_core::text::{clean, left, right};
use memtrace_core::units::{Bytes, Percent};
use memtrace_view::emphasis::Emphasis;

impl Page<'_> {
    pub(super) fn swap(&mut self, swap: &SwapAdvice) {
        let (size, now) = (bytes(swap.size), bytes(swap.now));
        let (text, emphasis) = match swap.advice {
            Swap::NotNeeded => ("none needed".to_owned(), Emphasis::Strong),
            Swap::Enough => (format!("{size} is enough"), Emphasis::Strong),
            Swap::More => (format!("{size} recommended"), Emphasis::Warm),
            Swap::TooLittle => ("too little data".to_owned(), Emphasis::Dim),
        };
        let sure = match swap.advice {
            Swap::TooLittle => String::new(),
            _ => format!(" (confidence: {})", swap.sure.word()),
        };
        self.line("", Emphasis::Plain);
        self.line(&format!("Swap: {text}; present: {now}{sure}"), emphasis);
        let percent = |share: Option<Percent>| {
            share.map_or(UNKNOWN.to_owned(), |share| format::percent(share, 5))
        };
        let steady = match swap.steady {
            Some(true) => "steady",
            Some(false) => "not steady",
            None => "unknown",
        };
        self.said(
            &format!(
                "in use {} (p99); unused memory in it {}; peak demand beyond memory {}; swap-in \
                 {}/s (p99), over \
                 the limit for {} of the time; demand is {steady}",
                bytes(swap.used_p99),
                range(swap.dead_least, swap.dead_most),
                bytes(swap.short),
                bytes(swap.reads_p99),
                percent(swap.leant),
            ),
            Emphasis::Plain,
        );
        for why in &swap.why {
            self.said(why, Emphasis::Plain);
        }
    }

    pub(super) fn dead(&mut self, dead: &Dead) {
        let (much, little): (Vec<&DeadAdvice>, Vec<_>) =
            dead.vms.iter().partition(|vm| vm.cure != Cure::None);
        if dead.vms.is_empty() && dead.unknown == 0 {
            return;
        }
        let head = ["p50", "p95", "on host"].map(|word| right(word, 8)).concat();
        self.line("", Emphasis::Plain);
        let head = format!("{}{head}  in swap        confidence", left("Unused memory", NAME));
        self.line(&head, Emphasis::Strong);
        for vm in much.iter().take(MOST_ROWS) {
            let sizes = [Some(vm.p50), Some(vm.p95), vm.footprint];
            let sizes = sizes.map(|size| right(&bytes(size), 8)).concat();
            let swapped = left(&range(vm.swapped_least, vm.swapped_most), 13);
            let (name, sure) = (left(&clean(&vm.name), NAME), vm.sure.word());
            self.line(&format!("{name}{sizes}  {swapped}  {sure}"), Emphasis::Warm);
        }
        for cure in [Cure::Reporting, Cure::Device] {
            let names: Vec<_> =
                much.iter().filter(|vm| vm.cure == cure).map(|vm| clean(&vm.name)).collect();
            if !names.is_empty() {
                let names = names.get(..MOST_ROWS).unwrap_or(&names).join(", ");
                self.said(&format!("{names}: {}", cure.words()), Emphasis::Plain);
            }
        }
        if !little.is_empty() {
            self.said(&format!("{} more have little unused memory", little.len()), Emphasis::Dim);
        }
        if dead.unknown > 0 {
            let vms = if dead.unknown == 1 { "VM" } else { "VMs" };
            let text = format!("unknown for {} {vms}: no guest statistics", dead.unknown);
            self.said(&text, Emphasis::Dim);
        }
    }
}

/// `1.8G to 4.9G`.
fn range(least: Option<Bytes>, most: Option<Bytes>) -> String {
    match (least, most) {
        (Some(least), Some(most)) if least == most => bytes(Some(most)),
        (Some(_), Some(_)) => format!("{} to {}", bytes(least), bytes(most)),
        _ => UNKNOWN.to_owned(),
    }
}
