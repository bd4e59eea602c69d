//! What a running reactor can be asked for. It listens at its next step.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::Reactor;
use crate::policy::Rules;

/// The other end of a reactor.
#[derive(Clone, Debug)]
pub struct Remote(Sender<Request>);

/// What may be different from now on.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub rules: Rules,
    /// Decisions are carried out, by a reactor that has hands.
    pub acts: bool,
}

#[derive(Debug)]
pub(super) enum Request {
    Change(Box<Change>),
    GiveBack,
}

pub(super) type Requests = Receiver<Request>;

impl Remote {
    /// Goes by something else. A reactor that has ended doesn't any more.
    pub fn change(&self, change: Change) {
        self.send(Request::Change(Box::new(change)));
    }

    /// Gives back what was taken, and does nothing else any more.
    pub fn give_back(&self) {
        self.send(Request::GiveBack);
    }

    /// To a reactor that has ended.
    #[cfg(any(test, feature = "fixture"))]
    pub fn nowhere() -> Self {
        Self(channel().0)
    }

    fn send(&self, request: Request) {
        // Nobody there: it has ended, and there is nothing left to ask for.
        let _ = self.0.send(request);
    }
}

impl Reactor {
    /// A way to ask it for something while it runs. The one before leads nowhere then.
    pub fn remote(&mut self) -> Remote {
        let (send, requests) = channel();
        self.requests = Some(requests);
        Remote(send)
    }

    /// It only observes, though it has hands.
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
