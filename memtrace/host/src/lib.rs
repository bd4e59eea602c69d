//! memtrace's adapters to this host: the eBPF programs, /proc and cgroups, QMP and libvirt,
//! balloons. Knows no rates and no policy.
#![deny(unsafe_code)]

pub mod actuate;
pub mod clock;
pub mod hostfs;
pub mod line_sink;
pub mod live;
pub mod privileges;
pub mod probe;
pub mod vmm;
