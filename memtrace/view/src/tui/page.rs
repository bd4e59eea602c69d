//! The page of a view without state. Pure.

use crate::emphasis::Part;

/// One line: parts separated by a blank.
pub type Parts = Vec<Part>;

/// A fixed head, and scrollable lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub head: Vec<Parts>,
    pub rows: Vec<Parts>,
}
