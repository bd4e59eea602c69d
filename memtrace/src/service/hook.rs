//! The operator's hook: a command that reads a line of JSON for each call.

use anyhow::Result;
use memtrace_core::order::Outcome;
use memtrace_core::reactor::{Hook, HookMessage};
use memtrace_host::actuate::hook::HookCommand;
use memtrace_view::export::worded;

/// Feeds the command.
#[derive(Debug)]
pub struct CommandHook(HookCommand);

impl CommandHook {
    /// Starts it.
    ///
    /// # Errors
    /// When the command can't be started, or a thread.
    pub fn start(arguments: &[String]) -> Result<Self> {
        HookCommand::start(arguments).map(Self)
    }
}

impl Hook for CommandHook {
    fn tell(&mut self, number: u64, message: &HookMessage) {
        self.0.tell(number, worded::hook_line(message));
    }

    fn ended(&mut self) -> Vec<Outcome> {
        self.0.ended()
    }
}
