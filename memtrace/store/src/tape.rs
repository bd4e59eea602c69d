//! A recording with a place in it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::recording::{Loss, ReadError, Record, Recording};
use memtrace_core::anchors::{Anchors, shortest};
use memtrace_core::model::{Snapshot, derive};
use memtrace_core::policy::{ScopeObservation, shared};
use memtrace_core::reactor::{Author, Decided, Reaction, Report};
use memtrace_core::sample::Sample;
use memtrace_core::units::{Nanos, WallNanos};

/// Why nothing is decided in a moment without a reaction.
pub const UNDECIDED: &str = "nothing was decided here when this was recorded";
/// Delay between two samples of the live view, by default.
const LIVE: Duration = Duration::from_secs(1);
/// Reading begins this long before the wanted moment, to find the sample before it: two samples
/// are at most a minute apart.
const BEFORE: Nanos = Nanos(61 * Nanos::SECOND.0);

#[derive(Debug)]
pub struct Tape {
    recording: Recording,
    /// The last sample shown, for rates; over at least this interval.
    anchors: Anchors<Nanos, Sample>,
    least: Duration,
    /// The record read ahead.
    ahead: Option<Record>,
}

/// A moment, as a view shows it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// On the monotonic clock.
    pub at: Nanos,
    /// With rates since the moment before, or over [`Tape::steady`]'s time.
    pub snapshot: Arc<Snapshot>,
    pub reaction: Option<Reaction>,
    /// The cgroup that a policy's VMs shared. `None`: they shared the host.
    pub scope: Option<ScopeObservation>,
}

impl Shown {
    pub fn decided(&self) -> Decided {
        let Some(reaction) = self.reaction.clone() else { return Decided::Not(UNDECIDED.into()) };
        let (author, at) = (Author::Ourselves, self.snapshot.wall);
        Decided::Report(Arc::new(Report { author, at, reaction }))
    }
}

impl Iterator for Tape {
    type Item = Shown;

    /// One on. At the end it stays where it is.
    fn next(&mut self) -> Option<Shown> {
        let moment = self.ahead.take().or_else(|| self.recording.next())?;
        Some(self.show(moment))
    }
}

impl Tape {
    /// At the beginning of a file or a directory.
    ///
    /// # Errors
    /// When nothing can be read of it.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let (anchors, least) = (Anchors::default(), Duration::ZERO);
        Ok(Self { recording: Recording::open(path)?, anchors, least, ahead: None })
    }

    /// Rates are over at least as long as live, from now on: looks between two ticks follow each
    /// other within milliseconds, over which a single reclaim looks like a storm.
    pub fn steady(&mut self) {
        self.least = shortest(LIVE);
    }

    /// Leaves out moments that follow another within less than `apart`, from now on.
    pub fn thin(&mut self, apart: Nanos) {
        self.recording.thin(apart);
    }

    /// The last moment that isn't after `to`, or else the first one of all. `None`: there is
    /// no moment.
    pub fn go(&mut self, to: WallNanos) -> Option<Shown> {
        self.recording.seek(WallNanos(to.0.saturating_sub(BEFORE.0)));
        self.anchors.clear();
        self.ahead = None;
        let mut now: Option<Record> = None;
        for moment in self.recording.by_ref() {
            if moment.sample.wall > to && now.is_some() {
                self.ahead = Some(moment);
                break;
            }
            if let Some(before) = now.replace(moment) {
                self.anchors.keep(before.sample.at, before.sample, self.least);
            }
        }
        now.map(|moment| self.show(moment))
    }

    /// What could not be read so far.
    pub fn losses(&self) -> &[Loss] {
        self.recording.losses()
    }

    fn show(&mut self, Record { sample, reaction }: Record) -> Shown {
        let at = sample.at;
        // The host was booted.
        if self.anchors.newest().is_some_and(|last| at < last) {
            self.anchors.clear();
        }
        let snapshot = Arc::new(derive(self.anchors.baseline(at, self.least), &sample));
        let scope = shared(&sample.host, &snapshot.host);
        self.anchors.keep(at, sample, self.least);
        Shown { at, snapshot, reaction, scope }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{Limits, Recorder};
    use memtrace_core::fixture::samples;

    /// A recording of these seconds, in files of this many.
    fn recorded(seconds: impl Iterator<Item = u64>, file: u64) -> (tempfile::TempDir, Tape) {
        let directory = tempfile::tempdir().expect("there is room");
        let limits = Limits { time: Nanos(file * Nanos::SECOND.0), ..Limits::default() };
        let mut recorder = Recorder::open(directory.path(), limits).expect("it is free");
        for second in seconds {
            let sample = samples::sample(second, vec![samples::vm("a", 7)]);
            recorder.push(Record { sample, reaction: None }).expect("it is written");
        }
        recorder.close().expect("it is closed");
        let tape = Tape::open(directory.path()).expect("it can be read");
        (directory, tape)
    }

    fn wall(second: u64) -> WallNanos {
        samples::sample(second, Vec::new()).wall
    }

    /// The second that is shown, and over how many its rates are.
    fn seen(shown: Option<Shown>) -> Option<(u64, Option<u64>)> {
        let shown = shown?;
        let interval = shown.snapshot.interval.map(|interval| interval.0 / Nanos::SECOND.0);
        Some((shown.at.0 / Nanos::SECOND.0, interval))
    }

    #[test]
    fn it_goes_on_moment_by_moment_and_stays_at_the_end() {
        let (_directory, mut tape) = recorded(1..=3, 3600);
        let all: Vec<_> = std::iter::from_fn(|| seen(tape.next())).collect();
        assert_eq!(all, [(1, None), (2, Some(1)), (3, Some(1))]);
        assert_eq!(seen(tape.next()), None);
        assert_eq!(tape.losses(), []);
    }

    #[test]
    fn looks_that_follow_each_other_at_once_are_compared_as_live() {
        let directory = tempfile::tempdir().expect("there is room");
        let mut recorder = Recorder::open(directory.path(), Limits::default()).expect("it is free");
        for milliseconds in [1000, 2000, 2002, 2252, 3000, 100] {
            let mut sample = samples::sample(1, vec![samples::vm("a", 7)]);
            sample.at = Nanos(milliseconds * 1_000_000);
            sample.wall = WallNanos(sample.wall.0 + sample.at.0);
            recorder.push(Record { sample, reaction: None }).expect("it is written");
        }
        recorder.close().expect("it is closed");
        let mut tape = Tape::open(directory.path()).expect("it can be read");
        tape.steady();
        let interval = |shown: Shown| shown.snapshot.interval.map(|since| since.0 / 1_000_000);
        let intervals: Vec<Option<u64>> = tape.map(interval).collect();
        let [Some(1000), Some(1002), Some(1252), Some(1000), None] = intervals[1..] else {
            panic!("{intervals:?}")
        };
    }

    #[test]
    fn it_seeks_within_files_and_across_them() {
        let (_directory, mut tape) = recorded((1..=1500).filter(|second| *second != 900), 700);
        for (to, then) in [
            (1300, (1300, Some(1))),
            (3, (3, Some(1))),
            (701, (701, Some(1))),
            (650, (650, Some(1))),
            (900, (899, Some(1))),
            (0, (1, None)),
            (1, (1, None)),
            (9999, (1500, Some(1))),
        ] {
            assert_eq!(seen(tape.go(wall(to))), Some(then), "to {to}");
        }
        assert_eq!(seen(tape.next()), None);
        tape.go(wall(899));
        assert_eq!(seen(tape.next()), Some((901, Some(2))));
    }

    #[test]
    fn moments_can_be_left_out_and_rates_are_over_what_is_left() {
        let (_directory, mut tape) = recorded(1..=100, 35);
        tape.thin(Nanos(10 * Nanos::SECOND.0));
        let all: Vec<_> = std::iter::from_fn(|| seen(tape.next())).collect();
        // Each file begins with its first.
        let seconds: Vec<u64> = all.iter().map(|(second, _)| *second).collect();
        assert_eq!(seconds, [1, 11, 21, 31, 36, 46, 56, 66, 71, 81, 91]);
        assert_eq!((all[1].1, all[4].1), (Some(10), Some(5)));
        assert_eq!(tape.losses(), []);
        assert_eq!(seen(tape.go(wall(58))), Some((56, Some(10))));
    }

    #[test]
    fn a_loss_is_reported_once_however_often_it_is_passed() {
        let (directory, _) = recorded(1..=100, 3600);
        let mut files = std::fs::read_dir(directory.path()).expect("it can be read");
        let is_file = |path: &std::path::PathBuf| path.extension().is_some();
        let path = files.find_map(|file| file.ok().map(|file| file.path()).filter(is_file));
        let path = path.expect("there is a file");
        let bytes = std::fs::read(&path).expect("it can be read");
        std::fs::write(&path, &bytes[..bytes.len() - 200]).expect("it can be written");
        let mut tape = Tape::open(&path).expect("it can be read");
        for _ in 0..2 {
            let last = seen(tape.go(wall(9999))).expect("there is something");
            assert!((80..100).contains(&last.0), "{last:?}");
        }
        assert_eq!(tape.losses().len(), 1, "{:?}", tape.losses());
    }
}
