//! The real Alertmanager, to which the first memtrace sends its alerts.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use memtrace_lab::setup::programs::Program;
use serde_json::Value;

use super::http;
use super::scene::{PATIENCE, Scene};
use super::service::Service;
use memtrace_lab::wait;

/// It keeps alerts to itself. What isn't told again is over by itself only after 5 minutes.
const CONFIGURATION: &str = "route: {receiver: none}\nreceivers: [{name: none}]\n";
/// Walks over more memory than the guests share.
const GUEST: &str = "noisy";

pub struct Alertmanager {
    address: SocketAddr,
    service: Service,
}

impl Alertmanager {
    /// Starts it at an address of ours that the memtraces reach.
    ///
    /// # Errors
    /// When it isn't ready in time.
    pub fn start(address: IpAddr, folder: &Path) -> Result<Self> {
        let address = http::free(address)?;
        let file = folder.join("alertmanager.yml");
        fs::write(&file, CONFIGURATION)?;
        let mut command = Program::Alertmanager.command()?;
        command.arg("--config.file").arg(file);
        command.arg("--storage.path").arg(folder.join("alertmanager"));
        command.arg(format!("--web.listen-address={address}"));
        // No cluster.
        command.arg("--cluster.listen-address=");
        let mut service = Service::start("alertmanager", &command, folder)?;
        let ready = format!("http://{address}/-/ready");
        service.wait("Alertmanager to be ready", PATIENCE, || http::text(&ready, &[]))?;
        Ok(Self { address, service })
    }

    /// Where alerts are told.
    pub fn posts(&self) -> String {
        format!("http://{}/api/v2/alerts", self.address)
    }

    /// The alert that is provoked, as long as it isn't over.
    fn alert(&self) -> Result<Option<Value>> {
        let alerts: Vec<Value> = serde_json::from_str(&http::text(&self.posts(), &[])?)?;
        let is_it = |alert: &Value| {
            alert["labels"]["alertname"] == "vm_swapping" && alert["labels"]["vm"] == GUEST
        };
        Ok(alerts.into_iter().find(is_it))
    }

    /// Of the alerts that it got, how many were of this kind.
    fn received(&self, status: &str) -> Result<f64> {
        let counted = http::text(&format!("http://{}/metrics", self.address), &[])?;
        let name =
            format!("alertmanager_alerts_received_total{{status=\"{status}\",version=\"v2\"}}");
        let line = counted.lines().find_map(|line| line.strip_prefix(&name));
        line.map_or(Ok(0.0), |number| Ok(number.trim().parse()?))
    }
}

/// An alert is there as long as a guest swaps, and no longer.
///
/// # Errors
/// When that isn't so.
pub fn told(scene: &mut Scene<'_>) -> Result<()> {
    let alertmanager = scene.alertmanager.as_mut().context("Alertmanager doesn't run")?;
    alertmanager.service.check()?;
    let alertmanager = &*alertmanager;
    let alert =
        wait::until("the alert", PATIENCE, || alertmanager.alert()?.context("there is none"))?;
    ensure!(alert["status"]["state"] == "active", "{alert}");
    let (labels, annotations) = (&alert["labels"], &alert["annotations"]);
    ensure!(labels["severity"] == "warning" && labels["instance"].is_string(), "{alert}");
    let text = annotations["summary"].as_str().unwrap_or_default();
    ensure!(text.starts_with("the swap-in rate of noisy is "), "{alert}");
    scene.guest(GUEST)?.tell("idle")?;
    let alertmanager = scene.alertmanager.as_ref().context("Alertmanager doesn't run")?;
    wait::until("the alert to be over", PATIENCE, || {
        ensure!(alertmanager.alert()?.is_none(), "it is still there");
        ensure!(alertmanager.received("resolved")? > 0.0, "no alert was resolved");
        Ok(())
    })?;
    let invalid = format!("http://{}/metrics", alertmanager.address);
    let line = "alertmanager_alerts_invalid_total{version=\"v2\"} 0";
    let counted = http::text(&invalid, &[])?;
    ensure!(counted.lines().any(|told| told == line), "Alertmanager refused some");
    Ok(())
}
