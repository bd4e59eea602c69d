//! The simulated host seen from outside: where samples come from, and what carries orders
//! out.

use anyhow::Result;

use super::host::{Host, Vm};
use super::size::{PAGE, Size, bytes};
use crate::order::{Actuator, Failure, Order, Outcome};
use crate::policy::Action;
use crate::sample::{Sample, VmId};
use crate::source::{Pressure, Source};
use crate::units::Bytes;

/// Seconds for which a VM must be left alone after an operator moved its balloon; the policy needs
/// a moment to notice.
const BY_HAND: std::ops::RangeInclusive<u64> = 4..=60;

/// Seconds after which a guest's reboot is noticeable: its statistics are stale.
const REBOOT_SEEN: u64 = 10;

impl Host {
    fn vm(&mut self, id: VmId) -> Option<&mut Vm> {
        let second = self.second;
        self.vms.iter_mut().find(|vm| vm.guest.id == id && vm.guest.runs(second))
    }

    fn carry_out(&mut self, order: &Order) -> Result<(), String> {
        if self.is_away() && matches!(order.action, Action::Balloon { .. }) {
            return Err("the hypervisor does not answer".into());
        }
        let second = self.second;
        let vm = self.vm(order.vm).ok_or("there is no such VM")?;
        let mut breach = false;
        let result = match order.action {
            Action::Balloon { to, .. } => {
                let guest = &mut vm.guest;
                // A reboot shows only after a while.
                let unseen = guest.since_reboot(second).is_some_and(|since| since < REBOOT_SEEN);
                breach = guest.migrates(second)
                    || guest.by_hand.is_some_and(|at| BY_HAND.contains(&(second - at)))
                    || guest.spec.pinned
                    || !(guest.is_up(second) || unseen)
                    || to > bytes(guest.maximum());
                guest.tell(Size(to).pages());
                Ok(())
            }
            Action::Reclaim { bytes: Bytes(amount) } => {
                vm.suffered.to_reclaim = amount / PAGE.0;
                Ok(())
            }
        };
        self.breaches += u64::from(breach);
        result
    }
}

impl Source for Host {
    /// Lets a second pass, and tells what can be read after it.
    fn sample(&mut self, _detail: Option<VmId>) -> Result<Sample> {
        self.step()?;
        Ok(super::sample::sample(self))
    }

    /// Time is virtual: it passes with each sample.
    fn wait(&mut self, _timeout: std::time::Duration) -> Option<Pressure> {
        None
    }
}

impl Actuator for Host {
    fn begin(&mut self, order: &Order) {
        let result = self.carry_out(order).map_err(Failure::Reported);
        self.outcomes.push(Outcome { id: order.id, result });
    }

    fn ended(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.outcomes)
    }
}
