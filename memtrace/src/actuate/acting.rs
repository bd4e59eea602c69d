//! Acting with a journal: nothing is done that was not written down first, and everything
//! that ended is closed. Whoever can't write does nothing.

use super::journal::{Journal, JournalError, Wanted};
use super::{Actuator, Order, Outcome};
use crate::units::WallNanos;

/// An actuator that nobody gets at but through the journal.
#[derive(Debug)]
pub struct Acting<A> {
    actuator: A,
    journal: Journal,
}

impl<A: Actuator> Acting<A> {
    pub const fn new(actuator: A, journal: Journal) -> Self {
        Self { actuator, journal }
    }

    /// Begins all of `wanted`, and returns the orders.
    ///
    /// # Errors
    /// When the journal can't be written: then nothing was begun, and the next call may work.
    pub fn begin(
        &mut self,
        at: WallNanos,
        wanted: Vec<Wanted>,
    ) -> Result<Vec<Order>, JournalError> {
        let orders = self.journal.begin(at, wanted)?;
        orders.iter().for_each(|order| self.actuator.begin(order));
        Ok(orders)
    }

    /// What has ended since this was last asked, and why the journal doesn't have it, if so.
    pub fn ended(&mut self, at: WallNanos) -> (Vec<Outcome>, Option<JournalError>) {
        let outcomes = self.actuator.ended();
        let closed = outcomes.iter().map(|outcome| self.journal.end(at, outcome));
        let error = closed.filter_map(Result::err).last();
        (outcomes, error)
    }

    /// For what is no order.
    pub const fn journal(&mut self) -> &mut Journal {
        &mut self.journal
    }

    /// To tell it of VMs.
    pub const fn actuator(&mut self) -> &mut A {
        &mut self.actuator
    }

    /// Gives the journal back, to stop it.
    pub fn into_journal(self) -> Journal {
        self.journal
    }
}
