//! A recording that is played: what a view may ask of it, and times as they are typed.

pub mod order;
pub mod time;
