//! A balloon command to a hypervisor. Exactly one answer comes back, also when the executor goes
//! away.

use memtrace_core::units::Bytes;

/// Set the logical size of a VM.
#[derive(Debug)]
pub struct SetBalloon {
    pub to: Bytes,
    pub reply: Reply,
}

type Receive = Box<dyn FnOnce(Result<(), String>) + Send>;

/// The receiver of the answer. Dropped without one, it reports that.
pub struct Reply(Option<Receive>);

impl Reply {
    /// `receive` gets errors as messages for the operator. It must not block.
    pub fn new(receive: impl FnOnce(Result<(), String>) + Send + 'static) -> Self {
        Self(Some(Box::new(receive)))
    }

    pub fn send(mut self, result: Result<(), String>) {
        self.give(result);
    }

    fn give(&mut self, result: Result<(), String>) {
        if let Some(receive) = self.0.take() {
            receive(result);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.give(Err("cancelled: the VM or its client went away".to_owned()));
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reply")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn exactly_one_answer_comes_back() {
        let (send, answers) = mpsc::channel();
        let reply = || {
            let send = send.clone();
            Reply::new(move |result| send.send(result).unwrap())
        };
        reply().send(Ok(()));
        assert_eq!(answers.try_recv(), Ok(Ok(())));
        drop(reply());
        assert!(answers.try_recv().unwrap().unwrap_err().contains("cancelled"));
        assert!(answers.try_recv().is_err());
    }
}
