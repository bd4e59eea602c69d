//! What every section of the detail pane reads.

use crate::tui::state::State;
use memtrace_core::model::Snapshot;
use memtrace_core::model::snapshot::VmView;

/// The input of every section.
pub(super) struct Subject<'a> {
    pub(super) state: &'a State,
    pub(super) snapshot: &'a Snapshot,
    pub(super) vm: &'a VmView,
    /// Columns that a section may use.
    pub(super) width: usize,
}
