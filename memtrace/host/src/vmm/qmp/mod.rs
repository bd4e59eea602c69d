//! QMP, QEMU's own protocol: one small client for each VM that libvirt doesn't own.
//!
//! A QMP socket serves one client at a time, so a session lasts a few milliseconds every
//! two seconds: the operator's own tools (Proxmox's, for one) must get at it between
//! them. Balloon commands don't wait for that moment. All clients share one thread that
//! never blocks: a monitor that never answers affects only its own VM.

mod answers;
mod client;
mod connection;
#[cfg(any(test, feature = "fixture"))]
pub mod fake;
mod framing;
pub mod inspect;
mod session;
mod socket;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use self::client::Task;
use super::discover::FoundVm;
use super::guest::{GuestAnswer, PERIOD_SECONDS};
use super::order::SetBalloon;
use crate::hostfs::HostRoot;
use crate::hostfs::process::sight::Start;

/// Between two sessions with the same VM.
const PERIOD: Duration = Duration::from_secs(PERIOD_SECONDS as u64);
/// How long an answer stays valid while later ones fail, for a socket that is briefly in use by
/// another client.
const FRESH: Duration = Duration::from_secs(3 * PERIOD_SECONDS as u64);

/// Where a VM's monitor listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// /proc/PID of the VM: its file system may be another one than ours.
    pub process: PathBuf,
    /// Path of the socket, as the VM's process saw it when it was started.
    pub path: String,
    /// What of that has changed since.
    pub start: Start,
    /// The user to whom the VM's process counts. `None`: not known.
    pub user: Option<u32>,
    /// The process that must answer, to detect a path taken over by another process. `None`: any.
    pub peer: Option<u32>,
}

impl Target {
    /// `None`: the VM has no such socket.
    pub fn of(root: &HostRoot, vm: &FoundVm) -> Option<Self> {
        let path = vm.description.qemu.as_ref()?.qmp_sockets.first()?.clone();
        let (process, start) = (root.process(vm.pid), vm.description.start());
        Some(Self { process, path, start, user: vm.user, peer: Some(vm.pid) })
    }
}

/// The clients of all VMs, by process id.
#[derive(Debug, Default)]
pub struct QmpClients {
    runtime: Option<Runtime>,
    clients: BTreeMap<u32, Client>,
    orders: QmpOrders,
}

/// Takes balloon commands for the VMs whose monitors are asked, by process id. Its clones
/// are the same.
#[derive(Clone, Debug, Default)]
pub struct QmpOrders(Arc<Mutex<BTreeMap<u32, mpsc::Sender<SetBalloon>>>>);

#[derive(Debug)]
struct Client {
    target: Target,
    latest: Arc<Mutex<Latest>>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Latest {
    answer: Option<(Instant, GuestAnswer)>,
    problem: Option<String>,
}

impl QmpClients {
    /// Starts polling the monitor at `target`.
    pub fn follow(&mut self, pid: u32, target: Target) {
        if self.clients.get(&pid).is_some_and(|client| client.target == target) {
            return;
        }
        self.forget(pid);
        let latest = Arc::new(Mutex::new(Latest::default()));
        let runtime = match self.runtime.take().map_or_else(start_runtime, Ok) {
            Ok(runtime) => self.runtime.insert(runtime),
            Err(_) => return,
        };
        let (order, orders) = mpsc::channel(1);
        let task = Task::new(target.clone(), Arc::clone(&latest), orders);
        let task = runtime.spawn(task.run());
        self.orders.lock().insert(pid, order);
        self.clients.insert(pid, Client { target, latest, task: task.abort_handle() });
    }

    pub fn forget(&mut self, pid: u32) {
        if let Some(client) = self.clients.remove(&pid) {
            self.orders.lock().remove(&pid);
            client.task.abort();
        }
    }

    /// For balloon commands, on any thread.
    pub fn orders(&self) -> QmpOrders {
        self.orders.clone()
    }

    /// The last answer of the VM's monitor. Never blocks.
    pub fn answer(&self, pid: u32) -> GuestAnswer {
        let Some(client) = self.clients.get(&pid) else {
            return GuestAnswer::problem("QMP: cannot start the client");
        };
        client.latest.lock().unwrap_or_else(PoisonError::into_inner).answer(Instant::now())
    }
}

impl QmpOrders {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, mpsc::Sender<SetBalloon>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the command as soon as the VM's monitor is free: within milliseconds, or when
    /// the current query is answered or given up. Never blocks; the outcome goes to
    /// `order.reply`.
    pub fn send(&self, pid: u32, order: SetBalloon) {
        let sender = self.lock().get(&pid).cloned();
        let refused = match sender {
            None => Some((order, "no client for this VM")),
            Some(sender) => match sender.try_send(order) {
                Ok(()) => None,
                Err(mpsc::error::TrySendError::Full(order)) => {
                    Some((order, "the previous command is still in progress"))
                }
                Err(mpsc::error::TrySendError::Closed(order)) => {
                    Some((order, "its client has ended"))
                }
            },
        };
        if let Some((order, why)) = refused {
            order.reply.send(Err(format!("QMP: {why}")));
        }
    }
}

impl Drop for QmpClients {
    fn drop(&mut self) {
        self.orders.lock().clear();
        // Waiting for the thread, as dropping does, may not be allowed where we are.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Latest {
    fn answer(&self, now: Instant) -> GuestAnswer {
        let Some((at, mut answer)) = self.answer.clone() else {
            let problem = self.problem.as_deref().unwrap_or("QMP: no answer yet");
            return GuestAnswer::problem(problem);
        };
        if let Some(problem) = &self.problem {
            answer.guest.problem = Some(problem.clone());
            if now.saturating_duration_since(at) > FRESH {
                // The statistics carry their own time; the rest would pass as today's.
                answer.state = None;
                answer.guest.actual = None;
            }
        }
        answer
    }
}

fn start_runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        // Only for finding a socket, which may hang on a dead file system; shared among several
        // users.
        .max_blocking_threads(8 * socket::MOST_OF_A_USER)
        .thread_name("memtrace-qmp")
        .enable_all()
        .build()
}
