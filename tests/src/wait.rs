//! Waiting for a condition, with a deadline. Tests never sleep for a fixed time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long a condition may take to come true before a test gives up.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Asks until there is an answer.
///
/// # Errors
/// When there is none within [`DEADLINE`]; `what` says what was waited for.
pub fn until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return Ok(answer);
        }
        if begun.elapsed() > DEADLINE {
            bail!("waited {DEADLINE:?} in vain for {what}");
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
