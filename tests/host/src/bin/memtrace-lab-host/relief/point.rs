//! Reads a moment of a run: the kernel's counters beside memtrace's own numbers.

use anyhow::Result;
use memtrace_lab_host::series::{Host, OfOne};
use serde_json::Value;

use crate::counters::{self, Counters, OfGuest};
use crate::guest::Guest;
use crate::tracer::Tracer;

const MIB: f64 = 1_048_576.0;

/// Reads everything.
///
/// # Errors
/// When the host's counters can't be read.
pub fn host(tracer: &mut Tracer) -> Result<(Option<String>, Host)> {
    let vmstat = counters::of_host()?.vmstat;
    let pressure = counters::pressure(&std::fs::read_to_string("/proc/pressure/memory")?);
    let document = tracer.newest()?;
    let state = document.pointer("/reaction/decisions/state").and_then(Value::as_str);
    let available = document.pointer("/snapshot/host/memory_available/value");
    let host = Host {
        available: available.and_then(Value::as_f64).map(|bytes| bytes / MIB),
        swapped_in: count(&vmstat, "pswpin").map(pages),
        swapped_out: count(&vmstat, "pswpout").map(pages),
        killed: count(&vmstat, "oom_kill"),
        pressure: count(&pressure, "some").map(microseconds),
    };
    Ok((state.map(str::to_owned), host))
}

/// Reads what is known of one; `touched` is what it said itself.
///
/// # Errors
/// When its counters can't be read.
pub fn guest(guest: &Guest, tracer: &mut Tracer, touched: Option<f64>) -> Result<OfOne> {
    let name = guest.plan.name;
    let OfGuest { process, stat, events, pressure, waits, .. } =
        counters::of_guest(guest.plan, guest.qemu.pid())?;
    let vms = tracer.newest()?.pointer("/snapshot/vms").and_then(Value::as_array);
    let named = |vm: &&Value| vm.get("name").and_then(Value::as_str) == Some(name);
    let vm = vms.and_then(|vms| vms.iter().find(named));
    let size = vm.and_then(|vm| vm.pointer("/balloon_actual/value")).and_then(Value::as_f64);
    let course = tracer.courses().get(name);
    let grown = |field: &str| {
        course.and_then(|course| course.get(field)).filter(|cell| cell.known > 0).map(|c| c.grown)
    };
    Ok(OfOne {
        name: name.to_owned(),
        size: size.map(|bytes| bytes / MIB),
        resident: count(&process, "VmRSS").map(kib),
        swapped: count(&process, "VmSwap").map(kib),
        // Per cent times seconds.
        stalled: grown("stalled").map(|sum| sum / 100.0),
        swapped_in: grown("swap_in").map(|bytes| bytes / MIB),
        reclaiming: count(&waits, "ns").map(|ns| ns as f64 / 1e9),
        pressure: count(&pressure, "some").map(microseconds),
        refaulted: count(&stat, "workingset_refault_anon").map(pages),
        major_faults: count(&stat, "pgmajfault"),
        killed: count(&events, "oom_kill"),
        touched,
    })
}

/// MiB that a guest says it touched: `touched=12` among its words.
pub fn touched(status: &str) -> Option<f64> {
    status.split_whitespace().find_map(|word| word.strip_prefix("touched="))?.parse().ok()
}

fn count(counters: &Counters, name: &str) -> Option<u64> {
    counters.get(name).copied()
}

fn pages(count: u64) -> f64 {
    count as f64 * rustix::param::page_size() as f64 / MIB
}

fn kib(count: u64) -> f64 {
    count as f64 / 1024.0
}

fn microseconds(count: u64) -> f64 {
    count as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_status_has_the_memory_it_touched() {
        assert_eq!(touched("ok mode=cycle mib=600 walks=1 touched=730"), Some(730.0));
        assert_eq!(touched("ok mode=cycle mib=600 walks=1"), None);
    }
}
