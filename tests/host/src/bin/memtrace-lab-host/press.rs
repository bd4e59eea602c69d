//! Pressure: guests go on until there was enough of it.

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use memtrace_lab_host::scenario::{Scenario, Until, Work};

use crate::guest::Guest;
use crate::{counters, wait};

/// Pressure for this long was enough, however little there was.
const ENOUGH_TIME: Duration = Duration::from_secs(8);
/// The same where Linux guests press each other.
const ENOUGH_TIME_LINUX: Duration = Duration::from_secs(18);
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until there was enough.
///
/// # Errors
/// When there isn't, with what the guests are at; [`crate::guest::Lost`] where the emulation
/// failed one.
pub fn press(scenario: &Scenario, guests: &mut [Guest]) -> Result<()> {
    if let Err(error) = enough(scenario, guests) {
        for guest in guests.iter_mut() {
            guest.is_on_its_way()?;
        }
        let states: Vec<String> = guests.iter().map(Guest::state).collect();
        return Err(error.context(states.join("; ")));
    }
    match scenario.until {
        Until::OomKill => Ok(()),
        Until::Refaults(_) => guests.iter_mut().try_for_each(Guest::check),
    }
}

/// Whether a guest was killed.
fn killed(guests: &mut [Guest]) -> Result<bool> {
    const SIGKILL: i32 = 9;
    for guest in guests {
        match guest.qemu.status()? {
            Some(status) if status.signal() == Some(SIGKILL) => return Ok(true),
            _ => guest.check()?,
        }
    }
    Ok(false)
}

fn enough(scenario: &Scenario, guests: &mut [Guest]) -> Result<()> {
    let linux = guests.iter().any(|guest| matches!(guest.plan.work, Work::Linux(_)));
    let time = if linux { ENOUGH_TIME_LINUX } else { ENOUGH_TIME };
    let begun = Instant::now();
    let refaults = || {
        let vmstat = counters::of_host()?.vmstat;
        let names = ["workingset_refault_anon", "workingset_refault_file"];
        Ok::<_, anyhow::Error>(names.iter().filter_map(|name| vmstat.get(*name)).sum::<u64>())
    };
    let before = refaults()?;
    wait::until("pressure", PATIENCE, || {
        let enough = match scenario.until {
            Until::OomKill => killed(guests)?,
            Until::Refaults(wanted) => {
                guests.iter_mut().try_for_each(Guest::check)?;
                let refaults = refaults()?.saturating_sub(before);
                let elapsed = begun.elapsed();
                let some = elapsed >= time && refaults >= wanted / 2;
                refaults >= wanted || some || refaults > 0 && elapsed >= time * 3
            }
        };
        Ok(enough.then_some(()))
    })
}
