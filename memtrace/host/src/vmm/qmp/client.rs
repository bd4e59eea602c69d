//! The task of one VM: polls every two seconds, and runs balloon commands. Both share it because
//! the socket serves one client at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::session::Session;
use super::{Latest, PERIOD, Target};
use crate::vmm::guest::GuestAnswer;
use crate::vmm::order::SetBalloon;
use memtrace_core::units::Bytes;

/// The longest wait after failures.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Between two rounds while a balloon is on its way, and for how many.
const WATCHING: (Duration, u32) = (Duration::from_millis(500), 10);
/// For a whole command: finding the socket, greeting, answer. Each step has its own limit;
/// this is for a socket on a file system that hangs.
const COMMAND: Duration = Duration::from_secs(6);

pub(super) struct Task {
    target: Target,
    latest: Arc<Mutex<Latest>>,
    orders: mpsc::Receiver<SetBalloon>,
    session: Session,
    wait: Duration,
    /// Where the balloon should get to, and rounds left to watch it closely.
    watched: Option<(Bytes, u32)>,
}

impl Task {
    pub(super) fn new(
        target: Target,
        latest: Arc<Mutex<Latest>>,
        orders: mpsc::Receiver<SetBalloon>,
    ) -> Self {
        Self { target, latest, orders, session: Session::default(), wait: PERIOD, watched: None }
    }

    /// Ends when its client is gone.
    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                biased;
                // A command goes first: the poll is aborted, and repeated.
                Some(order) = self.orders.recv() => {
                    self.carry_out(order).await;
                    continue;
                }
                outcome = self.session.run(&self.target) => self.note(outcome),
            }
            match timeout(self.pause(), self.orders.recv()).await {
                Ok(Some(order)) => self.carry_out(order).await,
                Ok(None) => return,
                Err(_) => {}
            }
        }
    }

    fn note(&mut self, outcome: Result<GuestAnswer, String>) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(answer) => {
                self.watched = self.watched.and_then(|(to, left)| {
                    let arrived = answer.guest.actual == Some(to);
                    Some((to, left.checked_sub(1)?)).filter(|_| !arrived)
                });
                *latest = Latest { answer: Some((Instant::now(), answer)), problem: None };
                self.wait = PERIOD;
            }
            Err(problem) => {
                self.watched = None;
                latest.problem = Some(format!("QMP: {problem}"));
                self.wait = self.wait.saturating_mul(2).min(LONGEST_WAIT);
            }
        }
    }

    fn pause(&self) -> Duration {
        let (short, _) = WATCHING;
        if self.watched.is_some() { short } else { self.wait }
    }

    async fn carry_out(&mut self, order: SetBalloon) {
        let command = self.session.set_balloon(&self.target, order.to);
        let late = || Err(format!("no answer within {} s", COMMAND.as_secs()));
        let result = timeout(COMMAND, command).await.unwrap_or_else(|_| late());
        if result.is_ok() {
            let (_, rounds) = WATCHING;
            self.watched = Some((order.to, rounds));
        }
        order.reply.send(result.map_err(|error| format!("QMP: {error}")));
    }
}
