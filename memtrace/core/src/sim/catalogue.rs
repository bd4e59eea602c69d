//! The scenarios that memtrace comes with.

use anyhow::Result;

use super::scenario::Scenario;

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        /// Name and text of each.
        const SCENARIOS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("scenarios/", $name, ".toml")))),*];
    };
}

embedded![
    "idle",
    "night-batch",
    "all-peaks",
    "boot-storm",
    "leak",
    "thrash-at-minimum",
    "overcommit-2x",
    "libvirt-away",
    "statistics-stop",
    "operator-setmem",
    "dead-in-swap",
    "claims-need",
    "claims-plenty",
    "stuck-balloon",
    "half-stuck",
    "slow-balloon",
    "windows",
    "pinned",
    "migrating",
    "oom-prone",
    "cache-heavy",
    "slow-swap",
    "sudden-growth",
    "services-start",
    "claims-from-others",
    "near-the-edge",
];

/// All of them.
///
/// # Errors
/// None: a test reads them all.
pub fn all() -> Result<Vec<Scenario>> {
    SCENARIOS.iter().map(|(name, text)| Scenario::parse(name, text)).collect()
}

/// Their names.
pub fn names() -> impl Iterator<Item = &'static str> {
    SCENARIOS.iter().map(|(name, _)| *name)
}
