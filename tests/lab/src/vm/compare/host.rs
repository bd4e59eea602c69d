//! What is of the whole host, or of several guests together.

use memtrace_core::accuracy::table::Rule;
use memtrace_core::signal::Quality;

use super::{EQUAL, Sheet};
use crate::vm::comparison::{Comparison, Guest};

pub fn rows(comparison: Comparison<'_>, sheet: &mut Sheet<'_>) {
    reclaims(comparison, sheet);
    swap_ins(comparison, sheet);
    taken(comparison, sheet);
    writes(comparison, sheet);
    shared_cgroup(comparison, sheet);
    let losses = (comparison.losses(), Quality::Exact);
    sheet.compare(("lifecycle", "losses"), losses, (Some(0.0), "none may be"), EQUAL);
    // What they cost shows in the other rows.
    let missed = comparison.missed_runs().map_or("unknown".to_owned(), |count| count.to_string());
    let reason = format!("no counter of the kernel's to hold it against; memtrace says {missed}");
    sheet.skip(("lifecycle", "runs that the kernel left out"), &reason);
}

fn reclaims(comparison: Comparison<'_>, sheet: &mut Sheet<'_>) {
    let near = Rule::within(2.0, 4.0);
    let direct = (comparison.sum("direct_reclaims"), comparison.quality("direct_reclaim"));
    let kernel = (comparison.vmstat_family("allocstall_"), "vmstat allocstall_*");
    sheet.compare(("direct_reclaim", "direct reclaims"), direct, kernel, near);
    let memcg = (comparison.sum("memcg_reclaims"), comparison.quality("memcg_reclaim"));
    let (max, high) = (comparison.kernel("events/max"), comparison.kernel("events/high"));
    let hits = max.zip(high).map(|(max, high)| max + high);
    let kernel = (hits, "memory.events max + high");
    // What zswap stores is charged within reclaim, where the limit may be passed: that is a
    // `max` event as well, and no reclaim (`raised_max_event` in try_charge_memcg).
    let stored = comparison.kernel("vmstat/zswpout").is_some_and(|pages| pages > 0.0);
    let rule = if stored { Rule::AtMost } else { near };
    sheet.compare(("memcg_reclaim", "memcg reclaims"), memcg, kernel, rule);
    let rounds = (comparison.host("host/kswapd_wakes"), comparison.quality("kswapd"));
    let kernel = (comparison.kernel("vmstat/pageoutrun"), "vmstat pageoutrun");
    sheet.compare(("kswapd", "rounds of kswapd"), rounds, kernel, near);
    let begun = (comparison.sum("compactions"), comparison.quality("compaction"));
    // Those that find nothing to do are not in the kernel's.
    let kernel = (comparison.kernel("vmstat/compact_stall"), "vmstat compact_stall");
    sheet.compare(("compaction", "direct compactions"), begun, kernel, Rule::AtLeast);
}

/// Swap-ins of the guests in cgroups of the lab, against the pages that the kernel read back
/// there, less those never mapped. The kernel has the latter only for the whole host.
fn swap_ins(comparison: Comparison<'_>, sheet: &mut Sheet<'_>) {
    let guests: Vec<Guest<'_>> =
        comparison.guests().filter(|guest| !guest.is_gone() && !guest.is("rooted")).collect();
    let shown: Option<f64> = guests.iter().map(|guest| guest.shown_pages("swap_in")).sum();
    let worst = guests.iter().map(|guest| guest.quality("swap_in")).reduce(Quality::and);
    let read = of_cgroups(&guests, "workingset_refault_anon");
    let kernel = read.zip(unmapped(comparison)).map(|(read, unmapped)| read - unmapped);
    let source = "98 % of workingset_refault_anon - pages read in vain";
    let shown = (shown, worst.unwrap_or(Quality::Exact));
    // Pages from the swap cache were not read, so this is a lower bound. The exact number follows
    // from the pages left in swap, in another row.
    let least = kernel.map(|pages| pages * 0.98);
    sheet.compare(("swap_in", "swap-ins, pages"), shown, (least, source), Rule::AtLeast);
}

/// A line of memory.stat of the guests' cgroups, each counted once: those that aren't alone
/// share one. It counts from the guests' start, since when they have their cgroups. (What
/// their parent has is late at its beginning with what came before.)
fn of_cgroups(guests: &[Guest<'_>], line: &str) -> Option<f64> {
    let (alone, together): (Vec<&Guest<'_>>, Vec<_>) =
        guests.iter().partition(|guest| guest.is("alone"));
    let shared = together.first().map_or(Some(0.0), |guest| guest.stat(line));
    let own: Option<f64> = alone.iter().map(|guest| guest.stat(line)).sum();
    own.zip(shared).map(|(own, shared)| own + shared)
}

/// Pages that were read and never mapped: unused readahead, or read for a fault that was retried
/// after they were gone (a guest that memory.high makes sleep in between). The latter by what the
/// swap cache was given and has neither lost to reclaim nor still has: written + read - stolen -
/// cached came back to guests.
fn unmapped(comparison: Comparison<'_>) -> Option<f64> {
    let vmstat = |name: &str| comparison.kernel(&format!("vmstat/{name}"));
    let gone = vmstat("pgsteal_anon").zip(vmstat("nr_swapcached"));
    let gone = gone.zip(written(comparison)).map(|((stolen, cached), put)| stolen + cached - put);
    unwanted(comparison).map(|ahead| gone.map_or(ahead, |gone| gone.max(ahead)))
}

/// Pages that were written to swap, or known as nothing but zeros.
fn written(comparison: Comparison<'_>) -> Option<f64> {
    let vmstat = |name: &str| comparison.kernel(&format!("vmstat/{name}"));
    let unwritten = vmstat("swpout_zero").unwrap_or(0.0) + vmstat("zswpout").unwrap_or(0.0);
    vmstat("pswpout").map(|pages| pages + unwritten)
}

/// Readahead that was never used.
fn unwanted(comparison: Comparison<'_>) -> Option<f64> {
    let vmstat = |name: &str| comparison.kernel(&format!("vmstat/{name}"));
    vmstat("swap_ra").zip(vmstat("swap_ra_hit")).map(|(read, hit)| read - hit)
}

/// Each page that was written to swap, or known as nothing but zeros, was taken before. What
/// was taken and not written is still in the swap cache or came back from it: reclaim unmaps
/// a page before it writes it (`shrink_folio_list` in mm/vmscan.c), and a fault in between
/// finds it there. (Guests that only read would make a difference, as their pages have
/// their copy in swap.) What was stolen was taken before, or read ahead in vain; the kernel
/// counts reclaim in cgroups here as well (`shrink_inactive_list` in mm/vmscan.c counts
/// PGSTEAL_ANON without asking).
fn taken(comparison: Comparison<'_>, sheet: &mut Sheet<'_>) {
    let taken = (comparison.taken(), comparison.quality_of_flows());
    let vmstat = |name: &str| comparison.kernel(&format!("vmstat/{name}"));
    let written = written(comparison);
    let unwritten = vmstat("nr_swapcached").unwrap_or(0.0).max(0.0) + unread(comparison);
    let source = "vmstat pswpout, zeros included";
    let rule = Rule::within(2.0, unwritten.max(16.0));
    sheet.compare(("flows", "pages taken"), taken.clone(), (written, source), rule);
    let least = (written.map(|pages| pages * 0.98), "98 % of vmstat pswpout, zeros included");
    sheet.compare(("flows", "pages taken, of those written"), taken.clone(), least, Rule::AtLeast);
    let name = ("flows", "pages taken, of those stolen");
    if vmstat("thp_split_page").is_some_and(|split| split > 0.0) {
        // From 6.12 on (`remap_page` with RMP_USE_SHARED_ZEROPAGE in mm/huge_memory.c).
        let reason = "huge pages were split, whose zero pages are stolen and go to no swap";
        return sheet.skip(name, reason);
    }
    let stolen = vmstat("pgsteal_anon").zip(unwanted(comparison));
    // Nor were those that a fault read and found gone when it came again.
    let stolen = stolen.map(|(stolen, unwanted)| (stolen - unwanted) * 0.98);
    let source = "98 % of vmstat pgsteal_anon - unused readahead";
    sheet.compare(name, taken, (stolen, source), Rule::AtLeast);
}

/// Of huge pages that go to swap whole, 5.10 counts one each.
fn writes(comparison: Comparison<'_>, sheet: &mut Sheet<'_>) {
    let whole = comparison.kernel("vmstat/thp_swpout").unwrap_or(0.0);
    let kernel = comparison.kernel("vmstat/nr_vmscan_write");
    let by_folio = kernel < comparison.kernel("vmstat/pswpout");
    let rule = match whole > 0.0 && by_folio {
        true => Rule::AtLeast,
        false => Rule::within(1.0, 16.0),
    };
    let counter = format!("reclaim writes, pages ({whole} huge at once)");
    let counted = (comparison.sum("reclaim_write_pages"), comparison.quality("reclaim_writes"));
    let kernel = (kernel, "vmstat nr_vmscan_write");
    sheet.compare(("reclaim_writes", &counter), counted, kernel, rule);
}

/// Pages that came back to guests without being read, because they had not left the swap
/// cache; 0 where that can't be told.
fn unread(comparison: Comparison<'_>) -> f64 {
    let guests = comparison.guests().filter(|guest| !guest.is_gone());
    let back: Option<f64> = guests.map(|guest| guest.shown_pages("swap_in")).sum();
    let read = comparison.kernel("vmstat/workingset_refault_anon").zip(unwanted(comparison));
    let unread = back.zip(read).map(|(back, (read, unwanted))| back - (read - unwanted));
    unread.unwrap_or(0.0).max(0.0)
}

/// Guests in one cgroup: together they have what the cgroup has.
fn shared_cgroup(comparison: Comparison<'_>, sheet: &mut Sheet<'_>) {
    let guests: Vec<Guest<'_>> =
        comparison.guests().filter(|guest| !guest.is("alone") && !guest.is_gone()).collect();
    let [first, _, ..] = guests.as_slice() else { return };
    let faults: Option<f64> = guests.iter().map(|guest| guest.shown("major_faults")).sum();
    let qualities = guests.iter().map(|guest| guest.quality("major_faults"));
    let worst = qualities.reduce(Quality::and).unwrap_or(Quality::Exact);
    let kernel = (first.stat("pgmajfault"), "memory.stat pgmajfault");
    let name = ("major_faults", "major faults of both");
    sheet.compare(name, (faults, worst), kernel, Rule::within(1.0, 4.0));
}
