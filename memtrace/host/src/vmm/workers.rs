//! A small thread pool for calls that may hang: into a library, or a blocking write. Threads are
//! started on demand up to a limit; further work waits in a bounded queue, and then is refused. A
//! hanging thread ends with the process.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::order::Reply;

type Work = Box<dyn FnOnce() -> Result<(), String> + Send>;

struct Job {
    work: Work,
    reply: Reply,
}

/// Hands work to its threads; they end when it is dropped and the queue is empty.
#[derive(Debug)]
pub struct Workers {
    name: &'static str,
    most: usize,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<PoolState>,
    changed: Condvar,
}

#[derive(Default)]
struct PoolState {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl std::fmt::Debug for PoolState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} waiting, {} of {} threads idle", self.queue.len(), self.idle, self.threads)
    }
}

impl Workers {
    /// At most `most` threads, and as many jobs that wait.
    pub fn new(name: &'static str, most: usize) -> Self {
        Self { name, most, shared: Arc::default() }
    }

    /// Never blocks. The outcome goes to `reply`, also when the queue is full.
    pub fn submit(&self, reply: Reply, work: impl FnOnce() -> Result<(), String> + Send + 'static) {
        let mut state = self.shared.lock();
        match self.make_room(&mut state) {
            Ok(()) => {
                state.queue.push_back(Job { work: Box::new(work), reply });
                self.shared.changed.notify_one();
            }
            Err(why) => {
                drop(state);
                reply.send(Err(why));
            }
        }
    }

    fn make_room(&self, state: &mut PoolState) -> Result<(), String> {
        let (waiting, idle) = (state.queue.len(), state.idle);
        if waiting >= idle && state.threads < self.most {
            return self.start_thread(state);
        }
        if waiting >= idle.saturating_add(self.most) {
            return Err(format!("queue full: {waiting} orders are waiting"));
        }
        Ok(())
    }

    fn start_thread(&self, state: &mut PoolState) -> Result<(), String> {
        let shared = Arc::clone(&self.shared);
        let run = move || shared.work();
        match thread::Builder::new().name(self.name.to_owned()).spawn(run) {
            Ok(_) => {
                state.threads += 1;
                state.idle += 1;
                Ok(())
            }
            // The present threads will take it.
            Err(_) if state.threads > 0 => Ok(()),
            Err(error) => Err(format!("cannot start a thread: {error}")),
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread's life; it counts as idle when it begins.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(Job { work, reply }) = state.queue.pop_front() {
                state.idle = state.idle.saturating_sub(1);
                drop(state);
                // A library's panic must not cost a thread.
                let result = catch_unwind(AssertUnwindSafe(work));
                reply.send(
                    result.unwrap_or_else(|_| Err("internal error: worker panicked".to_owned())),
                );
                state = self.lock();
                state.idle += 1;
            } else if state.closed {
                return;
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    type JobOutcome = (u32, Result<(), String>);

    fn reply(number: u32, send: &mpsc::Sender<JobOutcome>) -> Reply {
        let send = send.clone();
        Reply::new(move |result| send.send((number, result)).unwrap())
    }

    #[test]
    fn work_that_hangs_delays_no_other_until_all_hang() {
        let workers = Workers::new("test", 2);
        let (go, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let (send, told) = mpsc::channel();
        let (begin, begun) = mpsc::channel();
        let hang = |number| {
            let (gate, begin) = (Arc::clone(&gate), begin.clone());
            workers.submit(reply(number, &send), move || {
                begin.send(()).unwrap();
                let _ = gate.lock().map(|gate| gate.recv());
                Ok(())
            });
        };
        let quick = |number| workers.submit(reply(number, &send), || Ok(()));
        hang(1);
        begun.recv_timeout(PATIENCE).unwrap();
        quick(2);
        assert_eq!(told.recv_timeout(PATIENCE), Ok((2, Ok(()))));
        hang(3);
        begun.recv_timeout(PATIENCE).unwrap();
        quick(4);
        quick(5);
        quick(6);
        let refused = "queue full: 2 orders are waiting".to_owned();
        assert_eq!(told.try_recv(), Ok((6, Err(refused))));
        assert!(told.try_recv().is_err());
        drop(go);
        let mut done: Vec<JobOutcome> =
            (0..4).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
        done.sort_by_key(|(number, _)| *number);
        assert_eq!(done, [1, 3, 4, 5].map(|number| (number, Ok(()))));
    }

    #[test]
    fn a_panic_costs_no_thread_and_the_end_none_of_the_work() {
        let workers = Workers::new("test", 1);
        let (send, told) = mpsc::channel();
        workers.submit(reply(1, &send), || std::panic::resume_unwind(Box::new(1)));
        workers.submit(reply(2, &send), || Ok(()));
        drop(workers);
        let (number, result) = told.recv_timeout(PATIENCE).unwrap();
        assert!(number == 1 && result.unwrap_err().contains("panic"));
        assert_eq!(told.recv_timeout(PATIENCE), Ok((2, Ok(()))));
    }
}
