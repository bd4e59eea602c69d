//! The policy as a whole.

mod fixture;
mod properties;
mod receiving;
mod rules;
mod settling;
