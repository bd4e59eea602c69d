//! The quality of each signal over a recording. Pure.

use std::collections::BTreeMap;

use memtrace_core::sample::Notice;
use memtrace_core::signal::{Quality, Signal, SignalStatus};
use memtrace_core::text::truncate;

/// Most different notices that are kept.
const MOST_NOTICES: usize = 100;
/// Columns of a notice that are kept.
const WORDS: usize = 300;

/// One signal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Moments in which it was exact, approximate, absent.
    pub moments: [u64; 3],
    pub source: Option<String>,
    /// Of the last moment in which it wasn't exact.
    pub because: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Signals {
    pub all: BTreeMap<Signal, Trust>,
    /// Number of notices, by subject and text.
    pub notices: BTreeMap<(String, String), u64>,
    /// Notices for which there was no room.
    pub more_notices: u64,
}

impl Signals {
    pub fn add(&mut self, statuses: &[SignalStatus], notices: &[Notice]) {
        for SignalStatus { signal, source, quality, .. } in statuses {
            let trust = self.all.entry(*signal).or_default();
            let index = match quality {
                Quality::Exact => 0,
                Quality::Approximate(_) => 1,
                Quality::Absent(_) => 2,
            };
            if let Some(count) = trust.moments.get_mut(index) {
                *count = count.saturating_add(1);
            }
            if source.is_some() && trust.source != *source {
                trust.source.clone_from(source);
            }
            if quality.reason().is_some() && trust.because.as_deref() != quality.reason() {
                trust.because = quality.reason().map(str::to_owned);
            }
        }
        for notice in notices {
            let words = |text: &str| truncate(text, WORDS).into_owned();
            let key = (words(notice.about.word()), words(&notice.text));
            if self.notices.len() < MOST_NOTICES || self.notices.contains_key(&key) {
                let count = self.notices.entry(key).or_default();
                *count = count.saturating_add(1);
            } else {
                self.more_notices = self.more_notices.saturating_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::fixture;

    #[test]
    fn a_signal_is_counted_by_its_quality_with_the_last_reason() {
        let mut signals = Signals::default();
        signals.add(&fixture::demo().signals, &[]);
        signals.add(&fixture::demo().signals, &[]);
        signals.add(&fixture::without_kernel_side().signals, &[]);
        let swap_out = &signals.all[&Signal::SwapOut];
        assert_eq!(swap_out.moments, [0, 2, 1]);
        assert!(swap_out.because.as_ref().is_some_and(|why| why.contains("CAP_BPF")));
        assert_eq!(swap_out.source.as_deref(), Some("raw_tp swap-outs"));
        assert_eq!(signals.all[&Signal::Flows].moments, [2, 0, 1]);
    }

    #[test]
    fn notices_are_counted_and_bounded() {
        let mut signals = Signals::default();
        let notice = |text: String| Notice { about: memtrace_core::sample::Topic::Qmp, text };
        for number in 0..MOST_NOTICES + 5 {
            signals.add(&[], &[notice(number.to_string()), notice("again".to_owned())]);
        }
        assert_eq!(signals.notices.len(), MOST_NOTICES);
        let again = signals.notices.get(&("qmp".to_owned(), "again".to_owned()));
        assert_eq!(again, Some(&105));
        assert_eq!(signals.more_notices, 6);
    }
}
