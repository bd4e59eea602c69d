//! Orders, their outcomes, and who carries them out.

use serde::{Deserialize, Serialize};

use crate::model::Snapshot;
use crate::policy::Action;
use crate::sample::VmId;
use crate::units::Bytes;

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
    pub result: Result<(), Failure>,
}

/// Why an order, or a call of the hook, failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The VM was gone when memtrace started again.
    VmGone,
    /// memtrace ended before the order was done, and nothing tells its result.
    Interrupted,
    /// The same; the balloon is still at this size.
    Unmoved { at: Bytes },
    /// The same; the balloon is on its way.
    Underway { at: Bytes, to: Bytes },
    /// The same; another program set the balloon to this size.
    Overridden { at: Bytes },
    /// Not carried out, because the journal can't be written; by its error.
    NoJournal(String),
    /// The hook has no command.
    NoCommand,
    /// By the hypervisor, the kernel or the command, in their words.
    #[serde(untagged)]
    Reported(String),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reported_failure_is_written_as_its_text() {
        for (failure, json) in [
            (Failure::Reported("QMP: refused".to_owned()), r#""QMP: refused""#),
            (Failure::VmGone, r#""vm_gone""#),
            (Failure::Unmoved { at: Bytes(5) }, r#"{"unmoved":{"at":5}}"#),
            (Failure::NoJournal("no space".to_owned()), r#"{"no_journal":"no space"}"#),
        ] {
            assert_eq!(serde_json::to_string(&failure).expect("it is JSON"), json);
            assert_eq!(serde_json::from_str::<Failure>(json).expect("it is one"), failure);
        }
    }
}
