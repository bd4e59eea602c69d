//! Queries to a Prometheus server, for `fleet` and `advise --prometheus`.

mod args;
mod client;
pub mod reply;

pub(crate) use args::CredentialsArguments;
pub(crate) use client::{Address, Prometheus, Stretch};
