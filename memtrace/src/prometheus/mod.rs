//! A Prometheus that is asked, and what it answers. For what is shown of all hosts, and for
//! advice by what it remembers.

mod client;
pub mod reply;

pub use client::{Address, Prometheus, Stretch};
