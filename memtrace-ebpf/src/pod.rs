//! Leave for aya to move the ABI's types in and out of maps as bytes.

use crate::{
    AsyncFaultKey, Event, FlowKey, HostCounters, InodeKey, KernelLayout, SlotOwner, StallKey,
    StallStart, VmCounters, VmHistograms,
};

macro_rules! pod {
    ($($t:ty),*) => {$(
        // SAFETY: repr(C), made of integers and arrays of them, without padding
        // (pinned by the ABI test), so every bit pattern is a value.
        unsafe impl aya::Pod for $t {}
    )*};
}
pod!(
    VmCounters,
    VmHistograms,
    HostCounters,
    SlotOwner,
    FlowKey,
    StallKey,
    StallStart,
    InodeKey,
    AsyncFaultKey,
    Event,
    KernelLayout
);
