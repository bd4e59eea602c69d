//! The kernel side, with a note of each event that it gave.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use memtrace_core::signal::SignalStatus;
use memtrace_ebpf::VmCounters;
use memtrace_host::hostfs::process::Vitals;
use memtrace_host::probe::{Arrived, Belongings, KernelSide, Reading};

/// The events so far.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<Arrived>>>);

impl Seen {
    /// Those since the last time.
    pub fn take(&self) -> Vec<Arrived> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub struct Watched {
    inner: Box<dyn KernelSide>,
    seen: Seen,
}

impl Watched {
    pub fn new(inner: Box<dyn KernelSide>, seen: Seen) -> Self {
        Self { inner, seen }
    }
}

impl KernelSide for Watched {
    fn signals(&self) -> &[SignalStatus] {
        self.inner.signals()
    }

    fn track(&mut self, tgid: u32, belongings: &Belongings) -> Result<()> {
        self.inner.track(tgid, belongings)
    }

    fn forget(&mut self, tgid: u32) {
        self.inner.forget(tgid);
    }

    fn events(&mut self) -> Vec<Arrived> {
        let events = self.inner.events();
        self.seen.0.lock().unwrap_or_else(PoisonError::into_inner).extend(&events);
        events
    }

    fn event_fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.inner.event_fd()
    }

    fn processes(&mut self) -> BTreeMap<u32, Vitals> {
        self.inner.processes()
    }

    fn processes_unread(&self) -> Option<&str> {
        self.inner.processes_unread()
    }

    fn files_of_cgroups(&self) -> &[&'static str] {
        self.inner.files_of_cgroups()
    }

    fn swap_ins_need_vmswap(&self) -> bool {
        self.inner.swap_ins_need_vmswap()
    }

    fn counters(&self, tgid: u32) -> Option<VmCounters> {
        self.inner.counters(tgid)
    }

    fn read(&mut self) -> Reading {
        self.inner.read()
    }

    fn can_rest(&self) -> bool {
        self.inner.can_rest()
    }

    fn rest(&mut self) -> Result<()> {
        self.inner.rest()
    }

    fn wake(&mut self) -> Result<()> {
        self.inner.wake()
    }
}
