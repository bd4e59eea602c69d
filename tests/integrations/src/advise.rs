//! `memtrace advise` by what Prometheus remembers of one of the three hosts.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::scene::Scene;
use memtrace_lab::wait;

/// It takes points at whole minutes, of which the first may still be to come.
const PATIENCE: Duration = Duration::from_secs(90);

/// After a few seconds it knows the VMs and their limits, and reports that this is too little data.
///
/// # Errors
/// When that isn't so.
pub fn says_how_little(scene: &mut Scene<'_>) -> Result<()> {
    let instance = scene.agents.first().context("there are no hosts")?.address.to_string();
    let url = scene.prometheus()?.url().to_owned();
    let words = ["advise", "--prometheus", &url, "--host", &instance, "--since", "10m", "--json"];
    wait::until("the lab's guests in Prometheus' history", PATIENCE, || {
        let advice = scene.ask(&words)?;
        let losses = advice["losses"].as_array();
        ensure!(losses.is_some_and(Vec::is_empty), "{}", advice["losses"]);
        ensure!(advice["host"]["installed"].is_u64(), "{}", advice["host"]);
        let vms = advice["vms"].as_array().context("no VMs")?;
        for name in ["noisy", "victim", "idle"] {
            let vm = vms.iter().find(|vm| vm["name"] == name);
            let vm = vm.with_context(|| format!("no {name}: {vms:?}"))?;
            ensure!(vm["allocated"].is_u64(), "{vm}");
            ensure!(vm["verdict"] == "too_little" && vm["size"].is_null(), "{vm}");
        }
        Ok(())
    })
}
