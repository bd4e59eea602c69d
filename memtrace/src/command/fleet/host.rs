//! Joins series to hosts. Pure. A host with old or missing data is unknown, with the reason.

use memtrace_core::policy::Level;
use memtrace_core::policy::reason::Coming;
use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::query::{INFO, MEMORY, OWN_LABELS, Query, SUFFERERS};
use crate::prometheus::reply::{Answer, Labels, Series};
use memtrace_core::format;
use memtrace_core::units::Nanos;

/// Maximum age of samples; the limit of the alert rules.
pub const STALE: f64 = 120.0;

/// The answers, or why there are none.
#[derive(Clone, Debug)]
pub struct Answers {
    pub hosts: Answer,
    pub seen: Result<Answer, String>,
    pub up: Result<Answer, String>,
    pub sufferers: Result<Answer, String>,
}

/// A host from the data in Prometheus. `None`: no data.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Host {
    /// Display name: host name, else instance.
    pub name: String,
    /// Its target's.
    pub labels: Labels,
    /// Why its state is unknown.
    pub unknown: Option<String>,
    /// Age of its newest sample.
    pub age_seconds: Option<f64>,
    /// State of its policy.
    pub state: Option<Level>,
    pub enforcing: Option<bool>,
    pub memory_bytes: Option<f64>,
    pub available_bytes: Option<f64>,
    pub swap_bytes: Option<f64>,
    pub swap_used_bytes: Option<f64>,
    pub swap_in_bytes_per_second: Option<f64>,
    pub allocated_bytes: Option<f64>,
    pub overcommit_ratio: Option<f64>,
    /// Memory that its balloons could reclaim now without harm.
    pub reclaimable_bytes: Option<f64>,
    pub vms: Option<f64>,
    /// Forecast seconds until each state, and until swapping.
    pub forecast_seconds: BTreeMap<Coming, f64>,
    /// The most stalled VMs, the worst first; empty if none is.
    pub sufferers: Option<Vec<Sufferer>>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sufferer {
    pub name: String,
    pub id: String,
    /// Share of memtrace's last interval; 1 is 100 %.
    pub stalled_ratio: f64,
}

/// All hosts, unordered, and notices about the answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fleet {
    /// Seconds since the epoch, by Prometheus' clock; `None` without any host.
    pub at: Option<f64>,
    pub hosts: Vec<Host>,
    pub notices: Vec<String>,
}

/// The host of a series.
fn target(labels: &Labels) -> Labels {
    let mut target = labels.clone();
    target.retain(|label, _| !OWN_LABELS.contains(&label.as_str()));
    target
}

impl Fleet {
    pub fn of(answers: Answers) -> Self {
        let mut fleet = Self { notices: answers.hosts.warnings, ..Self::default() };
        let mut hosts: HashMap<Labels, Told> = HashMap::new();
        for series in answers.hosts.series {
            fleet.answered_at(series.at);
            let told = hosts.entry(target(&series.labels)).or_default();
            told.take(series);
        }
        let seen = fleet.answered(Query::Seen, answers.seen);
        let up: HashMap<Labels, f64> = fleet
            .answered(Query::Up, answers.up)
            .into_iter()
            .flatten()
            .map(|series| (target(&series.labels), series.value))
            .collect();
        let mut gone: HashMap<Labels, f64> = HashMap::new();
        let mut called: HashMap<Labels, String> = HashMap::new();
        for series in seen.into_iter().flatten() {
            fleet.answered_at(series.at);
            let key = target(&series.labels);
            if hosts.contains_key(&key) {
                continue;
            }
            if series.labels.get("__name__").is_some_and(|name| name == INFO) {
                called.extend(hostname(&series.labels).map(|name| (key, name)));
            } else {
                gone.insert(key, series.value);
            }
        }
        if let Some(series) = fleet.answered(Query::Sufferers, answers.sufferers) {
            for series in series {
                if let Some(told) = hosts.get_mut(&target(&series.labels)) {
                    told.suffers(&series);
                }
            }
        }
        let now = fleet.at.unwrap_or_default();
        let known = hosts.into_iter().map(|(labels, told)| told.host(labels, now));
        let unknown = gone.into_iter().map(|(labels, last)| {
            let why = why_gone(up.get(&labels).copied());
            let ago = ago(now - last);
            let unknown = Some(format!("{why}; last data {ago} ago"));
            let name = called.remove(&labels).unwrap_or_else(|| instance(&labels));
            Host { name, labels, unknown, ..Host::default() }
        });
        fleet.hosts = known.chain(unknown).collect();
        tell_apart(&mut fleet.hosts);
        fleet
    }

    fn answered_at(&mut self, at: f64) {
        self.at = Some(self.at.map_or(at, |known| known.max(at)));
    }

    fn answered(&mut self, query: Query, answer: Result<Answer, String>) -> Option<Vec<Series>> {
        match answer {
            Ok(answer) => {
                self.notices.extend(answer.warnings);
                Some(answer.series)
            }
            Err(why) => {
                self.notices.push(format!("unknown: {}: {why}", query.tells()));
                None
            }
        }
    }
}

fn why_gone(up: Option<f64>) -> &'static str {
    match up {
        Some(up) if up > 0.0 => "no memtrace metrics in its scrapes any more",
        Some(_) => "its scrapes fail",
        None => "it is no longer scraped",
    }
}

/// The data of one host.
#[derive(Default)]
struct Told {
    host: Host,
    sample: Option<f64>,
    hostname: Option<String>,
}

impl Told {
    fn take(&mut self, Series { labels, value, .. }: Series) {
        let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
        let host = &mut self.host;
        // The names of `OF_HOST`; a test holds the two together.
        let place = match label("__name__").as_str() {
            "memtrace_sample_timestamp_seconds" => &mut self.sample,
            "memtrace_vms" => &mut host.vms,
            "memtrace_host_memory_bytes" => &mut host.memory_bytes,
            "memtrace_host_memory_available_bytes" => &mut host.available_bytes,
            "memtrace_host_swap_bytes" => &mut host.swap_bytes,
            "memtrace_host_swap_used_bytes" => &mut host.swap_used_bytes,
            "memtrace_host_swap_in_bytes_per_second" => &mut host.swap_in_bytes_per_second,
            "memtrace_host_allocated_bytes" => &mut host.allocated_bytes,
            "memtrace_host_overcommit_ratio" => &mut host.overcommit_ratio,
            "memtrace_host_reclaimable_bytes" => &mut host.reclaimable_bytes,
            INFO => {
                self.hostname = hostname(&labels);
                return;
            }
            "memtrace_enforcing" => {
                host.enforcing = Some(value > 0.0);
                return;
            }
            "memtrace_host_state" => {
                if value > 0.0 {
                    host.state = Level::of_word(&label("state"));
                }
                return;
            }
            "memtrace_host_forecast_seconds" => {
                let what = Coming::of_word(&label("what"));
                host.forecast_seconds.extend(what.map(|what| (what, value)));
                return;
            }
            _ => return,
        };
        *place = Some(value);
    }

    fn suffers(&mut self, series: &Series) {
        let all = self.host.sufferers.get_or_insert_default();
        let label = |name: &str| series.labels.get(name).cloned().unwrap_or_default();
        if series.value > 0.0 && all.len() < SUFFERERS {
            let (name, id) = (label("name"), label("id"));
            all.push(Sufferer { name, id, stalled_ratio: series.value });
        }
    }

    fn host(self, labels: Labels, now: f64) -> Host {
        let Self { mut host, sample, hostname } = self;
        let age = sample.map(|sample| (now - sample).max(0.0));
        let unknown = match age {
            None => Some("no sample timestamp".to_owned()),
            Some(age) if age > STALE => Some(format!("its newest sample is {} old", ago(age))),
            Some(_) => None,
        };
        let name = hostname.unwrap_or_else(|| instance(&labels));
        if unknown.is_some() {
            return Host { name, labels, unknown, age_seconds: age, ..Host::default() };
        }
        // Without VMs there are no stalls.
        if host.vms == Some(0.0) {
            host.sufferers.get_or_insert_default();
        }
        if let Some(sufferers) = &mut host.sufferers {
            sufferers.sort_by(|one, other| other.stalled_ratio.total_cmp(&one.stalled_ratio));
        }
        Host { name, labels, age_seconds: age, ..host }
    }
}

/// The host name in the info series.
fn hostname(labels: &Labels) -> Option<String> {
    labels.get("hostname").filter(|name| !name.is_empty()).cloned()
}

fn instance(labels: &Labels) -> String {
    labels.get("instance").cloned().unwrap_or_else(|| format!("{labels:?}"))
}

/// Appends the instance to ambiguous host names.
fn tell_apart(hosts: &mut [Host]) {
    let mut names: HashMap<String, usize> = HashMap::new();
    for host in hosts.iter() {
        *names.entry(host.name.clone()).or_default() += 1;
    }
    for host in hosts {
        let instance = instance(&host.labels);
        if names.get(&host.name).is_some_and(|count| *count > 1) && host.name != instance {
            host.name = format!("{} ({instance})", host.name);
        }
    }
}

/// `12m`; bounded by [`MEMORY`].
fn ago(seconds: f64) -> String {
    if seconds > 86_400.0 * 999.0 {
        return format!("over {MEMORY}");
    }
    format::age(Nanos((seconds.max(0.0) * 1e9) as u64))
}
