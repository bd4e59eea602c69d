//! Lines that a view without a state of its own shows. Pure.

use crate::emphasis::Part;

/// One line: its parts, a blank apart.
pub type Parts = Vec<Part>;

/// What stays at the top, and what can be scrolled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub head: Vec<Parts>,
    pub rows: Vec<Parts>,
}
