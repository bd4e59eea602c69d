//! `memtrace top`: the live view. A [`State`](state::State), a pure
//! [`update`](update::update) that messages go through, pure views that draw the state,
//! and [`terminal`], the one file that owns the terminal. Must not know where snapshots
//! come from, nor read anything itself.

mod geometry;
mod key;
mod page;
mod rows;
mod state;
mod terminal;
mod theme;
mod update;
mod view;

pub use page::{Page, Parts};
pub use terminal::{pages, run};

use crate::columns::Sort;
use crate::filter::Filter;

/// What was asked for on the command line. The interval is the loop's
/// ([`Control`](crate::daemon::Control)).
#[derive(Clone, Debug, Default)]
pub struct TopOptions {
    pub sort: Sort,
    pub filter: Option<Filter>,
    /// Whether colours may be used; all is readable without.
    pub color: bool,
}
