//! A reactor that touches nothing, the disk neither: for `explain` and the live view.

use anyhow::{Result, bail};

use super::{Ledger, Reactor};
use crate::order::{Order, Outcome};
use crate::policy::{Decisions, Policy};
use crate::reactor::entry::{Holding, Named, Wanted};
use crate::sample::VmId;
use crate::units::WallNanos;

impl Reactor {
    /// Decides, carries nothing out, and writes nothing down.
    pub fn on_paper(policy: Box<dyn Policy + Send>) -> Self {
        Self::new(policy, (Box::new(Nowhere), Vec::new()), None)
    }
}

struct Nowhere;

impl Ledger for Nowhere {
    fn begin(&mut self, _: WallNanos, _: Vec<Wanted>) -> Result<Vec<Order>> {
        bail!("observe mode orders nothing")
    }

    fn end(&mut self, _: WallNanos, _: &Outcome) -> Result<()> {
        Ok(())
    }

    fn note(&mut self, _: WallNanos, _: bool, _: &Decisions, _: Vec<Named>) -> Result<()> {
        Ok(())
    }

    fn holdings(&self) -> Vec<Holding> {
        Vec::new()
    }

    fn forget(&mut self, _: WallNanos, _: VmId) -> Result<()> {
        Ok(())
    }

    fn stop(self: Box<Self>, _: WallNanos) -> Result<()> {
        Ok(())
    }
}
