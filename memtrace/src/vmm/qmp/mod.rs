//! QMP, QEMU's own protocol: one small client for each VM that libvirt doesn't own.
//!
//! A QMP socket serves one client at a time, so a session lasts a few milliseconds every
//! two seconds: the operator's own tools (Proxmox's, for one) must get at it between
//! them. All clients share one thread that waits for nobody: a monitor that never
//! answers costs its own VM the balloon and the statistics, and nothing else.

mod answers;
mod connection;
mod session;
mod socket;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

use self::session::Session;
use super::guest::{GuestAnswer, PERIOD_SECONDS};

/// Between two sessions with the same VM.
const PERIOD: Duration = Duration::from_secs(PERIOD_SECONDS as u64);
/// The longest wait after failures.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// So long an answer stands while later ones fail, for a socket that somebody else uses
/// for a moment.
const FRESH: Duration = Duration::from_secs(3 * PERIOD_SECONDS as u64);

/// Where a VM's monitor listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// /proc/PID of the VM: its file system may be another one than ours.
    pub process: PathBuf,
    /// Path of the socket, as the VM's process sees it.
    pub path: String,
    /// The process that must answer, so that a path which somebody else has taken over is
    /// noticed. `None`: whoever does.
    pub peer: Option<u32>,
}

/// The clients of all VMs, by process id.
#[derive(Debug, Default)]
pub struct QmpClients {
    runtime: Option<Runtime>,
    clients: BTreeMap<u32, Client>,
}

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
    /// Asks the monitor at `target` from now on.
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
        let task = runtime.spawn(ask_forever(target.clone(), Arc::clone(&latest)));
        self.clients.insert(pid, Client { target, latest, task: task.abort_handle() });
    }

    pub fn forget(&mut self, pid: u32) {
        if let Some(client) = self.clients.remove(&pid) {
            client.task.abort();
        }
    }

    /// What the VM's monitor said last. Never waits.
    pub fn answer(&self, pid: u32) -> GuestAnswer {
        let Some(client) = self.clients.get(&pid) else {
            return GuestAnswer::problem("QMP: memtrace could not start its client");
        };
        client.latest.lock().unwrap_or_else(PoisonError::into_inner).answer(Instant::now())
    }
}

impl Drop for QmpClients {
    fn drop(&mut self) {
        // Waiting for the thread, as dropping does, may not be allowed where we are.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Latest {
    fn answer(&self, now: Instant) -> GuestAnswer {
        let Some((at, mut answer)) = self.answer.clone() else {
            let problem = self.problem.as_deref().unwrap_or("QMP: not answered yet");
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
        // Only for finding a socket, which may hang on a dead file system.
        .max_blocking_threads(8)
        .thread_name("memtrace-qmp")
        .enable_all()
        .build()
}

async fn ask_forever(target: Target, latest: Arc<Mutex<Latest>>) {
    let mut session = Session::default();
    let mut wait = PERIOD;
    loop {
        let outcome = session.run(&target).await;
        {
            let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Ok(answer) => {
                    *latest = Latest { answer: Some((Instant::now(), answer)), problem: None };
                    wait = PERIOD;
                }
                Err(problem) => {
                    latest.problem = Some(format!("QMP: {problem}"));
                    wait = wait.saturating_mul(2).min(LONGEST_WAIT);
                }
            }
        }
        tokio::time::sleep(wait).await;
    }
}
