//! The queries to Prometheus: each about a stretch with a bounded number of points, so that answers
//! don't grow with the history. Pure.

use crate::prometheus::Stretch;
use crate::prometheus::reply::Labels;
use memtrace_core::model::STALE_AFTER;
use memtrace_view::export::metrics::parse::LABELS;

/// Distances of points, in seconds: the first with which the time that counts has at most
/// [`MOST_POINTS`]. A month has a point in five minutes.
const STEPS: [u64; 7] = [60, 120, 300, 600, 900, 1800, 3600];
const MOST_POINTS: u64 = 8640;
/// Points of one answer: a day, at five minutes.
const POINTS: u64 = 288;
/// Time after a balloon change in which guest statistics are not used, in seconds; at least two
/// scrape intervals.
const DOUBT: u64 = 30;
/// Minimum step of subqueries between two points, in seconds.
const CLOSEST: u64 = 60;

/// The info series of all hosts.
pub(super) const HOSTS: &str = "memtrace_host_info";

/// Labels of [`HOSTS`] itself; all other labels identify a host.
const OWN: [&str; 3] = ["__name__", "hostname", "kernel"];

/// Of the host: one question for all of them.
pub(super) const OF_HOST: [&str; 8] = [
    "memtrace_host_memory_bytes",
    "memtrace_host_memory_available_bytes",
    "memtrace_host_allocated_bytes",
    "memtrace_host_swap_bytes",
    "memtrace_host_swap_used_bytes",
    "memtrace_host_swap_in_bytes_per_second",
    "memtrace_host_swap_out_bytes_per_second",
    "memtrace_host_swap_device_bytes",
];

/// Of each VM: a question for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OfVm {
    Actual,
    Maximum,
    Resident,
    Hugetlb,
    Swap,
    Dead,
    Total,
    Available,
    Free,
    Age,
    MajorFaults,
    SwapIn,
    SwapOut,
    OomKills,
    /// Recent balloon changes.
    Moved,
    /// Maximum demand since the previous point.
    Most,
}

impl OfVm {
    pub(super) const ALL: [Self; 16] = [
        Self::Actual,
        Self::Maximum,
        Self::Resident,
        Self::Hugetlb,
        Self::Swap,
        Self::Dead,
        Self::Total,
        Self::Available,
        Self::Free,
        Self::Age,
        Self::MajorFaults,
        Self::SwapIn,
        Self::SwapOut,
        Self::OomKills,
        Self::Moved,
        Self::Most,
    ];

    /// The metric that it is, or is made of.
    pub(super) const fn metric(self) -> &'static str {
        match self {
            Self::Actual | Self::Moved | Self::Most => "memtrace_vm_balloon_actual_bytes",
            Self::Maximum => "memtrace_vm_balloon_maximum_bytes",
            Self::Resident => "memtrace_vm_resident_bytes",
            Self::Hugetlb => "memtrace_vm_hugetlb_bytes",
            Self::Swap => "memtrace_vm_swap_bytes",
            Self::Dead => "memtrace_vm_dead_bytes",
            Self::Total => "memtrace_vm_guest_memory_bytes",
            Self::Available => "memtrace_vm_guest_available_bytes",
            Self::Free => "memtrace_vm_guest_free_bytes",
            Self::Age => "memtrace_vm_guest_age_seconds",
            Self::MajorFaults => "memtrace_vm_guest_major_faults_total",
            Self::SwapIn => "memtrace_vm_guest_swap_in_bytes_total",
            Self::SwapOut => "memtrace_vm_guest_swap_out_bytes_total",
            Self::OomKills => "memtrace_vm_guest_oom_kills_total",
        }
    }
}

/// The queried host, and the resolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Questions {
    /// Its labels, as a selector has them: `instance="a:9435",job="memtrace"`.
    selector: String,
    pub(super) step: u64,
    pub(super) scrape: Option<u64>,
}

impl Questions {
    pub(super) fn new(target: &Labels, since: u64, scrape: Option<u64>) -> Self {
        Self { selector: selector(target), step: step(since), scrape }
    }

    pub(super) fn of_host(&self) -> String {
        format!("{{__name__=~\"{}\",{}}}", OF_HOST.join("|"), self.selector)
    }

    pub(super) fn of_vm(&self, what: OfVm) -> String {
        let Self { selector, step, .. } = self;
        let series = |what: OfVm| format!("{}{{{selector}}}", what.metric());
        let doubt = self.doubt();
        let moved = format!("changes({}[{doubt}s])", series(OfVm::Actual));
        match what {
            OfVm::Moved => moved,
            OfVm::Most => format!(
                "max_over_time(({} - {} and {} <= {} and {moved} == 0)[{step}s:{}s])",
                series(OfVm::Actual),
                series(OfVm::Available),
                series(OfVm::Age),
                STALE_AFTER.seconds(),
                self.closest(),
            ),
            what => series(what),
        }
    }

    /// What its VMs are called.
    pub(super) fn labels(&self) -> String {
        format!("{LABELS}{{{}}}", self.selector)
    }

    fn doubt(&self) -> u64 {
        DOUBT.max(2 * self.scrape.unwrap_or(CLOSEST))
    }

    fn closest(&self) -> u64 {
        CLOSEST.max(self.scrape.unwrap_or(CLOSEST)).min(self.step)
    }

    /// The stretches of `since` seconds that end now, the oldest first.
    pub(super) fn stretches(&self, now: u64, since: u64) -> Vec<Stretch> {
        let step = self.step;
        // Whole steps since the epoch, so that another look finds the same points.
        let last = now / step * step;
        let mut from = last.saturating_sub(since).div_ceil(step) * step;
        let mut stretches = Vec::new();
        while from <= last {
            let to = last.min(from + (POINTS - 1) * step);
            stretches.push(Stretch { from, to, step });
            from = to + step;
        }
        stretches
    }
}

fn step(since: u64) -> u64 {
    let found = STEPS.iter().find(|step| since / **step <= MOST_POINTS);
    found.or(STEPS.last()).copied().unwrap_or(3600)
}

/// Number of scrapes in the last hour.
pub(super) fn scrapes(target: &Labels) -> String {
    let selector = selector(target);
    format!("count_over_time(memtrace_sample_timestamp_seconds{{{selector}}}[1h])")
}

fn selector(target: &Labels) -> String {
    let pair = |(label, value): (&String, &String)| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("{label}=\"{value}\"")
    };
    target.iter().map(pair).collect::<Vec<_>>().join(",")
}

/// The host of a series of [`HOSTS`].
pub(super) fn target(labels: &Labels) -> Labels {
    let mut target = labels.clone();
    target.retain(|label, _| !OWN.contains(&label.as_str()));
    target
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_view::export::metrics::catalogue::all;

    const DAY: u64 = 86_400;

    fn questions(since: u64, scrape: Option<u64>) -> Questions {
        let target = [("instance", "a\"b\\:9"), ("job", "memtrace")];
        let target = target.map(|(label, value)| (label.to_owned(), value.to_owned()));
        Questions::new(&Labels::from(target), since, scrape)
    }

    #[test]
    fn what_is_asked_for_is_in_the_table_of_metrics() {
        let names: Vec<String> = all().iter().map(|metric| metric.full_name()).collect();
        for name in OF_HOST.into_iter().chain(OfVm::ALL.map(OfVm::metric)).chain([HOSTS, LABELS]) {
            assert!(names.iter().any(|known| known == name), "there is no {name}");
        }
    }

    #[test]
    fn a_question_is_for_one_host_and_about_what_can_be_believed() {
        let questions = questions(30 * DAY, Some(15));
        let selector = r#"{instance="a\"b\\:9",job="memtrace"}"#;
        assert_eq!(questions.of_vm(OfVm::Swap), format!("memtrace_vm_swap_bytes{selector}"));
        let actual = format!("memtrace_vm_balloon_actual_bytes{selector}");
        assert_eq!(
            questions.of_vm(OfVm::Most),
            format!(
                "max_over_time(({actual} - memtrace_vm_guest_available_bytes{selector} and \
                 memtrace_vm_guest_age_seconds{selector} <= 5 and changes({actual}[30s]) == \
                 0)[300s:60s])"
            )
        );
        assert!(questions.of_host().ends_with(r#",instance="a\"b\\:9",job="memtrace"}"#));
        let seldom = self::questions(30 * DAY, Some(240)).of_vm(OfVm::Most);
        assert!(seldom.contains("[480s]") && seldom.ends_with("[300s:240s])"), "{seldom}");
    }

    #[test]
    fn no_history_is_too_long() {
        for (since, step) in
            [(3600, 60), (6 * DAY, 60), (7 * DAY, 120), (30 * DAY, 300), (400 * DAY, 3600)]
        {
            let questions = questions(since, None);
            assert_eq!(questions.step, step, "{since}");
            let stretches = questions.stretches(1_790_000_123, since);
            let points = |stretch: &Stretch| (stretch.to - stretch.from) / step + 1;
            assert!(stretches.iter().all(|stretch| points(stretch) <= POINTS));
            let all: u64 = stretches.iter().map(points).sum();
            assert!((since / step..=since / step + 1).contains(&all), "{since}: {all}");
            let joined = stretches.windows(2).all(|pair| pair[1].from == pair[0].to + step);
            assert!(joined && stretches.last().is_some_and(|last| last.to <= 1_790_000_123));
        }
    }
}
