//! The real Prometheus: it scrapes the three memtraces, with our alert rules loaded, and answers
//! the dashboard's queries.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use memtrace_lab::local::plan::GUESTS;
use memtrace_lab::paths;
use memtrace_lab::setup::programs::Program;
use memtrace_lab::wait;
use serde_json::Value;

use super::dashboard;
use super::http;
use super::scene::{HOSTS, PATIENCE, Scene};
use super::service::Service;

const RULES: &str = "packaging/prometheus/memtrace.rules.yml";
const DASHBOARD: &str = "packaging/grafana/memtrace.json";
/// A rate of two minutes has to be over the rule's limit for one.
const STALLS_WITHIN: Duration = Duration::from_secs(180);
/// What Prometheus counts of samples that it could not keep.
const REFUSED: [&str; 4] = [
    "prometheus_target_scrapes_sample_duplicate_timestamp_total",
    "prometheus_target_scrapes_sample_out_of_order_total",
    "prometheus_target_scrapes_sample_out_of_bounds_total",
    "prometheus_target_scrapes_exceeded_sample_limit_total",
];

pub struct Prometheus {
    url: String,
    service: Service,
}

impl Prometheus {
    /// Starts it with these targets, each of which it asks every two seconds.
    ///
    /// # Errors
    /// When it isn't ready in time.
    pub fn start(targets: &[SocketAddr], folder: &Path) -> Result<Self> {
        let address = http::free(Ipv4Addr::LOCALHOST.into())?;
        let file = folder.join("prometheus.yml");
        fs::write(&file, configuration(targets, &paths::workspace().join(RULES)))?;
        let mut command = Program::Prometheus.command()?;
        command.arg("--config.file").arg(file);
        command.arg("--storage.tsdb.path").arg(folder.join("prometheus"));
        command.arg(format!("--web.listen-address={address}")).arg("--log.level=warn");
        let mut service = Service::start("prometheus", &command, folder)?;
        let url = format!("http://{address}");
        let ready = format!("{url}/-/ready");
        service.wait("Prometheus to be ready", PATIENCE, || http::text(&ready, &[]))?;
        Ok(Self { url, service })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// # Errors
    /// When it has ended.
    pub fn check(&mut self) -> Result<()> {
        self.service.check()
    }

    /// The series of an instant query.
    ///
    /// # Errors
    /// When it is refused, or the answer has warnings.
    pub fn query(&self, query: &str) -> Result<Vec<Value>> {
        let data = self.data("query", &[("query", query)]).with_context(|| query.to_owned())?;
        list(&data["result"])
    }

    fn data(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value> {
        http::data(&format!("{}/api/v1/{path}", self.url), parameters)
    }
}

fn configuration(targets: &[SocketAddr], rules: &Path) -> String {
    let targets: Vec<String> = targets.iter().map(|target| format!("\"{target}\"")).collect();
    format!(
        "global: {{scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 1s}}\n\
         rule_files: [\"{}\"]\n\
         scrape_configs:\n  - job_name: memtrace\n    static_configs: [{{targets: [{}]}}]\n",
        rules.display(),
        targets.join(", ")
    )
}

/// The lab's among the VMs of this machine.
fn guests() -> String {
    let names = GUESTS.map(|guest| guest.name).join("|");
    format!("memtrace_vm_info{{name=~\"{names}\"}}")
}

fn list(value: &Value) -> Result<Vec<Value>> {
    value.as_array().cloned().context("the answer has no list")
}

/// All three are up, nothing that they tell is refused, and each metric has a type.
///
/// # Errors
/// When that isn't so.
pub fn scrapes(scene: &mut Scene<'_>) -> Result<()> {
    scene.until("three memtraces that are up", |prometheus| {
        let up = prometheus.query("up{job=\"memtrace\"} == 1")?;
        ensure!(up.len() == HOSTS, "{} are up: {up:?}", up.len());
        let vms = prometheus.query(&format!("count by (instance) ({}) == 3", guests()))?;
        ensure!(vms.len() == HOSTS, "{} of them tell of the three guests", vms.len());
        Ok(())
    })?;
    let prometheus = scene.prometheus()?;
    for target in list(&prometheus.data("targets", &[])?["activeTargets"])? {
        ensure!(target["lastError"] == "", "{}", target["lastError"]);
    }
    let counted = http::text(&format!("{}/metrics", prometheus.url), &[])?;
    for name in REFUSED {
        ensure!(counted.lines().any(|line| line == format!("{name} 0")), "{name} isn't 0");
    }
    let metadata = prometheus.data("metadata", &[])?;
    let metadata = metadata.as_object().context("there is no metadata")?;
    let ours: Vec<_> = metadata.iter().filter(|(name, _)| name.starts_with("memtrace_")).collect();
    ensure!(!ours.is_empty(), "there is no metadata of memtrace");
    for (name, told) in ours {
        ensure!(told[0]["type"] != "unknown" && told[0]["help"] != "", "{name}: {told}");
    }
    Ok(())
}

/// Every query of the dashboard, as Grafana would send it.
///
/// # Errors
/// When one is refused, or has no data though it must.
pub fn dashboard(scene: &mut Scene<'_>) -> Result<()> {
    let file = paths::workspace().join(DASHBOARD);
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let queries = dashboard::queries(&text)?;
    for query in &queries {
        let what = format!("{:?} of the panel {:?}", query.expression, query.panel);
        let ask = |prometheus: &Prometheus| {
            let series = prometheus.query(&query.expression)?;
            let numbers = series.iter().filter(|series| series["value"][1] != "NaN").count();
            ensure!(numbers > 0 || query.may_be_empty(), "{} series, no number", series.len());
            Ok(())
        };
        scene.until(&what, ask)?;
    }
    for (label, series) in dashboard::variables(&text)? {
        let path = format!("label/{label}/values");
        let ask = |prometheus: &Prometheus| list(&prometheus.data(&path, &[("match[]", &series)])?);
        let values = scene.until(&series, ask)?;
        let fine = match label.as_str() {
            "instance" => values.len() == HOSTS,
            _ => GUESTS.iter().all(|guest| values.iter().any(|value| value == guest.name)),
        };
        ensure!(fine, "{label} of {series}: {values:?}");
    }
    Ok(())
}

/// All rules of the file are loaded, evaluated, and well.
///
/// # Errors
/// When that isn't so.
pub fn rules(scene: &mut Scene<'_>) -> Result<()> {
    let text = fs::read_to_string(paths::workspace().join(RULES)).context(RULES)?;
    let is_rule =
        |line: &str| ["- alert: ", "- record: "].iter().any(|kind| line.starts_with(kind));
    let wanted = text.lines().filter(|line| is_rule(line.trim_start())).count();
    scene.until("the alert rules", |prometheus| {
        let mut found = Vec::new();
        for group in list(&prometheus.data("rules", &[])?["groups"])? {
            found.extend(list(&group["rules"])?);
        }
        ensure!(found.len() == wanted, "{} rules of {wanted}", found.len());
        for rule in found {
            let (name, health) = (&rule["name"], &rule["health"]);
            ensure!(health == "ok", "{name}: {health} {}", rule["lastError"]);
        }
        Ok(())
    })
}

/// The rule's rate of real counters is over its limit for as long as it wants: that a VM stalls
/// fires.
///
/// # Errors
/// When it doesn't.
pub fn stalls(scene: &mut Scene<'_>) -> Result<()> {
    let names = GUESTS.map(|guest| guest.name).join("|");
    let firing = format!(
        "count(count by (instance) (ALERTS{{alertname=\"MemtraceVmStalled\",\
         alertstate=\"firing\",name=~\"{names}\"}}))"
    );
    let prometheus = scene.prometheus()?;
    wait::until("the rule of stalled VMs", STALLS_WITHIN, || {
        let hosts = prometheus.query(&firing)?;
        let hosts = hosts.first().and_then(|series| series["value"][1].as_str());
        ensure!(hosts == Some(&HOSTS.to_string()), "{firing}: {hosts:?}");
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_has_the_targets_and_the_rules() {
        let targets = ["127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()];
        let text = configuration(&targets, Path::new("/r.yml"));
        assert!(text.contains("rule_files: [\"/r.yml\"]\n"), "{text}");
        assert!(text.contains("{targets: [\"127.0.0.1:1\", \"127.0.0.1:2\"]}"), "{text}");
    }
}
