//! The policy as a whole.

mod fixture;
mod properties;
mod rules;
mod settling;
