//! The trials of plain qemu guests.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::Trial;
use super::mitigator::How;
use super::stage::{PATIENCE, Stage};
use super::step::{Fate, in_flight, orders, problem, shows};

/// The one that is killed comes last.
pub const TRIALS: &[Trial] = &[
    ("a monitor that hangs does not keep other guests from giving", hung),
    ("with a full disk under the journal nothing is done until there is room", full),
    ("killed in mid-inflation, memtrace knows afterwards what it took", killed),
    ("a guest killed in mid-inflation is an order that failed, and no more", guest_killed),
];

/// Of the guests the one with most to give, and another.
const LARGE: &str = "noisy";
const SMALL: &str = "victim";

/// A stopped qemu still accepts connections (the kernel does), and never answers.
fn hung(stage: &mut Stage<'_>) -> Result<()> {
    let hung = stage.guest(SMALL)?.process;
    let before = stage.guest(SMALL)?.size_mib()?;
    hung.send(Signal::STOP)?;
    let done = others_give(stage);
    hung.send(Signal::CONT)?;
    done?;
    ensure!(stage.guest(SMALL)?.size_mib()? == before, "the one that hung was touched");
    Ok(())
}

fn others_give(stage: &Stage<'_>) -> Result<()> {
    let mut memtrace = stage.mitigator("hung", How::Acts)?;
    let done = |order: &super::step::Order| order.fate == Fate::Done && order.to < order.from;
    memtrace.until("the other guest to give", PATIENCE, |step| {
        orders(step, LARGE).iter().any(done).then_some(())
    })?;
    let step = memtrace.step(PATIENCE)?;
    ensure!(shows(&step, SMALL), "the guest that hangs isn't shown");
    ensure!(orders(&step, SMALL).is_empty(), "the guest that hangs got an order");
    memtrace.end().map(drop)
}

fn full(stage: &mut Stage<'_>) -> Result<()> {
    let mut memtrace = stage.mitigator("full", How::ActsOnSmallDisk)?;
    memtrace.step(PATIENCE)?;
    // The file system is in memtrace's own view of the world.
    let root = Path::new("/proc").join(memtrace.pid().to_string()).join("root");
    let folder = stage.journal("full");
    let filler = root.join(folder.strip_prefix("/")?).join("filler");
    fill(&filler)?;
    let reason = memtrace
        .until("a reason for doing nothing", PATIENCE, |step| problem(step).map(str::to_owned))?;
    ensure!(reason.contains("space"), "the reason is {reason:?}");
    let refused = |fate: &Fate| matches!(fate, Fate::Failed(why) if why.contains("journal"));
    memtrace.until("an order that isn't carried out", PATIENCE, |step| {
        orders(step, LARGE).last().filter(|order| refused(&order.fate)).map(drop)
    })?;
    let size = stage.guest(LARGE)?.size_mib()?;
    for _ in 0..3 {
        memtrace.step(PATIENCE)?;
    }
    ensure!(stage.guest(LARGE)?.size_mib()? == size, "something was done all the same");
    fs::remove_file(&filler).context("make room")?;
    memtrace.until("it to go on when there is room", PATIENCE, |step| {
        let last = orders(step, LARGE).pop()?;
        (problem(step).is_none() && last.fate == Fate::Done).then_some(())
    })?;
    memtrace.end().map(drop)
}

/// Writes until there is no room.
fn fill(path: &Path) -> Result<()> {
    let mut file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    let zeros = [0; 512];
    // 256 KiB is all there is.
    for _ in 0..1024 {
        match file.write_all(&zeros) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(error).context("fill the disk"),
        }
    }
    anyhow::bail!("the small file system isn't small")
}

fn killed(stage: &mut Stage<'_>) -> Result<()> {
    let mut memtrace = stage.mitigator("killed", How::Acts)?;
    memtrace.until("an order under way", PATIENCE, |step| in_flight(step, LARGE))?;
    // In the journal it is; whether qemu had it yet is what memtrace has to find out.
    memtrace.kill()?;
    let mut again = stage.mitigator("killed", How::Looks)?;
    again.step(PATIENCE)?;
    again.step(PATIENCE)?;
    let said = again.end()?;
    for what in ["did not end in order", "in flight then: noisy"] {
        ensure!(said.contains(what), "after the kill it doesn't say {what:?}: {said}");
    }
    let mut third = stage.mitigator("killed", How::Looks)?;
    third.step(PATIENCE)?;
    let said = third.end()?;
    ensure!(!said.contains("in flight then: noisy"), "it isn't settled: {said}");
    Ok(())
}

fn guest_killed(stage: &mut Stage<'_>) -> Result<()> {
    let mut memtrace = stage.mitigator("guest", How::Acts)?;
    let order = memtrace.until("an order under way", PATIENCE, |step| in_flight(step, LARGE))?;
    stage.guest(LARGE)?.process.send(Signal::KILL)?;
    memtrace.until("the order to come to an end", PATIENCE, |step| {
        let all = orders(step, LARGE);
        let ended = all.iter().find(|other| other.number == order.number)?;
        (ended.fate != Fate::InFlight && !shows(step, LARGE)).then_some(())
    })?;
    memtrace.until("the others to go on giving", PATIENCE, |step| {
        let done = orders(step, SMALL).into_iter().any(|order| order.fate == Fate::Done);
        done.then_some(())
    })?;
    memtrace.end()?;
    let mut again = stage.mitigator("guest", How::Looks)?;
    again.step(PATIENCE)?;
    let said = again.end()?;
    ensure!(!said.contains("in flight then: noisy"), "it isn't settled: {said}");
    Ok(())
}
