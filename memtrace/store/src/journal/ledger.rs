//! The journal as what the reactor writes into.

use anyhow::Result;
use memtrace_core::order::{Order, Outcome};
use memtrace_core::policy::Decisions;
use memtrace_core::reactor::Ledger;
use memtrace_core::reactor::entry::{Holding, Named, Wanted};
use memtrace_core::sample::VmId;
use memtrace_core::units::WallNanos;

use super::Journal;

impl Ledger for Journal {
    fn begin(&mut self, at: WallNanos, wanted: Vec<Wanted>) -> Result<Vec<Order>> {
        Ok(Self::begin(self, at, wanted)?)
    }

    fn end(&mut self, at: WallNanos, outcome: &Outcome) -> Result<()> {
        Ok(Self::end(self, at, outcome)?)
    }

    fn note(
        &mut self,
        at: WallNanos,
        acting: bool,
        decisions: &Decisions,
        names: Vec<Named>,
    ) -> Result<()> {
        Ok(Self::note(self, at, acting, decisions, names)?)
    }

    fn holdings(&self) -> Vec<Holding> {
        Self::holdings(self).cloned().collect()
    }

    fn forget(&mut self, at: WallNanos, vm: VmId) -> Result<()> {
        Ok(Self::forget(self, at, vm)?)
    }

    fn stop(self: Box<Self>, at: WallNanos) -> Result<()> {
        Ok(Self::stop(*self, at)?)
    }
}
