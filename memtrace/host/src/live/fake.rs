//! A host and a kernel side made up for tests: it remembers what it was told, and says what the
//! test wants.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};

use anyhow::{Result, bail};
use memtrace_ebpf::{Event, VmCounters};

use super::{LiveOptions, LiveSource};
use crate::hostfs::fake::{self, FakeHost, FakeProcess};
use crate::hostfs::process::Vitals;
use crate::probe::{Arrived, Belongings, KernelSide, Reading};
use memtrace_core::signal::{Quality, Signal, SignalStatus};
use memtrace_core::units::Nanos;

/// The one VM of [`host`].
pub const QEMU: FakeProcess<'static> = FakeProcess {
    arguments: &["qemu-system-x86_64", "-name", "näme with spaces", "-m", "512"],
    cgroup: "0::/pool/vm\n",
    ..fake::QEMU
};

#[derive(Default)]
pub struct FakeState {
    pub tracked: BTreeMap<u32, Belongings>,
    pub forgotten: Vec<u32>,
    pub events: Vec<Event>,
    pub reading: Reading,
    pub full: bool,
    /// What it tells of processes without their files.
    pub processes: BTreeMap<u32, Vitals>,
    /// Counters at the moment of asking.
    pub fresh: BTreeMap<u32, VmCounters>,
    pub swap_ins_need_vmswap: bool,
    /// It has hooks that may rest.
    pub can_rest: bool,
    /// They do.
    pub rests: bool,
    /// They can't be attached again.
    pub refuses: bool,
}

pub struct FakeKernel {
    state: Arc<Mutex<FakeState>>,
    signals: Vec<SignalStatus>,
    bell: File,
}

/// The test's end of a [`FakeKernel`].
pub struct Remote {
    pub state: Arc<Mutex<FakeState>>,
    bell: File,
}

impl Remote {
    pub fn send(&self, event: Event) {
        self.state.lock().unwrap().events.push(event);
        (&self.bell).write_all(b"x").unwrap();
    }
}

pub fn kernel() -> (Box<dyn KernelSide>, Remote) {
    let state = Arc::new(Mutex::new(FakeState::default()));
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

    fn processes(&mut self) -> BTreeMap<u32, Vitals> {
        self.state.lock().unwrap().processes.clone()
    }

    fn processes_unread(&self) -> Option<&str> {
        None
    }

    fn files_of_cgroups(&self) -> &[&'static str] {
        &[]
    }

    fn swap_ins_need_vmswap(&self) -> bool {
        self.state.lock().unwrap().swap_ins_need_vmswap
    }

    fn counters(&self, tgid: u32) -> Option<VmCounters> {
        self.state.lock().unwrap().fresh.get(&tgid).copied()
    }

    fn can_rest(&self) -> bool {
        self.state.lock().unwrap().can_rest
    }

    fn rest(&mut self) -> Result<()> {
        self.state.lock().unwrap().rests = true;
        Ok(())
    }

    fn wake(&mut self) -> Result<()> {
        let mut state = self.state.lock().unwrap();
        if state.refuses {
            bail!("refused");
        }
        state.rests = false;
        Ok(())
    }
}

/// A host with one VM in a cgroup of its own.
pub fn host() -> FakeHost {
    let host = FakeHost::unified();
    host.file(
        "proc/meminfo",
        "MemTotal: 8 kB\nMemFree: 1 kB\nMemAvailable: 2 kB\nBuffers: 0 kB\nCached: 0 kB\n\
         SwapTotal: 0 kB\nSwapFree: 0 kB\nSwapCached: 0 kB\n",
    );
    host.file("proc/vmstat", "pswpin 7\n");
    host.file("proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
    host.file("proc/swaps", "Filename Type Size Used Priority\n");
    host.file("proc/sys/kernel/hostname", "näme\n");
    for cgroup in ["pool/vm", "pool"] {
        let directory = format!("sys/fs/cgroup/{cgroup}");
        host.file(&format!("{directory}/memory.current"), "4096\n");
        host.file(&format!("{directory}/memory.max"), "max\n");
        host.file(&format!("{directory}/memory.high"), "max\n");
        host.file(&format!("{directory}/memory.stat"), "anon 1\n");
        host.file(&format!("{directory}/memory.events"), "max 3\n");
        host.file(&format!("{directory}/cgroup.procs"), "50\n");
    }
    host.process(&QEMU);
    host
}

/// What reads `host`, and the end of its kernel side.
pub fn source(host: &FakeHost) -> (LiveSource, Remote) {
    let (kernel, remote) = kernel();
    (LiveSource::new(host.root(), Ok(kernel), LiveOptions::default()), remote)
}
