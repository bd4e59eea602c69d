//! Calls the hook: writes a line to a command that runs already. It has its own thread and bounded
//! queue, so that a hanging command delays nothing.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use anyhow::{Context, Result};

use crate::line_sink::LineSink;
use memtrace_core::order::{Failure, Outcome};

/// Maximum number of queued lines. There are minutes between two.
const QUEUE: usize = 8;

/// The operator's command.
#[derive(Debug)]
pub struct HookCommand {
    queue: SyncSender<(u64, String)>,
    outcomes: Receiver<Outcome>,
    /// Results of lines that don't fit into the queue.
    refused: Sender<Outcome>,
}

impl HookCommand {
    /// Starts it.
    ///
    /// # Errors
    /// When the command can't be started, or a thread.
    pub fn start(arguments: &[String]) -> Result<Self> {
        let mut sink = LineSink::start(arguments)
            .with_context(|| format!("cannot start {}", arguments.join(" ")))?;
        let (queue, lines) = sync_channel::<(u64, String)>(QUEUE);
        let (refused, outcomes) = channel();
        let send = refused.clone();
        thread::Builder::new()
            .name("hook".to_owned())
            .spawn(move || {
                for (id, line) in lines {
                    let result = sink.tell(&line).map_err(Failure::Reported);
                    // No receiver: memtrace is exiting.
                    let _ = send.send(Outcome { id, result });
                }
            })
            .context("cannot start the hook's thread")?;
        Ok(Self { queue, outcomes, refused })
    }
}

impl HookCommand {
    /// Hands a line over, and returns at once.
    pub fn tell(&mut self, number: u64, line: String) {
        if self.queue.try_send((number, line)).is_err() {
            let text = "the command has not read the previous lines".to_owned();
            let result = Err(Failure::Reported(text));
            let _ = self.refused.send(Outcome { id: number, result });
        }
    }

    /// Outcomes of earlier lines, by number.
    pub fn ended(&mut self) -> Vec<Outcome> {
        self.outcomes.try_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    /// All outcomes, once there are this many.
    fn ended(hook: &mut HookCommand, many: usize) -> Vec<Outcome> {
        let deadline = Instant::now() + PATIENCE;
        let mut all = Vec::new();
        while all.len() < many {
            assert!(Instant::now() < deadline, "{all:?}");
            all.extend(hook.ended());
            thread::park_timeout(Duration::from_millis(5));
        }
        all
    }

    #[test]
    fn the_command_reads_a_line_for_each_call() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("told");
        let mut hook =
            HookCommand::start(&shell(&format!("exec cat > {}", file.display()))).unwrap();
        hook.tell(7, "{\"a\":1}".to_owned());
        hook.tell(8, "{\"a\":2}".to_owned());
        let expected: Vec<Outcome> = [7, 8].map(|id| Outcome { id, result: Ok(()) }).to_vec();
        assert_eq!(ended(&mut hook, 2), expected);
        let deadline = Instant::now() + PATIENCE;
        while std::fs::read_to_string(&file).unwrap_or_default() != "{\"a\":1}\n{\"a\":2}\n" {
            assert!(Instant::now() < deadline);
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_command_that_ended_is_a_failure_and_one_that_cannot_start_too() {
        let mut hook = HookCommand::start(&shell("exec <&-; exit 3")).unwrap();
        let deadline = Instant::now() + PATIENCE;
        // A line may still be taken before it has ended.
        let refused = (1..).find_map(|number| {
            assert!(Instant::now() < deadline);
            hook.tell(number, "x".to_owned());
            ended(&mut hook, 1).into_iter().find_map(|outcome| outcome.result.err())
        });
        let Some(Failure::Reported(reason)) = refused else { panic!("{refused:?}") };
        assert!(reason.contains("sh -c exec <&-"), "{reason}");
        assert!(HookCommand::start(&["/nonexistent/hook".to_owned()]).is_err());
    }

    #[test]
    fn a_hook_that_does_not_read_blocks_no_caller() {
        let mut hook = HookCommand::start(&shell("exec sleep 5")).unwrap();
        // More than a pipe holds.
        let line = "x".repeat(1 << 17);
        let begun = Instant::now();
        for number in 0..20 {
            hook.tell(number, line.clone());
        }
        assert!(begun.elapsed() < Duration::from_secs(2));
        let refused = ended(&mut hook, 1);
        let Err(Failure::Reported(reason)) = &refused[0].result else { panic!("{refused:?}") };
        assert!(reason.contains("has not read"), "{reason}");
    }
}
