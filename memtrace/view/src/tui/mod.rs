//! `memtrace top`: the live view. A [`State`](state::State), a pure
//! [`update`](update::update) that messages go through, and pure views that draw the state.
//! Must not know where snapshots come from, who owns the terminal, nor read anything itself.

mod geometry;
pub mod key;
pub mod page;
mod rows;
pub mod state;
pub mod theme;
pub mod update;
pub mod view;

pub use page::{Page, Parts};

use crate::columns::Sort;
use memtrace_core::filter::Filter;

/// What was asked for on the command line. The interval is the loop's
/// ([`Control`](memtrace_core::live::Control)).
#[derive(Clone, Debug, Default)]
pub struct TopOptions {
    pub sort: Sort,
    pub filter: Option<Filter>,
    /// Whether colours may be used; all is readable without.
    pub color: bool,
}
