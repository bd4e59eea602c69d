//! Termination signals: noted, and checked where a run can be aborted, so that everything is undone
//! on the way out. A second one ends the process at once, whatever it waits for.

use std::fmt;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use memtrace_host::privileges;

/// The first signal received, if any, and when.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<watch::Sender<Option<(i32, Instant)>>>);

/// timeout(1) signals its child and then its own process group: two signals within this time count
/// as one.
const ONE: Duration = Duration::from_millis(200);

/// The run was aborted by this signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted(pub i32);

impl std::error::Error for Interrupted {}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interrupted by signal {}", self.0)
    }
}

impl Interrupted {
    /// The shell's exit code for a program killed by a signal.
    pub fn code(self) -> u8 {
        u8::try_from(self.0.saturating_add(128)).unwrap_or(u8::MAX)
    }
}

impl Interrupt {
    /// Handles SIGINT, SIGTERM and SIGHUP, except those that the process was started to ignore
    /// (nohup(1), background jobs of scripts): the first is noted instead of ending the process, a
    /// second one ends it.
    ///
    /// # Errors
    /// When they can't be waited for.
    pub fn watch() -> Result<Self> {
        let interrupt = Self::default();
        let noted = interrupt.clone();
        let (tell, told) = mpsc::channel();
        // All of it there: a runtime can't be given up where another one waits for a future.
        let listen = move || match noted.listen() {
            Ok(runtime) => {
                privileges::keep_none();
                let _ = tell.send(Ok(()));
                runtime.block_on(std::future::pending::<()>());
            }
            Err(error) => {
                let _ = tell.send(Err(error));
            }
        };
        let thread = std::thread::Builder::new().name("signals".into());
        thread.spawn(listen).context("cannot wait for signals")?;
        told.recv().context("cannot wait for signals")??;
        Ok(interrupt)
    }

    /// Handles them while the runtime runs.
    fn listen(&self) -> Result<Runtime> {
        let runtime = super::runtime::current_thread()?;
        let ignored = ignored();
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), HANGUP];
        for kind in kinds.into_iter().filter(|&kind| !is_in(ignored, kind)) {
            let mut signal = {
                let _entered = runtime.enter();
                signal(kind).context("cannot wait for signals")?
            };
            let noted = self.clone();
            runtime.spawn(async move {
                while signal.recv().await.is_some() {
                    // A run that waits for a pipe whose reader is stuck never looks at the note.
                    if noted.note(kind, Instant::now()) == Noted::Again {
                        let code = Interrupted(kind.as_raw_value()).code();
                        std::process::exit(i32::from(code));
                    }
                }
            });
        }
        Ok(runtime)
    }

    /// A closed terminal sends SIGHUP twice (kernel and shell), the end of its session SIGTERM
    /// after that, and service managers SIGHUP after SIGTERM. None of these is a user's second
    /// request.
    fn note(&self, kind: SignalKind, now: Instant) -> Noted {
        let mut before = None;
        self.0.send_if_modified(|first| {
            before = *first;
            first.get_or_insert((kind.as_raw_value(), now));
            before.is_none()
        });
        let asked = before.is_some_and(|(before, at)| {
            before != HANGUP.as_raw_value() && now.saturating_duration_since(at) >= ONE
        });
        if asked && kind != HANGUP { Noted::Again } else { Noted::Once }
    }

    /// Waits for a signal, as long as it takes.
    pub async fn wait(&self) {
        // It can't fail, as this one holds the sender.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }

    /// # Errors
    /// [`Interrupted`] once a signal came.
    pub fn check(&self) -> Result<(), Interrupted> {
        let signal = *self.0.borrow();
        signal.map_or(Ok(()), |(signal, _)| Err(Interrupted(signal)))
    }
}

const HANGUP: SignalKind = SignalKind::hangup();

/// What a signal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Noted {
    Once,
    /// A second request: end now.
    Again,
}

/// Signals that this process ignores (proc(5), SigIgn), a bit for each; 0 if that isn't readable.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Signals are counted from 1.
fn is_in(mask: u64, kind: SignalKind) -> bool {
    let bit = u32::try_from(kind.as_raw_value()).ok().and_then(|number| number.checked_sub(1));
    bit.and_then(|bit| 1_u64.checked_shl(bit)).is_some_and(|bit| mask & bit != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_noted_for_all_who_ask() {
        let interrupt = Interrupt::default();
        let other = interrupt.clone();
        assert_eq!(interrupt.check(), Ok(()));
        other.note(SignalKind::terminate(), Instant::now());
        assert_eq!(interrupt.check(), Err(Interrupted(15)));
        assert_eq!(Interrupted(15).code(), 143);
    }

    #[test]
    fn a_second_signal_of_any_kind_asks_again_and_a_hangup_does_not() {
        let (int, term) = (SignalKind::interrupt(), SignalKind::terminate());
        let begin = Instant::now();
        let after = |pause: Duration, kinds: &[SignalKind]| {
            let interrupt = Interrupt::default();
            let times = (0..).map(|time| begin + pause * time);
            kinds.iter().zip(times).fold(None, |_, (&kind, at)| Some(interrupt.note(kind, at)))
        };
        let last = |kinds: &[SignalKind]| after(Duration::from_secs(1), kinds);
        assert_eq!(after(Duration::from_millis(1), &[term, term]), Some(Noted::Once));
        for again in [[int, int], [int, term], [term, int], [term, term]] {
            assert_eq!(last(&again), Some(Noted::Again), "{again:?}");
        }
        for once in [&[int][..], &[HANGUP], &[HANGUP, HANGUP], &[term, HANGUP], &[HANGUP, term]] {
            assert_eq!(last(once), Some(Noted::Once), "{once:?}");
        }
    }

    #[test]
    fn ignored_signals_are_those_of_the_mask() {
        let hup = 1 << 0;
        assert!(is_in(hup, HANGUP) && !is_in(hup, SignalKind::interrupt()));
        assert!(is_in(1 << 14, SignalKind::terminate()));
    }

    #[tokio::test]
    async fn whoever_waits_is_told() {
        let interrupt = Interrupt::default();
        let other = interrupt.clone();
        let (noted, ()) =
            tokio::join!(async move { other.note(HANGUP, Instant::now()) }, interrupt.wait());
        assert_eq!(noted, Noted::Once);
        interrupt.wait().await;
    }
}
