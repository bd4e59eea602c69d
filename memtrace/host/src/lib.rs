//! memtrace's adapters to this host: the eBPF programs, /proc and cgroups, QMP and libvirt,
//! balloons. Knows no rates and no policy.
//!
//! Without the feature `full` there is `taskstats` alone, by which the lab's own programs
//! read the kernel's delay accounting, and `protocol`, where the feature of that name is on: those
//! want neither the eBPF object nor its loader.
#![deny(unsafe_code)]

#[cfg(feature = "full")]
pub mod actuate;
#[cfg(feature = "full")]
pub mod clock;
#[cfg(feature = "full")]
pub mod hostfs;
#[cfg(feature = "full")]
pub mod line_sink;
#[cfg(feature = "full")]
pub mod live;
#[cfg(feature = "fixture")]
pub mod parsers;
#[cfg(feature = "full")]
pub mod privileges;
#[cfg(feature = "full")]
pub mod probe;
#[cfg(feature = "protocol")]
pub mod protocol;
pub mod taskstats;
#[cfg(feature = "full")]
mod transient;
#[cfg(feature = "full")]
pub mod vmm;
