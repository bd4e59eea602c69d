//! Orders, their outcomes, and who carries them out.

use serde::{Deserialize, Serialize};

use crate::model::Snapshot;
use crate::policy::Action;
use crate::sample::VmId;

/// Something to do, once it has been decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Never used twice, across restarts either.
    pub id: u64,
    pub vm: VmId,
    pub pid: u32,
    pub name: String,
    pub action: Action,
}

/// The outcome of an order. That a hypervisor took a command says nothing of the memory:
/// whether it moved is seen in the next samples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub id: u64,
    /// The error, in words for the operator.
    pub result: Result<(), String>,
}

/// Carries orders out.
pub trait Actuator {
    /// The known VMs with their interfaces. Orders to other VMs are refused.
    fn learn(&mut self, _: &Snapshot) {}

    /// Begins, and returns at once.
    fn begin(&mut self, order: &Order);

    /// Orders that have ended since the last call, in any order.
    fn ended(&mut self) -> Vec<Outcome>;
}
