//! `memtrace advise`: recommends VM sizes, swap size and overcommit from a recording or a
//! Prometheus. Samples are aggregated into accounts of bounded size, from which the advice is
//! derived.

mod apply;
mod applying;
pub(crate) mod args;
mod basis;
mod dead;
mod gather;
mod history;
mod host;
mod hours;
mod looks;
mod signs;
mod sketch;
mod source;
mod swap;
#[cfg(test)]
mod tests;
mod tick;
mod vm;
mod words;

use std::collections::HashMap;

use anyhow::{Context, Result};
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::command::advise::args::AdviseArguments;
use crate::command::losses;
use crate::command::report::Progress;
use crate::config::Config;
use crate::sys::interrupt::Interrupt;
use crate::sys::output;
use dead::Dead;
use gather::Record;
use host::HostAdvice;
use hours::ByHour;
use looks::APART;
use memtrace_core::policy::rules::Rules;
use memtrace_core::units::{Bytes, WallNanos};
use memtrace_core::vm_choice::{Candidate, choose};
use memtrace_store::tape::Tape;
use source::Source;
use swap::SwapAdvice;
use tick::Ticks;
use vm::{Around, SizeAdvice, VmAdvice};

/// Version of the JSON schema. Incremented when a field is removed or changes its meaning.
const SCHEMA_VERSION: u32 = 1;

/// All of it. Amounts are in bytes, times in nanoseconds since 1970; `null` is unknown.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Advice {
    schema_version: u32,
    source: Source,
    begin: Option<WallNanos>,
    end: WallNanos,
    /// Without the gaps.
    recorded_seconds: f64,
    hosts: Vec<String>,
    /// Unreadable parts.
    losses: Vec<String>,
    host: HostAdvice,
    vms: Vec<VmAdvice>,
    vms_left_out: usize,
    by_hour: ByHour,
    swap: SwapAdvice,
    dead: Dead,
}

/// Reads a recording or a Prometheus, and prints the advice.
///
/// # Errors
/// When nothing can be read, there are no samples or no such VM, or the output can't be written.
pub fn run(arguments: &AdviseArguments) -> Result<()> {
    let config = match crate::config::chosen(arguments.config.as_deref()) {
        Err(error) if arguments.config.is_some() => return Err(error),
        config => config.unwrap_or_default(),
    };
    let zone = TimeZone::system();
    let (record, unread) = match &arguments.prometheus {
        Some(address) => history::read(address, arguments, &config, &zone)?,
        None => read(arguments, &config, &zone)?,
    };
    for part in &unread {
        tracing::warn!("{part}");
    }
    let mut advice = advise(&record, &config.rules, arguments.add);
    advice.losses = unread;
    let titles = titles(&advice);
    if let Some(wanted) = &arguments.vm {
        only(&mut advice, wanted)?;
    }
    if arguments.json {
        let text = serde_json::to_string(&advice).context("cannot serialise the advice")?;
        return output::print(&format!("{text}\n"));
    }
    let colored = arguments.color.on_stdout();
    output::print(&words::text(&titled(&advice, &titles), &zone, colored))?;
    match &arguments.apply_to {
        Some(file) => applying::run(file, arguments.yes, &advice.vms),
        None => Ok(()),
    }
}

/// The samples of the period, which ends with the recording; and unreadable parts.
fn read(
    arguments: &AdviseArguments,
    config: &Config,
    zone: &TimeZone,
) -> Result<(Record, Vec<String>)> {
    let source = arguments.recording.display();
    let mut tape =
        Tape::open(&arguments.recording).with_context(|| format!("cannot read {source}"))?;
    tape.thin(APART);
    let interrupt = Interrupt::watch()?;
    let Some(last) = tape.go(WallNanos(u64::MAX)) else {
        return Err(losses::no_samples(&arguments.recording, tape.losses()));
    };
    let first = tape.go(arguments.since.begin(last.snapshot.wall));
    let (mut record, mut ticks) = (Record::default(), Ticks::new(&config.rules, zone));
    let mut progress = Progress::new();
    for shown in first.into_iter().chain(tape.by_ref()) {
        interrupt.check()?;
        progress.at(shown.snapshot.wall);
        record.add(&ticks.tick(&shown.snapshot));
    }
    progress.end();
    Ok((record, tape.losses().iter().map(ToString::to_string).collect()))
}

/// The advice from aggregated data. Pure. `add`: the size of one more VM.
fn advise(record: &Record, rules: &Rules, add: Option<Bytes>) -> Advice {
    let surest = record.source.surest();
    let mut host = host::advise(record, |installed| rules.kept(installed), add);
    host.sure = host.sure.min(surest);
    // Free memory of one host is no room on another.
    let room = host.spare.filter(|_| record.hosts.len() <= 1);
    let mut vms = sizes(record, room, rules.floor_least);
    vms.iter_mut().for_each(|vm| vm.sure = vm.sure.min(surest));
    let mut dead = dead::advise(record);
    dead.vms.iter_mut().for_each(|vm| vm.sure = vm.sure.min(surest));
    vms.sort_by(|one, other| one.name.cmp(&other.name));
    Advice {
        schema_version: SCHEMA_VERSION,
        source: record.source,
        begin: record.begin,
        end: record.end,
        recorded_seconds: record.seconds,
        hosts: record.hosts.iter().cloned().collect(),
        losses: Vec::new(),
        swap: swap::advise(record, &host, rules),
        dead,
        host,
        vms,
        vms_left_out: record.left_out.len(),
        by_hour: hours::by_hour(record),
    }
}

/// The advice for all VMs. Each raise leaves less room for the others; those longest in distress
/// come first, then those nearest to their limit.
fn sizes(record: &Record, room: Option<Bytes>, floor: Bytes) -> Vec<VmAdvice> {
    let mut around = Around { room, floor };
    let mut waiting: Vec<_> = record.vms.iter().collect();
    waiting.sort_by(|(_, one), (_, other)| other.urgency().total_cmp(&one.urgency()));
    let mut vms = Vec::new();
    for (key, account) in waiting {
        let advice = vm::advise(key.uuid().map(|uuid| uuid.to_string()), account, around);
        let more =
            advice.size.zip(advice.allocated).filter(|_| advice.verdict == SizeAdvice::Raise);
        if let Some((size, now)) = more {
            let taken = size.maximum.saturating_sub(now);
            around.room = around.room.map(|room| room.saturating_sub(taken));
        }
        vms.push(advice);
    }
    vms
}

/// The names that people know, by the others, where no two VMs are called the same.
fn titles(advice: &Advice) -> HashMap<String, String> {
    let mut named: HashMap<&str, Vec<&VmAdvice>> = HashMap::new();
    advice.vms.iter().for_each(|vm| named.entry(&vm.name).or_default().push(vm));
    let title = |(name, vms): (&str, Vec<&VmAdvice>)| {
        let [vm] = vms[..] else { return None };
        Some((name.to_owned(), vm.labels.title()?))
    };
    named.into_iter().filter_map(title).collect()
}

/// The advice with these names.
fn titled(advice: &Advice, titles: &HashMap<String, String>) -> Advice {
    let mut titled = advice.clone();
    let title = |name: &mut String| {
        if let Some(title) = titles.get(name) {
            name.clone_from(title);
        }
    };
    let ByHour { vms, together, apart } = &mut titled.by_hour;
    let couples = together.iter_mut().chain(apart);
    couples.flat_map(|couple| [&mut couple.one, &mut couple.other]).for_each(&title);
    vms.iter_mut().map(|profile| &mut profile.name).for_each(&title);
    titled.dead.vms.iter_mut().map(|vm| &mut vm.name).for_each(&title);
    titled.vms.iter_mut().map(|vm| &mut vm.name).for_each(&title);
    titled
}

/// Keeps only the selected VM, by name, UUID, or what its platform calls it.
fn only(advice: &mut Advice, wanted: &str) -> Result<()> {
    let chosen = choose(wanted, &advice.vms, |vm| Candidate {
        name: &vm.name,
        id: vm.uuid.clone(),
        labels: Some(&vm.labels),
    })?;
    let chosen = chosen.clone();
    advice.vms = vec![chosen];
    let names: Vec<&String> = advice.vms.iter().map(|vm| &vm.name).collect();
    advice.dead.vms.retain(|vm| names.contains(&&vm.name));
    let by_hour = &mut advice.by_hour;
    by_hour.vms.retain(|profile| names.contains(&&profile.name));
    for couples in [&mut by_hour.together, &mut by_hour.apart] {
        couples.retain(|couple| names.contains(&&couple.one) || names.contains(&&couple.other));
    }
    Ok(())
}
