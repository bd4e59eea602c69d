//! A kernel side made up for tests: it remembers what it was told, and says what the test
//! wants.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};

use anyhow::{Result, bail};
use memtrace_ebpf::{Event, VmCounters};

use crate::probe::{Arrived, Belongings, KernelSide, Reading};
use crate::signal::{Quality, Signal, SignalStatus};
use crate::units::Nanos;

#[derive(Default)]
pub(super) struct State {
    pub(super) tracked: BTreeMap<u32, Belongings>,
    pub(super) forgotten: Vec<u32>,
    pub(super) events: Vec<Event>,
    pub(super) reading: Reading,
    pub(super) full: bool,
    /// Counters at the moment of asking.
    pub(super) fresh: BTreeMap<u32, VmCounters>,
    pub(super) swap_ins_need_vmswap: bool,
}

pub(super) struct FakeKernel {
    state: Arc<Mutex<State>>,
    signals: Vec<SignalStatus>,
    bell: File,
}

/// The test's end of a [`FakeKernel`].
pub(super) struct Remote {
    pub(super) state: Arc<Mutex<State>>,
    bell: File,
}

impl Remote {
    pub(super) fn send(&self, event: Event) {
        self.state.lock().unwrap().events.push(event);
        (&self.bell).write_all(b"x").unwrap();
    }
}

pub(super) fn kernel() -> (Box<dyn KernelSide>, Remote) {
    let state = Arc::new(Mutex::new(State::default()));
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let signals = vec![SignalStatus {
        signal: Signal::SwapIn,
        source: Some("made up".to_owned()),
        hooked: true,
        quality: Quality::Exact,
    }];
    let kernel = FakeKernel { state: Arc::clone(&state), signals, bell: reader.into() };
    (Box::new(kernel), Remote { state, bell: writer.into() })
}

impl KernelSide for FakeKernel {
    fn signals(&self) -> &[SignalStatus] {
        &self.signals
    }

    fn track(&mut self, tgid: u32, belongings: &Belongings) -> Result<()> {
        let mut state = self.state.lock().unwrap();
        if state.full {
            bail!("no free slot");
        }
        state.tracked.insert(tgid, belongings.clone());
        Ok(())
    }

    fn forget(&mut self, tgid: u32) {
        let mut state = self.state.lock().unwrap();
        state.tracked.remove(&tgid);
        state.forgotten.push(tgid);
    }

    fn events(&mut self) -> Vec<Arrived> {
        let events = std::mem::take(&mut self.state.lock().unwrap().events);
        for _ in &events {
            (&self.bell).read_exact(&mut [0]).unwrap();
        }
        let arrived = |event: Event| Arrived { event, seen: Nanos(event.at_ns) };
        events.into_iter().map(arrived).collect()
    }

    fn event_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.bell.as_fd())
    }

    fn read(&mut self) -> Reading {
        self.state.lock().unwrap().reading.clone()
    }

    fn swap_ins_need_vmswap(&self) -> bool {
        self.state.lock().unwrap().swap_ins_need_vmswap
    }

    fn counters(&self, tgid: u32) -> Option<VmCounters> {
        self.state.lock().unwrap().fresh.get(&tgid).copied()
    }
}
