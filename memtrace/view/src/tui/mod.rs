//! `memtrace top`: the live view. A [`State`](state::State), a pure
//! [`update`](update::update) that messages go through, and pure views that draw the state.
//! Does no input or output itself.

mod geometry;
pub mod key;
pub mod page;
mod rows;
pub mod state;
pub mod theme;
pub mod update;
pub mod view;

pub use page::{Page, Parts};

use crate::columns::{ColumnId, Sort};
use memtrace_core::filter::Filter;

/// Options of the command line. The interval belongs to the sampling loop
/// ([`Control`](memtrace_core::live::Control)).
#[derive(Clone, Debug, Default)]
pub struct TopOptions {
    pub sort: Sort,
    pub filter: Option<Filter>,
    /// The columns to show; empty: by the width of the screen.
    pub columns: Vec<ColumnId>,
    /// Whether to use colours.
    pub color: bool,
}
