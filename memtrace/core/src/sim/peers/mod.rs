//! Published balloon policies to compare memtrace's own with: each written from the description of
//! its rule and numbers. They get the same observations as memtrace's policy.

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
