//! Two guests in a pool that is too small for both: one cycles through its memory, the
//! other is idle. Then everything is still, and memtrace's totals and the kernel's
//! counters are read at the same moment.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use crate::cgroup;
use crate::counters::{self, Counters, OfGuest, OfHost};
use crate::guest::{Guest, Plan};
use crate::report::Report;
use crate::tracer::Tracer;
use crate::wait;

/// Cycles through more than the pool holds beside the other's least.
const NOISY: Plan =
    Plan { name: "noisy", uuid: "6d656d74-7261-4365-8c62-620000000001", memory_mib: 384 };
const CYCLE_MIB: u32 = 260;
const IDLE: Plan =
    Plan { name: "idle", uuid: "6d656d74-7261-4365-8c62-620000000002", memory_mib: 192 };
/// Holds both while they boot (some 150 MiB each, qemu included), so that booting is quick.
const POOL_MIB: u64 = 330;
/// Pages read from swap after which there has been enough pressure, and the time after
/// which it was enough however little there was.
const ENOUGH_PAGES: u64 = 60_000;
const ENOUGH_TIME: Duration = Duration::from_secs(75);
/// How long nothing may move before everything counts as still.
const STILL: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(60);

/// memtrace and the kernel at one moment.
#[derive(Serialize)]
struct Comparison {
    memtrace: Value,
    guests: Vec<Counted>,
    host: OfHost,
    /// Nothing moved between two readings of the kernel's counters around memtrace's.
    still: bool,
    /// By VM: what each document said that is known only while something happens.
    courses: BTreeMap<String, Vec<Value>>,
    /// memtrace's own /proc/PID/status and stat.
    tracer: Counters,
}

#[derive(Serialize)]
struct Counted {
    name: &'static str,
    pid: u32,
    kernel: OfGuest,
}

/// # Errors
/// When anything of it fails.
pub fn run(report: &mut Report) -> Result<()> {
    cgroup::make_pool(POOL_MIB)?;
    let mut tracer = Tracer::start()?;
    report.say("tracer", &"memtrace runs")?;
    let begun = Instant::now();
    let mut idle = Guest::start(&IDLE)?;
    let mut noisy = Guest::start(&NOISY)?;
    idle.ready()?;
    noisy.ready()?;
    let seconds = begun.elapsed().as_secs_f64();
    report.say("guests", &format!("both have booted in {seconds:.0} s"))?;
    idle.tell("idle")?;
    noisy.tell(&format!("cycle {CYCLE_MIB}"))?;
    press(report)?;
    report.say("cycled", &noisy.tell("idle")?)?;
    let guests = [&noisy, &idle];
    be_still(&guests)?;
    let comparison = compare(&mut tracer, &guests)?;
    report.say("comparison", &comparison)?;
    report.say("messages", &tracer.errors())
}

/// Lets the guests go on until there was enough pressure.
fn press(report: &mut Report) -> Result<()> {
    let begun = Instant::now();
    let swapped_in =
        || Ok::<_, anyhow::Error>(*counters::of_host()?.vmstat.get("pswpin").unwrap_or(&0));
    let before = swapped_in()?;
    let pages = wait::until("pressure", ENOUGH_TIME * 2, || {
        let pages = swapped_in()?.saturating_sub(before);
        let enough = pages >= ENOUGH_PAGES || begun.elapsed() >= ENOUGH_TIME;
        Ok(enough.then_some(pages))
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    report.say("pressure", &format!("{pages} pages came back from swap in {seconds:.0} s"))
}

fn be_still(guests: &[&Guest]) -> Result<()> {
    // khugepaged would go on bringing back what was swapped.
    fs::write("/sys/kernel/mm/transparent_hugepage/enabled", "never")?;
    for guest in guests {
        guest.stop()?;
    }
    let mut last = (read(guests)?, Instant::now());
    wait::until("the guests to be still", PATIENCE, || {
        let now = read(guests)?;
        if !moved(&last.0, &now) {
            return Ok((last.1.elapsed() >= STILL).then_some(()));
        }
        last = (now, Instant::now());
        Ok(None)
    })
}

/// Reads memtrace between two readings of the kernel, until those agree.
fn compare(tracer: &mut Tracer, guests: &[&Guest]) -> Result<Comparison> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = read(guests)?;
        // The next document may have been begun before this moment; the one after wasn't.
        let memtrace = tracer.document(tracer.documents()? + 2)?;
        let after = read(guests)?;
        let still = !moved(&before, &after);
        if still || Instant::now() > deadline {
            return Ok(Comparison {
                memtrace,
                guests: after,
                host: counters::of_host()?,
                still,
                courses: courses(&tracer.all()?),
                tracer: counters::of_process(tracer.pid())?,
            });
        }
    }
}

/// What is known only while something happens, by VM.
const COURSE: &[&str] = &["reclaim_p99", "async_fault_p99", "stalled", "caused"];

/// Picks those numbers out of the documents; a document that has none of a VM is left out.
fn courses(documents: &[Value]) -> BTreeMap<String, Vec<Value>> {
    let mut courses: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let vms = documents.iter().filter_map(|document| document.get("vms")?.as_array()).flatten();
    for vm in vms {
        let known: serde_json::Map<String, Value> = COURSE
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), vm.get(name)?.get("value")?.clone())))
            .filter(|(_, value)| value.as_f64().is_some_and(|value| value > 0.0))
            .collect();
        if let (false, Some(name)) = (known.is_empty(), vm.get("name").and_then(Value::as_str)) {
            courses.entry(name.to_owned()).or_default().push(Value::Object(known));
        }
    }
    courses
}

fn read(guests: &[&Guest]) -> Result<Vec<Counted>> {
    guests
        .iter()
        .map(|guest| {
            let kernel = counters::of_guest(guest.name, guest.pid())?;
            Ok(Counted { name: guest.name, pid: guest.pid(), kernel })
        })
        .collect()
}

/// Whether swap or major faults moved.
fn moved(before: &[Counted], after: &[Counted]) -> bool {
    let key = |counted: &Counted| {
        let OfGuest { process, stat, .. } = &counted.kernel;
        (process.get("VmSwap").copied(), stat.get("pgmajfault").copied())
    };
    before.iter().map(key).ne(after.iter().map(key))
}
