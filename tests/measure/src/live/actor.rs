//! Carries out a peer's rule: decisions of the simulated peer go to real balloons.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use memtrace_core::policy::{Action, Observation, Policy, ScopeObservation, VmObservation};
use memtrace_core::sample::VmId;
use memtrace_core::sim::peers;
use memtrace_core::units::{Bytes, Nanos, Percent};
use memtrace_lab::local::guest::Guest;
use uuid::Uuid;

const MIB: u64 = 1 << 20;

/// A peer at work.
pub(crate) struct Actor {
    policy: Box<dyn Policy>,
    begun: Instant,
    /// Orders that it gave.
    pub(crate) orders: u64,
}

impl Actor {
    /// The peer of this name, as it begins.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let policy = peers::all().into_iter().find(|policy| policy.name() == name);
        let policy = policy.with_context(|| format!("no peer {name}"))?;
        Ok(Self { policy, begun: Instant::now(), orders: 0 })
    }

    /// One step. `pool`: the folder whose memory.pressure tells.
    ///
    /// # Errors
    /// When a guest's hypervisor doesn't answer.
    pub(crate) fn step(&mut self, pool: Option<&Path>, guests: &[Guest]) -> Result<()> {
        let mut vms = Vec::new();
        for guest in guests {
            vms.push(observe(guest)?);
        }
        let psi_some =
            pool.and_then(|pool| average(&fs::read_to_string(pool.join("memory.pressure")).ok()?));
        let at = Nanos(u64::try_from(self.begun.elapsed().as_nanos())?);
        let scope = ScopeObservation { psi_some, ..ScopeObservation::default() };
        let decisions = self.policy.step(&Observation { at, scope, vms });
        for decision in decisions.actions {
            let guest = guests.iter().find(|guest| id(guest).ok() == Some(decision.vm));
            if let (Some(guest), Action::Balloon { to, .. }) = (guest, decision.action) {
                guest.resize(u32::try_from(to.0 / MIB)?)?;
                self.orders += 1;
            }
        }
        Ok(())
    }
}

fn id(guest: &Guest) -> Result<VmId> {
    Ok(VmId::Uuid(Uuid::parse_str(guest.plan.uuid)?))
}

fn observe(guest: &Guest) -> Result<VmObservation> {
    let bytes = |mib: u64| Some(Bytes(mib * MIB));
    Ok(VmObservation {
        actual: bytes(guest.size_mib()?),
        maximum: bytes(u64::from(guest.plan.memory_mib)),
        ..VmObservation::unknown(id(guest)?, guest.plan.name)
    })
}

/// `some avg10` of a memory.pressure.
fn average(pressure: &str) -> Option<Percent> {
    let line = pressure.lines().find_map(|line| line.strip_prefix("some "))?;
    let word = line.split_whitespace().find_map(|word| word.strip_prefix("avg10="))?;
    word.parse().ok().map(Percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_is_the_average_over_ten_seconds() {
        let text = "some avg10=12.50 avg60=1.00 avg300=0 total=15\nfull avg10=3.00 total=7\n";
        assert_eq!(average(text), Some(Percent(12.5)));
        assert_eq!(average("full avg10=3.00 total=7\n"), None);
    }

    #[test]
    fn peers_are_known_by_name() {
        assert!(Actor::new("pi").is_ok() && Actor::new("pie").is_err());
    }
}
