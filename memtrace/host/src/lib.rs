//! memtrace's adapters to this host: the eBPF programs, /proc and cgroups, QMP and libvirt,
//! balloons. What they read means something elsewhere.
//!
//! Without the feature `adapters` there is `taskstats` alone, by which the lab's own programs
//! read the kernel's delay accounting: those want neither the eBPF object nor its loader.
#![deny(unsafe_code)]

#[cfg(feature = "adapters")]
pub mod actuate;
#[cfg(feature = "adapters")]
pub mod hostfs;
#[cfg(feature = "adapters")]
pub mod line_sink;
#[cfg(feature = "adapters")]
pub mod live;
#[cfg(feature = "adapters")]
pub mod privileges;
#[cfg(feature = "adapters")]
pub mod probe;
pub mod taskstats;
#[cfg(feature = "adapters")]
pub mod vmm;
