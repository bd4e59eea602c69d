//! Queries to a Prometheus server, for `fleet` and `advise --prometheus`.

mod client;
pub(crate) mod reply;

pub use client::{Address, Prometheus, Stretch};
