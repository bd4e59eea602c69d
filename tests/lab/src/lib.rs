//! memtrace's lab: real VMs under memory pressure, to try memtrace on. `setup` fetches what that
//! takes; `local` runs guests on this machine, in cgroups with a swap of their own; `vm` boots
//! whole kernels with KVM guests inside. On these: `demo` shows, `trials` breaks things. What
//! is measured, and tried with other programs, is in crates of their own.

pub mod binary;
pub mod child;
// These two by path: they are memtrace-host's build script's, which can share code through a
// crate of its own alone, and that would be one more that each installation builds.
#[path = "../../../memtrace/host/build/compile.rs"]
pub mod compile;
pub mod date;
pub mod demo;
pub mod harness;
pub mod interrupt;
#[path = "../../../memtrace/host/build/kept.rs"]
pub mod kept;
pub mod local;
pub mod outcome;
pub mod paths;
pub mod progress;
pub mod release;
pub mod setup;
pub mod trials;
pub mod vm;
pub mod wait;
