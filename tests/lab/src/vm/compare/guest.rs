//! What is of one guest: its pages, its faults.

use memtrace_core::accuracy::table::Rule;
use memtrace_core::signal::Quality;

use super::{EQUAL, Name, Sheet};
use crate::vm::comparison::{Comparison, Guest};

/// Swap as VmSwap has it.
const SWAPPED: Rule = Rule::within(1.0, 16.0);

/// Of a guest that lives.
pub fn rows(guest: &Guest<'_>, comparison: Comparison<'_>, sheet: &mut Sheet<'_>) {
    swap(guest, sheet);
    device(guest, comparison, sheet);
    taken(guest, comparison, sheet);
    refaults(guest, sheet);
    major_faults(guest, sheet);
    faults(guest, comparison, sheet);
    if guest.is("huge") {
        let pool = guest.process("HugetlbPages").map(|kib| kib * 1024.0);
        let shown = (guest.last("hugetlb"), guest.quality("hugetlb"));
        sheet.compare(("huge_pages", "huge pages, bytes"), shown, (pool, "HugetlbPages"), EQUAL);
    }
}

/// Of one that the OOM killer took.
pub fn killed(guest: &Guest<'_>, comparison: Comparison<'_>, sheet: &mut Sheet<'_>) {
    let told = guest.pid().map(|pid| comparison.kills(pid));
    let told = (told, comparison.quality("oom_kills"));
    let kernel = (guest.event("oom_kill"), "memory.events oom_kill");
    sheet.compare(("oom_kills", "OOM kills, as told"), told, kernel, EQUAL);
}

fn swap(guest: &Guest<'_>, sheet: &mut Sheet<'_>) {
    let (out, back) = (guest.shown_pages("swap_out"), guest.shown_pages("swap_in"));
    let quality = guest.quality("swap_out").and(guest.quality("swap_in"));
    let net = out.zip(back).map(|(out, back)| out - back);
    let source = if guest.is("shared") { "VmSwap + smaps Swap" } else { "VmSwap" };
    let name = ("swap_out", "swap-outs less swap-ins, pages");
    sheet.compare(name, (net, quality), (guest.swapped(), source), SWAPPED);
}

/// The same hook counts I/O and major faults.
fn device(guest: &Guest<'_>, comparison: Comparison<'_>, sheet: &mut Sheet<'_>) {
    for (total, line, counter) in [
        ("swap_read_pages", "pswpin", "pages read from swap"),
        ("swap_write_pages", "pswpout", "pages written to swap"),
    ] {
        let name = ("swap_device", counter);
        if let Some(kernel) = own(guest, name, line, sheet) {
            let counted = (guest.total(total), comparison.quality("major_faults"));
            let source = format!("memory.stat {line}");
            sheet.compare(name, counted, (kernel, &source), Rule::within(1.0, 4.0));
        }
    }
}

fn taken(guest: &Guest<'_>, comparison: Comparison<'_>, sheet: &mut Sheet<'_>) {
    let (taken, back) = (guest.shown("taken"), guest.shown_pages("swap_in"));
    let quality = guest.quality("taken").and(guest.quality("swap_in"));
    let left = taken.zip(back).map(|(taken, back)| taken - back);
    let source = if guest.is("shared") { "VmSwap + smaps Swap" } else { "VmSwap" };
    let name = ("taken", "taken less swap-ins, pages");
    sheet.compare(name, (left, quality), (guest.swapped(), source), Rule::within(2.0, 16.0));
    let lost = guest.total("swap_out_pages").zip(guest.total("shmem_taken_pages"));
    let lost = lost.map(|(swapped, shared)| swapped + shared);
    let flows = (guest.flows(), comparison.quality("flows"));
    let name = ("flows", "pages taken, by causer");
    sheet.compare(name, flows, (lost, "memtrace's own: swap-outs"), EQUAL);
}

fn refaults(guest: &Guest<'_>, sheet: &mut Sheet<'_>) {
    let lines = ["workingset_refault_anon", "workingset_refault_file"];
    let name = ("refaults", "refaults, pages");
    let Some(anon) = own(guest, name, lines[0], sheet) else { return };
    let kernel = anon.zip(guest.stat(lines[1])).map(|(anon, file)| anon + file);
    let shown = (guest.shown("refaults"), guest.quality("refaults"));
    sheet.compare(name, shown, (kernel, "memory.stat workingset_refault"), Rule::within(2.0, 16.0));
}

fn major_faults(guest: &Guest<'_>, sheet: &mut Sheet<'_>) {
    let name = ("major_faults", "major faults");
    if let Some(kernel) = own(guest, name, "pgmajfault", sheet) {
        let shown = (guest.shown("major_faults"), guest.quality("major_faults"));
        sheet.compare(name, shown, (kernel, "memory.stat pgmajfault"), Rule::within(1.0, 4.0));
    }
}

/// A line of memory.stat, which speaks for the guest only where it is alone.
fn own(
    guest: &Guest<'_>,
    name: Name<'_>,
    line: &str,
    sheet: &mut Sheet<'_>,
) -> Option<Option<f64>> {
    if guest.is("alone") {
        return Some(guest.stat(line));
    }
    sheet.skip(name, "its cgroup is not its alone, so the kernel has no number for it");
    None
}

/// There have to be some.
fn faults(guest: &Guest<'_>, comparison: Comparison<'_>, sheet: &mut Sheet<'_>) {
    let (signal, counter, total) = match guest.is("emulated") {
        true => ("user_faults", "user faults", "user_faults"),
        false => ("guest_faults", "guest faults", "guest_faults"),
    };
    let counted = (guest.total(total), comparison.quality(signal));
    sheet.compare((signal, counter), counted, (Some(1.0), "at least one"), Rule::AtLeast);
    if guest.is("emulated") {
        let none = (guest.total("guest_faults"), Quality::Exact);
        sheet.compare(("guest_faults", "guest faults"), none, (Some(0.0), "TCG has none"), EQUAL);
    }
}
