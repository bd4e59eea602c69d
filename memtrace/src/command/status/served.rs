//! What a running memtrace serves that its journal doesn't have. Pure.

use serde::Serialize;

use memtrace_view::export::metrics::parse::Sample;

/// From metrics. `None`: there is no sample of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Served {
    pub(super) version: Option<String>,
    /// It carries out its decisions.
    pub(super) enforcing: Option<bool>,
    pub(super) state: Option<String>,
    pub(super) vms: Option<u64>,
    pub(super) alerts: Vec<Firing>,
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Firing {
    pub(super) rule: String,
    pub(super) severity: String,
    /// `None`: it is about the host.
    pub(super) vm: Option<String>,
}

impl Served {
    pub(super) fn of(samples: &[Sample]) -> Self {
        let all = |name: &'static str| {
            samples.iter().filter(move |sample| {
                sample.name.strip_prefix("memtrace_") == Some(name) && sample.value > 0.0
            })
        };
        let value = |name: &str| {
            let found = samples.iter().find(|one| one.name.strip_prefix("memtrace_") == Some(name));
            found.map(|sample| sample.value)
        };
        let label = |sample: &Sample, name: &str| sample.labels.get(name).cloned();
        let firing = |sample: &Sample| Firing {
            rule: label(sample, "rule").unwrap_or_default(),
            severity: label(sample, "severity").unwrap_or_default(),
            vm: label(sample, "vm").filter(|vm| !vm.is_empty()),
        };
        Self {
            version: all("build_info").next().and_then(|sample| label(sample, "version")),
            enforcing: value("enforcing").map(|value| value > 0.0),
            state: all("host_state").next().and_then(|sample| label(sample, "state")),
            vms: value("vms").map(|value| value as u64),
            alerts: all("alert_firing").map(firing).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_view::export::metrics::parse::samples;

    #[test]
    fn what_is_served_is_read() {
        let page = "memtrace_build_info{version=\"0.2.0\"} 1\nmemtrace_enforcing 0\nmemtrace_vms 3\n\
                    memtrace_host_state{state=\"calm\"} 0\nmemtrace_host_state{state=\"soft\"} 1\n\
                    memtrace_alert_firing{rule=\"vm_stalled\",severity=\"warning\",vm=\"web\",vm_id=\"x\"} 1\n\
                    memtrace_alert_firing{rule=\"oom_kill\",severity=\"critical\",vm=\"\",vm_id=\"\"} 1\n";
        let served = Served::of(&samples(page).collect::<Vec<_>>());
        assert_eq!((served.vms, served.enforcing), (Some(3), Some(false)));
        assert_eq!(
            (served.version.as_deref(), served.state.as_deref()),
            (Some("0.2.0"), Some("soft"))
        );
        let vms: Vec<Option<&str>> = served.alerts.iter().map(|one| one.vm.as_deref()).collect();
        assert_eq!(vms, [Some("web"), None]);
        assert_eq!(Served::of(&[]), Served::default());
    }
}
