//! What a file sets, and where.

use super::problem::Place;

/// A value as a file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Dotted.
    pub key: String,
    /// Which of the tables of a list it is in, counted from 1 in each file.
    pub table: Option<usize>,
    pub place: Place,
    /// TOML.
    pub value: String,
}
