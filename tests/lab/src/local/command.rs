//! `cargo xtask lab ...`.

use anyhow::{Context as _, Result, bail, ensure};
use clap::Subcommand;

use super::cgroup::Hierarchy;
use super::place::Place;
use super::plan::Manager;
use super::qemu::Files;
use super::socket::Socket;
use super::state::LabState;
use super::{Lab, guest, undo};
use crate::setup::{self, Scope};
use crate::{interrupt, progress};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Start three guests under one limit and let them work
    Up {
        /// As libvirt domains instead of plain qemu processes
        #[arg(long)]
        libvirt: bool,
        /// Let the guests idle at first
        #[arg(long)]
        idle: bool,
    },
    /// Undo everything, also what a killed lab left
    Down,
    /// What runs, and what the guests do
    Status,
    /// Tell a guest: hold MIB, cycle MIB, idle, free, status, off
    Tell { guest: String, command: Vec<String> },
    /// Make memory scarcer, or less so
    Squeeze {
        /// The limit of all guests together, in MiB
        #[arg(long, required_unless_present = "balloon")]
        limit: Option<u32>,
        /// A guest's balloon: what it may keep, in MiB
        #[arg(long, value_name = "GUEST=MIB", value_parser = parse_balloon)]
        balloon: Option<(String, u32)>,
    },
}

/// Does one of the lab's actions.
///
/// # Errors
/// When it fails; what `up` had begun is undone then.
pub fn run(arguments: &Arguments) -> Result<()> {
    interrupt::listen()?;
    match &arguments.action {
        Action::Up { libvirt, idle } => up(*libvirt, *idle),
        Action::Down => down(),
        Action::Status => status(),
        Action::Tell { guest, command } => tell(guest, &command.join(" ")),
        Action::Squeeze { limit, balloon } => squeeze(*limit, balloon.as_ref()),
    }
}

fn up(libvirt: bool, idle: bool) -> Result<()> {
    let missing = setup::run(Scope::Lab)?;
    ensure!(missing.is_empty(), "the lab can't run without what is missing");
    let manager = if libvirt { Manager::Libvirt } else { Manager::Plain };
    let mut lab = Lab::up(manager, &[])?;
    if !idle {
        lab.work()?;
    }
    lab.keep()?;
    progress::say("the lab is up; `cargo xtask lab down` takes it down");
    Ok(())
}

fn down() -> Result<()> {
    let place = Place::take()?;
    let state = LabState::load(&place.join("state.json"))?;
    if state == LabState::default() {
        progress::say("no lab is up");
        return Ok(());
    }
    undo::undo(&place, &state)?;
    progress::say("the lab is down");
    Ok(())
}

fn status() -> Result<()> {
    let (place, state) = running()?;
    let hierarchy = Hierarchy::find()?;
    if let Some(parent) = &state.parent {
        let used = hierarchy.usage(parent).map(|bytes| bytes >> 20);
        println!("pool: {} uses {} MiB", parent.display(), or_unknown(used));
    }
    for guest in &state.guests {
        let Some(process) = guest.process.filter(|process| process.alive()) else {
            println!("{}: has ended", guest.name);
            continue;
        };
        let used = hierarchy.of_process(process.pid).ok();
        let used = used.and_then(|path| hierarchy.usage(&path)).map(|bytes| bytes >> 20);
        let agent = Files::new(place.folder(), &guest.name).agent;
        let answer = Socket::connect(&agent).and_then(|mut a| guest::tell(&mut a, "status"));
        let answer = answer.unwrap_or_else(|error| format!("{error:#}"));
        println!("{}: pid {}, {} MiB, {answer}", guest.name, process.pid, or_unknown(used));
    }
    Ok(())
}

fn tell(name: &str, command: &str) -> Result<()> {
    let (place, state) = running()?;
    ensure!(state.guests.iter().any(|guest| guest.name == name), "no guest {name}");
    let mut agent = Socket::connect(&Files::new(place.folder(), name).agent)?;
    println!("{}", guest::tell(&mut agent, command)?);
    Ok(())
}

fn squeeze(limit: Option<u32>, balloon: Option<&(String, u32)>) -> Result<()> {
    let (place, state) = running()?;
    if let Some(limit) = limit {
        let parent = state.parent.as_deref().context("the lab has no cgroup")?;
        Hierarchy::find()?.set_limit(parent, limit)?;
    }
    if let Some((name, mib)) = balloon {
        let guest = state.guests.iter().find(|guest| guest.name == *name);
        let guest = guest.with_context(|| format!("no guest {name}"))?;
        let files = Files::new(place.folder(), name);
        guest::balloon(name, guest.libvirt, &files.monitor, *mib)?;
    }
    Ok(())
}

fn running() -> Result<(Place, LabState)> {
    let place = Place::take()?;
    let state = LabState::load(&place.join("state.json"))?;
    if state.guests.is_empty() {
        bail!("no lab is up");
    }
    Ok((place, state))
}

fn or_unknown(value: Option<u64>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

fn parse_balloon(text: &str) -> Result<(String, u32), String> {
    let (name, mib) = text.split_once('=').ok_or("wants GUEST=MIB")?;
    Ok((name.to_owned(), mib.parse().map_err(|_| "wants MiB as a number")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balloon_is_a_guest_and_a_size() {
        assert_eq!(parse_balloon("victim=128"), Ok(("victim".to_owned(), 128)));
        assert!(parse_balloon("victim").is_err());
        assert!(parse_balloon("victim=much").is_err());
    }
}
