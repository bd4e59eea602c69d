//! Waiting for a condition, or for a time that a run is to take, until Ctrl-C.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use memtrace_lab_host::wait::poll;

use crate::interrupt;

/// Asks until there is an answer; an error is retried.
///
/// # Errors
/// When there is none in time, with the last reason, or on Ctrl-C.
pub fn until<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Result<T>) -> Result<T> {
    let mut last = anyhow!("not asked");
    let found = poll(patience, || match interrupt::check() {
        Ok(()) => ask().map(Ok).map_err(|why| last = why).ok(),
        Err(interrupted) => Some(Err(interrupted)),
    });
    found.unwrap_or_else(|| Err(last.context(format!("waited in vain for {what}"))))
}

/// Asks until there is an answer: `None` is asked again, an error is not.
///
/// # Errors
/// When asking fails, or there is no answer in time, or on Ctrl-C.
pub fn answer<T>(
    what: &str,
    patience: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    poll(patience, || interrupt::check().and_then(|()| ask()).transpose())
        .with_context(|| format!("waited in vain for {what}"))?
}

/// Lets the time up to `end` pass: the pace of a run itself.
///
/// # Errors
/// On Ctrl-C.
pub fn pass(end: Instant) -> Result<()> {
    let left = end.saturating_duration_since(Instant::now());
    poll(left, || interrupt::check().err()).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn an_error_ends_the_wait_and_none_is_asked_again() {
        let mut asked = 0;
        let third = answer("the third", Duration::from_secs(10), || {
            asked += 1;
            Ok((asked == 3).then_some(asked))
        });
        assert_eq!(third.unwrap(), 3);
        let failed: Result<()> = answer("it", Duration::from_secs(10), || bail!("it is gone"));
        assert_eq!(failed.unwrap_err().to_string(), "it is gone");
        let never: Result<()> = answer("a wonder", Duration::ZERO, || Ok(None));
        assert_eq!(never.unwrap_err().to_string(), "waited in vain for a wonder");
        let refused: Result<()> = until("it", Duration::ZERO, || bail!("no"));
        assert_eq!(format!("{:#}", refused.unwrap_err()), "waited in vain for it: no");
    }
}
