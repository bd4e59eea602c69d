//! Requests to a running reactor. It takes them at its next step.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::Reactor;
use crate::policy::Rules;

/// The other end of a reactor.
#[derive(Clone, Debug)]
pub struct Remote(Sender<Request>);

/// What can be changed in a running reactor.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub rules: Rules,
    /// Decisions are carried out, if the reactor has an actuator.
    pub acts: bool,
}

#[derive(Debug)]
pub(super) enum Request {
    Change(Box<Change>),
    GiveBack,
}

pub(super) type Requests = Receiver<Request>;

impl Remote {
    /// Uses other settings from now on. No effect once the reactor has ended.
    pub fn change(&self, change: Change) {
        self.send(Request::Change(Box::new(change)));
    }

    /// Gives back what was taken, and takes nothing any more.
    pub fn give_back(&self) {
        self.send(Request::GiveBack);
    }

    /// To a reactor that has ended.
    #[cfg(any(test, feature = "fixture"))]
    pub fn nowhere() -> Self {
        Self(channel().0)
    }

    fn send(&self, request: Request) {
        // The reactor has ended: there is nothing left to ask for.
        let _ = self.0.send(request);
    }
}

impl Reactor {
    /// A sender for requests while it runs. An earlier sender is disconnected.
    pub fn remote(&mut self) -> Remote {
        let (send, requests) = channel();
        self.requests = Some(requests);
        Remote(send)
    }

    /// It only observes, though it has an actuator.
    #[must_use]
    pub fn observing(self) -> Self {
        Self { acts: false, ..self }
    }

    pub(super) fn obey(&mut self) {
        while let Some(request) =
            self.requests.as_ref().and_then(|requests| requests.try_recv().ok())
        {
            match request {
                Request::Change(change) => {
                    let Change { rules, acts } = *change;
                    self.policy.change(rules);
                    self.acts = acts;
                }
                Request::GiveBack => self.leaving = true,
            }
        }
    }
}
