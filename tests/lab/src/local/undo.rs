//! Undoing what the journal says, in the order that works: guests, daemons, swap,
//! cgroups, settings. One failure doesn't keep the rest from being undone.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use memtrace_lab_host::wait::poll;

use super::cgroup;
use super::libvirt;
use super::place::Place;
use super::process::Process;
use super::state::{GuestState, LabState};

const PATIENCE: Duration = Duration::from_secs(10);

/// Undoes everything; the folder is empty afterwards.
///
/// # Errors
/// Lists what could not be undone; the journal stays, so that it can be tried again.
pub fn undo(place: &Place, state: &LabState) -> Result<()> {
    let mut problems: Vec<String> = Vec::new();
    let mut note = |what: &str, result: Result<()>| {
        if let Err(error) = result {
            problems.push(format!("{what}: {error:#}"));
        }
    };
    for guest in &state.guests {
        note(&guest.name, end_guest(guest));
    }
    for daemon in state.daemons.iter().rev() {
        note("daemon", daemon.end(PATIENCE));
    }
    if let Some(path) = &state.swap {
        note("swap file", super::swap::off(path));
    }
    for path in state.cgroups.iter().rev() {
        note("cgroup", remove_cgroup(path));
    }
    for (path, old) in &state.settings {
        let restored = fs::write(path, old).with_context(|| format!("restore {}", path.display()));
        note("setting", restored);
    }
    if let Some(access) = &state.device {
        note("device", access.apply());
    }
    if problems.is_empty() {
        return place.clear();
    }
    bail!("the lab could not be undone completely:\n  {}", problems.join("\n  "))
}

fn end_guest(guest: &GuestState) -> Result<()> {
    if guest.libvirt {
        // Tells libvirt, which then cleans its own things up. It may be gone already.
        let _ = libvirt::virsh(&["destroy", &guest.name]);
    }
    let process = guest.process.or_else(|| unrecorded(guest));
    process.map_or(Ok(()), |process| process.end(PATIENCE))
}

/// A guest that was started, but whose pid we never came to record.
fn unrecorded(guest: &GuestState) -> Option<Process> {
    let pid = fs::read_to_string(&guest.pid_file).ok()?.trim().parse().ok()?;
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let wanted = format!("guest={}", guest.name);
    let ours =
        command_line.split(|byte| *byte == 0).any(|word| word.starts_with(wanted.as_bytes()));
    if ours { Process::of(pid).ok() } else { None }
}

/// The kernel lets go of a cgroup some moments after its last process has ended.
fn remove_cgroup(path: &std::path::Path) -> Result<()> {
    let mut last = Ok(());
    poll(PATIENCE, || {
        last = cgroup::remove(path);
        last.is_ok().then_some(())
    });
    last
}
