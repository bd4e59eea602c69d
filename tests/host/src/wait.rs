//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(50);

/// Asks until there is an answer, at least once. `None`: there is none within `patience`.
pub fn poll<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= deadline {
            return answer;
        }
        std::thread::sleep(LOOK.min(deadline.saturating_duration_since(Instant::now())));
    }
}
