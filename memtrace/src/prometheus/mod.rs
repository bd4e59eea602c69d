//! Queries to a Prometheus server, for `fleet` and `advise --prometheus`.

mod client;
pub mod reply;

pub(crate) use client::{Address, Prometheus, Stretch};
