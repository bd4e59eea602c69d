//! What a host reported of one moment, read by name: memtrace's document, the kernel's
//! counters of each guest and of the host. Pure; knows nothing of what should agree.

use serde_json::Value;

use crate::truth::Quality;

/// Pages in /proc's kB.
const KIB_A_PAGE: u64 = 4;

/// The whole of it.
#[derive(Clone, Copy)]
pub struct Comparison<'a>(pub &'a Value);

/// One guest in it.
pub struct Guest<'a> {
    pub name: &'a str,
    of: Comparison<'a>,
    kernel: &'a Value,
    view: Option<&'a Value>,
}

impl<'a> Comparison<'a> {
    pub fn guests(self) -> impl Iterator<Item = Guest<'a>> {
        self.list("/guests").filter_map(move |guest| {
            let name = guest.get("name")?.as_str()?;
            let view = self.vms().find(|vm| vm.get("name").and_then(Value::as_str) == Some(name));
            Some(Guest { name, of: self, kernel: guest.get("kernel")?, view })
        })
    }

    /// A total over all VMs, kswapd and everybody else.
    pub fn sum(self, counter: &str) -> u64 {
        let others = ["kswapd", "other"].into_iter().filter_map(|party| {
            self.number(&format!("/memtrace/host/totals/value/{party}/{counter}"))
        });
        let vms =
            self.vms().filter_map(|vm| vm.pointer(&format!("/totals/value/{counter}"))?.as_u64());
        vms.chain(others).fold(0, u64::saturating_add)
    }

    /// A counter of the kernel, as `file/name`.
    pub fn kernel(self, path: &str) -> Option<u64> {
        self.number(&format!("/host/{path}"))
    }

    /// All that memtrace says it lost, runs that the kernel left out apart.
    pub fn losses(self) -> Option<u64> {
        let losses = self.0.pointer("/memtrace/host/losses/value")?.as_object()?;
        let lost = losses.iter().filter(|(name, _)| *name != "missed_runs");
        Some(lost.filter_map(|(_, count)| count.as_u64()).fold(0, u64::saturating_add))
    }

    /// Runs of a program that the kernel left out, because one was under way on that CPU.
    pub fn missed_runs(self) -> Option<u64> {
        self.number("/memtrace/host/losses/value/missed_runs")
    }

    /// A field of memtrace's own /proc/PID/status.
    pub fn tracer(self, field: &str) -> Option<u64> {
        self.number(&format!("/tracer/{field}"))
    }

    /// What memtrace says a signal is worth on this kernel.
    pub fn quality(self, signal: &str) -> Quality {
        let named = |status: &&Value| status.get("signal").and_then(Value::as_str) == Some(signal);
        self.list("/memtrace/signals")
            .find(named)
            .and_then(|status| serde_json::from_value(status.clone()).ok())
            .unwrap_or_else(|| Quality::absent("memtrace doesn't know this signal"))
    }

    fn number(self, path: &str) -> Option<u64> {
        self.0.pointer(path)?.as_u64()
    }

    fn list(self, path: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.0.pointer(path).and_then(Value::as_array).into_iter().flatten()
    }

    fn vms(self) -> impl Iterator<Item = &'a Value> {
        self.list("/memtrace/vms")
    }
}

impl Guest<'_> {
    /// One of memtrace's counters.
    pub fn total(&self, counter: &str) -> Option<u64> {
        self.view?.pointer(&format!("/totals/value/{counter}"))?.as_u64()
    }

    /// A line of its cgroup's memory.stat.
    pub fn stat(&self, name: &str) -> Option<u64> {
        self.kernel.get("stat")?.get(name)?.as_u64()
    }

    /// A field of its process.
    pub fn process(&self, name: &str) -> Option<u64> {
        self.kernel.get("process")?.get(name)?.as_u64()
    }

    /// VmSwap in pages.
    pub fn swapped(&self) -> Option<u64> {
        self.process("VmSwap").map(|kib| kib / KIB_A_PAGE)
    }

    /// Whether memtrace says that it measures a signal exactly.
    pub fn is_exact(&self, signal: &str) -> bool {
        self.of.list("/memtrace/signals").any(|status| {
            status.get("signal").and_then(Value::as_str) == Some(signal)
                && status.get("quality").and_then(Value::as_str) == Some("exact")
        })
    }

    /// Pages that anybody took from it.
    pub fn flows(&self) -> Option<u64> {
        let uuid = self.view?.get("uuid")?.as_str()?;
        let taken = self
            .of
            .list("/memtrace/flows/value")
            .filter(|flow| flow.pointer("/victim/vm/uuid").and_then(Value::as_str) == Some(uuid))
            .filter_map(|flow| flow.get("total_pages")?.as_u64());
        Some(taken.fold(0, u64::saturating_add))
    }

    /// The largest that a number was in any document.
    pub fn largest(&self, field: &str) -> u64 {
        let course = self.of.list(&format!("/courses/{}", self.name));
        course.filter_map(|known| known.get(field)?.as_u64()).max().unwrap_or(0)
    }
}
