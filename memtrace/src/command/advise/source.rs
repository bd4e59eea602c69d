//! The source of the data, and its limit on confidence.

use serde::Serialize;

use super::basis::Sure;
use memtrace_core::units::Nanos;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    /// A recording of memtrace.
    #[default]
    Recording,
    Prometheus(Points),
}

/// The resolution of queries to Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Points {
    /// From one point to the next.
    pub(super) step_seconds: u64,
    /// From one scrape to the next, lately. `None`: there was none in the last hour.
    pub(super) scrape_seconds: Option<u64>,
}

impl Source {
    /// Values between scrapes are not observed: never high.
    pub(super) const fn surest(self) -> Sure {
        match self {
            Self::Recording => Sure::High,
            Self::Prometheus(_) => Sure::Medium,
        }
    }

    /// The resolution, for texts.
    pub(super) fn words(self) -> Option<String> {
        let Self::Prometheus(Points { step_seconds, .. }) = self else { return None };
        Some(format!("Prometheus, one point per {}", time(step_seconds)))
    }

    /// And how often it looked.
    pub(super) fn in_full(self) -> Option<String> {
        let Self::Prometheus(Points { scrape_seconds, .. }) = self else { return None };
        let scrape = scrape_seconds.map(|scrape| format!(", scraped every {}", time(scrape)));
        Some(format!("{}{}", self.words()?, scrape.unwrap_or_default()))
    }
}

fn time(seconds: u64) -> Nanos {
    Nanos(seconds.saturating_mul(Nanos::SECOND.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_basis_of_a_figure_is_stated() {
        assert_eq!((Source::Recording.words(), Source::Recording.in_full()), (None, None));
        let of = |step_seconds, scrape_seconds| {
            Source::Prometheus(Points { step_seconds, scrape_seconds })
        };
        let minutes = of(300, Some(15));
        assert_eq!(minutes.words().as_deref(), Some("Prometheus, one point per 5min"));
        let in_full = "Prometheus, one point per 5min, scraped every 15s";
        assert_eq!(minutes.in_full().as_deref(), Some(in_full));
        let unknown = of(3600, None).in_full();
        assert_eq!(unknown.as_deref(), Some("Prometheus, one point per 1h"));
    }
}
