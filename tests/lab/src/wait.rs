//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::interrupt;

const LOOK: Duration = Duration::from_millis(50);

/// Asks until there is an answer; an error is retried.
///
/// # Errors
/// When there is none in time, with the last reason, or on Ctrl-C.
pub fn until<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        interrupt::check()?;
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(why) if Instant::now() >= deadline => {
                return Err(why).with_context(|| format!("waited in vain for {what}"));
            }
            Err(_) => std::thread::sleep(LOOK),
        }
    }
}
