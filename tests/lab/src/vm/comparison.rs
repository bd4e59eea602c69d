//! What a host reported of one scenario, read by name: memtrace's documents, the kernel's
//! counters of each guest and of the host. Pure; knows nothing of what should agree.

use memtrace_core::signal::Quality;
use serde_json::Value;

/// Reclaim that no VM did.
const OTHERS: [&str; 2] = ["kswapd", "other"];

/// The whole of it.
#[derive(Clone, Copy)]
pub struct Comparison<'a>(pub &'a Value);

/// One guest in it.
#[derive(Clone, Copy)]
pub struct Guest<'a> {
    pub name: &'a str,
    of: Comparison<'a>,
    fields: &'a Value,
    view: Option<&'a Value>,
}

impl<'a> Comparison<'a> {
    pub fn guests(self) -> impl Iterator<Item = Guest<'a>> {
        self.list("/guests").filter_map(move |fields| {
            let name = fields.get("name")?.as_str()?;
            let view = self.vms().find(|vm| vm.get("name").and_then(Value::as_str) == Some(name));
            Some(Guest { name, of: self, fields, view })
        })
    }

    /// Growth of a total over all VMs, kswapd and other. `None`: a VM is gone, and
    /// its total with it.
    pub fn sum(self, counter: &str) -> Option<f64> {
        if self.guests().any(|guest| guest.view.is_none()) {
            return None;
        }
        let total = |vm: &Value| vm.pointer(&format!("/totals/value/{counter}"))?.as_f64();
        // Those that are new began with nothing.
        let before: f64 = self.list("/before/memtrace/vms").filter_map(total).sum();
        let after: Option<f64> = self.vms().map(total).sum();
        let others = OTHERS.map(|party| self.host(&format!("{party}/{counter}")));
        Some(after? - before + others.into_iter().sum::<Option<f64>>()?)
    }

    /// Growth of one of memtrace's totals of the host, as `party/counter`.
    pub fn host(self, path: &str) -> Option<f64> {
        self.growth(&format!("memtrace/host/totals/value/{path}"))
    }

    /// Growth of a counter of the kernel, as `file/name`.
    pub fn kernel(self, path: &str) -> Option<f64> {
        self.growth(&format!("host/{path}"))
    }

    pub fn cpus(self) -> Option<f64> {
        self.0.pointer("/after/host/cpus")?.as_f64()
    }

    /// Bytes of a page.
    fn page(self) -> Option<f64> {
        self.0.pointer("/after/host/page_bytes")?.as_f64()
    }

    /// Growth of all of vmstat's counters that begin so.
    pub fn vmstat_family(self, prefix: &str) -> Option<f64> {
        let vmstat = self.0.pointer("/after/host/vmstat")?.as_object()?;
        let names = vmstat.keys().filter(|name| name.starts_with(prefix));
        names.map(|name| self.kernel(&format!("vmstat/{name}"))).sum()
    }

    /// Growth of all that memtrace says it lost, runs that the kernel left out apart.
    pub fn losses(self) -> Option<f64> {
        let losses = self.0.pointer("/after/memtrace/host/losses/value")?.as_object()?;
        let names = losses.keys().filter(|name| *name != "missed_runs");
        names.map(|name| self.growth(&format!("memtrace/host/losses/value/{name}"))).sum()
    }

    /// Runs of a program that the kernel left out, because one was under way on that CPU.
    pub fn missed_runs(self) -> Option<f64> {
        self.growth("memtrace/host/losses/value/missed_runs")
    }

    /// Growth of all pages taken, by any party from any party.
    pub fn taken(self) -> Option<f64> {
        Some(self.flows("after", None)? - self.flows("before", None).unwrap_or(0.0))
    }

    /// What memtrace says a signal is worth on this kernel.
    pub fn quality(self, signal: &str) -> Quality {
        let named = |status: &&Value| status.get("signal").and_then(Value::as_str) == Some(signal);
        self.list("/after/memtrace/signals")
            .find(named)
            .and_then(|status| serde_json::from_value(status.clone()).ok())
            .unwrap_or_else(|| Quality::absent("memtrace doesn't know this signal"))
    }

    /// memtrace's statement about the quality of its flow table.
    pub fn quality_of_flows(self) -> Quality {
        let shown = self.0.pointer("/after/memtrace/flows").cloned().unwrap_or_default();
        let shown = serde_json::from_value(shown);
        let none = |_| Quality::absent("memtrace doesn't show it");
        self.quality("flows").and(shown.unwrap_or_else(none))
    }

    /// Events of a killed process.
    pub fn kills(self, pid: u64) -> f64 {
        let named = format!("(process {pid})");
        let notices = self.list("/after/memtrace/notices");
        let kills = notices.filter(|notice| {
            let text = |field: &str| notice.get(field).and_then(Value::as_str).unwrap_or_default();
            text("about") == "oom" && text("text").contains(&named)
        });
        kills.count() as f64
    }

    /// Faults timed by the kernel's own tracing: how many, and of each the shortest and the
    /// longest that memtrace can have measured, in nanoseconds. `None`: not traced, or events
    /// were lost.
    pub fn timed(self) -> Option<(f64, Vec<(u64, u64)>)> {
        let timed = self.0.get("timed").filter(|timed| !timed.is_null())?;
        if timed.get("lost")?.as_u64()? > 0 {
            return None;
        }
        let span = |span: &Value| Some((span.get(0)?.as_u64()?, span.get(1)?.as_u64()?));
        let spans = timed.get("spans")?.as_array()?.iter().filter_map(span).collect();
        Some((timed.get("ready")?.as_f64()?, spans))
    }

    pub fn still(self) -> bool {
        self.0.get("still") == Some(&Value::Bool(true))
    }

    fn growth(self, path: &str) -> Option<f64> {
        let at = |moment: &str| self.0.pointer(&format!("/{moment}/{path}"))?.as_f64();
        Some(at("after")? - at("before").unwrap_or(0.0))
    }

    fn flows(self, moment: &str, victim: Option<&str>) -> Option<f64> {
        let flows = self.0.pointer(&format!("/{moment}/memtrace/flows/value"))?.as_array()?;
        let uuid = |flow: &Value| {
            flow.pointer("/victim/vm/uuid").and_then(Value::as_str).map(str::to_owned)
        };
        let wanted =
            flows.iter().filter(|flow| victim.is_none() || uuid(flow).as_deref() == victim);
        // From 0.0: the sum of nothing would be -0.0.
        Some(
            wanted
                .filter_map(|flow| flow.get("total_pages")?.as_f64())
                .fold(0.0, |sum, pages| sum + pages),
        )
    }

    fn list(self, path: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.0.pointer(path).and_then(Value::as_array).into_iter().flatten()
    }

    fn vms(self) -> impl Iterator<Item = &'a Value> {
        self.list("/after/memtrace/vms")
    }
}

impl<'a> Guest<'a> {
    /// One of memtrace's counters.
    pub fn total(&self, counter: &str) -> Option<f64> {
        self.view?.pointer(&format!("/totals/value/{counter}"))?.as_f64()
    }

    /// How much a rate that memtrace showed amounts to, over the scenario.
    pub fn shown(&self, field: &str) -> Option<f64> {
        self.cell(field)?.get("grown")?.as_f64()
    }

    /// The same in pages, of a rate of bytes.
    pub fn shown_pages(&self, field: &str) -> Option<f64> {
        Some(self.shown(field)? / self.of.page()?)
    }

    /// What a number was last.
    pub fn last(&self, field: &str) -> Option<f64> {
        self.cell(field)?.get("last")?.as_f64()
    }

    /// A histogram's counts.
    pub fn counts(&self, field: &str) -> Option<Vec<u64>> {
        let counts = self.cell(field)?.get("counts")?.as_array()?;
        Some(counts.iter().filter_map(Value::as_u64).collect())
    }

    /// What memtrace said of a number while it showed it: the worst of it.
    pub fn quality(&self, field: &str) -> Quality {
        let course = self.of.0.pointer(&format!("/courses/{}/{field}", self.name));
        let text = |key: &str| course?.get(key)?.as_str().map(str::to_owned);
        match text("quality").as_deref() {
            Some("exact") => Quality::Exact,
            Some(_) => Quality::approximate(text("reason").unwrap_or_default()),
            None => {
                let never = "memtrace never showed it".to_owned();
                Quality::absent(text("absence").unwrap_or(never))
            }
        }
    }

    /// A line of its cgroup's memory.stat.
    pub fn stat(&self, name: &str) -> Option<f64> {
        self.number(&format!("kernel/stat/{name}"))
    }

    /// A field of its process.
    pub fn process(&self, name: &str) -> Option<f64> {
        self.number(&format!("kernel/process/{name}"))
    }

    /// `count` or `ns` of its process's waits in reclaim.
    pub fn waits(&self, name: &str) -> Option<f64> {
        self.number(&format!("kernel/waits/{name}"))
    }

    /// `some` of its cgroup's memory.pressure, in nanoseconds.
    pub fn pressure(&self) -> Option<f64> {
        self.number("kernel/pressure/some").map(|micros| micros * 1000.0)
    }

    /// A line of its cgroup's memory.events.
    pub fn event(&self, name: &str) -> Option<f64> {
        self.number(&format!("events/{name}"))
    }

    /// VmSwap, and what of its shared memory is in swap, in pages.
    pub fn swapped(&self) -> Option<f64> {
        let shared = self.number("kernel/shared_swap")?;
        Some((self.process("VmSwap")? + shared) * 1024.0 / self.of.page()?)
    }

    pub fn pid(&self) -> Option<u64> {
        self.fields.get("pid")?.as_u64()
    }

    /// `alone` (in its cgroup), `rooted` (in none), `shared`, `huge` (its memory), `emulated`,
    /// `busy`.
    pub fn is(&self, what: &str) -> bool {
        self.fields.get(what) == Some(&Value::Bool(true))
    }

    /// It was killed.
    pub fn is_gone(&self) -> bool {
        self.fields.get("kernel").is_none_or(Value::is_null)
    }

    /// Pages that any party took from it.
    pub fn flows(&self) -> Option<f64> {
        self.of.flows("after", Some(self.view?.get("uuid")?.as_str()?))
    }

    fn cell(&self, field: &str) -> Option<&'a Value> {
        let cell = self.of.0.pointer(&format!("/courses/{}/{field}", self.name))?;
        (cell.get("known")?.as_u64()? > 0).then_some(cell)
    }

    fn number(&self, path: &str) -> Option<f64> {
        self.fields.pointer(&format!("/{path}"))?.as_f64()
    }
}
