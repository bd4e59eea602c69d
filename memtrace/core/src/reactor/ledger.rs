//! The ledger of decisions: the journal, none, or a test's.

use anyhow::Result;

use crate::order::{Order, Outcome};
use crate::policy::Decisions;
use crate::reactor::entry::{Holding, Named, Wanted};
use crate::sample::VmId;
use crate::units::WallNanos;

/// Where decisions are written down.
pub trait Ledger: Send {
    /// Notes the orders, and returns them once that is safe on disk.
    ///
    /// # Errors
    /// When it isn't on the disk; then nothing of it must be done.
    fn begin(&mut self, at: WallNanos, wanted: Vec<Wanted>) -> Result<Vec<Order>>;

    /// Notes the outcome of an order.
    ///
    /// # Errors
    /// When that isn't on the disk.
    fn end(&mut self, at: WallNanos, outcome: &Outcome) -> Result<()>;

    /// Keeps what was decided and thought. `acting`: decisions are carried out.
    ///
    /// # Errors
    /// When it isn't on the disk.
    fn note(
        &mut self,
        at: WallNanos,
        acting: bool,
        decisions: &Decisions,
        names: Vec<Named>,
    ) -> Result<()>;

    /// What was taken and not given back, according to the ledger.
    fn holdings(&self) -> Vec<Holding>;

    /// Forgets what was taken from a VM.
    ///
    /// # Errors
    /// When it isn't on the disk.
    fn forget(&mut self, at: WallNanos, vm: VmId) -> Result<()>;

    /// The end of a run that ends in order.
    ///
    /// # Errors
    /// When it isn't on the disk.
    fn stop(self: Box<Self>, at: WallNanos) -> Result<()>;
}
