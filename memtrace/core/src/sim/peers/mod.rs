//! The rules of others, to hold memtrace's own against: each written from the description
//! of its rule and of its numbers. They see what memtrace's policy sees, and take of it
//! what they would.

mod clairvoyant;
mod common;
mod hypeman;
mod mom;
mod nothing;
mod pi;
mod proxmox;
mod squeezed;

use crate::policy::Policy;

pub use clairvoyant::Clairvoyant;

/// All of them, each as it begins; the first does nothing.
pub fn all() -> Vec<Box<dyn Policy>> {
    vec![
        Box::new(nothing::Nothing),
        Box::new(mom::Mom::default()),
        Box::new(proxmox::Proxmox::default()),
        Box::new(squeezed::Squeezed::default()),
        Box::new(hypeman::Hypeman::default()),
        Box::new(pi::Pi::default()),
    ]
}

#[cfg(test)]
mod tests;
