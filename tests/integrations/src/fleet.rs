//! `memtrace fleet` over the three hosts that Prometheus scrapes.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::scene::{HOSTS, PATIENCE, Scene};
use memtrace_lab::wait;

const STATES: [&str; 4] = ["calm", "soft", "hard", "low"];

/// It shows all of them, with what is known.
///
/// # Errors
/// When that isn't so.
pub fn shows(scene: &mut Scene<'_>) -> Result<()> {
    wait::until("three hosts whose state is known", PATIENCE, || {
        let hosts = hosts(scene)?;
        ensure!(hosts.len() == HOSTS, "{} hosts: {hosts:?}", hosts.len());
        for host in &hosts {
            let state = host["state"].as_str().unwrap_or_default();
            ensure!(host["unknown"].is_null() && STATES.contains(&state), "{host}");
            // There may be others on this machine.
            let vms = host["vms"].as_f64();
            ensure!(vms.is_some_and(|vms| vms >= 3.0) && host["memory_bytes"].is_f64(), "{host}");
            ensure!(host["enforcing"] == false, "{host}");
        }
        let sufferers = hosts.iter().filter_map(|host| host["sufferers"].as_array());
        ensure!(sufferers.flatten().next().is_some(), "no VM suffers");
        let names: BTreeSet<&str> = hosts.iter().filter_map(|host| host["name"].as_str()).collect();
        ensure!(names.len() == HOSTS, "they can't be told apart: {names:?}");
        Ok(())
    })
}

/// It says of each host whether one more VM fits.
///
/// # Errors
/// When that isn't so.
pub fn fits(scene: &mut Scene<'_>) -> Result<()> {
    let document = ask(scene, &["--fit", "1G"])?;
    let places = document["fit"]["places"].as_array().context("there are no places")?;
    ensure!(places.len() == HOSTS, "{} places: {document}", places.len());
    for place in places {
        let verdict = place["fits"].as_str().unwrap_or_default();
        ensure!(["now", "reclaiming", "no"].contains(&verdict), "{place}");
        ensure!(place["because"].as_str().is_some_and(|why| !why.is_empty()), "{place}");
    }
    Ok(())
}

/// One memtrace is killed: its host is unknown and keeps its name, and nothing else changes.
///
/// # Errors
/// When that isn't so.
pub fn loses(scene: &mut Scene<'_>) -> Result<()> {
    let instance = scene.agents.last().context("there are no hosts")?.address.to_string();
    let name = wait::until("three hosts that are known", PATIENCE, || {
        let hosts = hosts(scene)?;
        ensure!(hosts.iter().all(|host| host["unknown"].is_null()), "{hosts:?}");
        let victim = hosts.iter().find(|host| host["labels"]["instance"] == instance.as_str());
        victim.map(|host| host["name"].clone()).context("one isn't there")
    })?;
    scene.agents.last_mut().context("there are no hosts")?.service.kill()?;
    wait::until("the host whose memtrace was killed to be unknown", PATIENCE, || {
        let hosts = hosts(scene)?;
        ensure!(hosts.len() == HOSTS, "{} hosts: {hosts:?}", hosts.len());
        for host in &hosts {
            let is_victim = host["labels"]["instance"] == instance.as_str();
            let why = host["unknown"].as_str();
            ensure!(why.is_some() == is_victim, "{host}");
            if let Some(why) = why {
                ensure!(why.starts_with("its scrapes fail; last data "), "{why}");
                ensure!(host["state"].is_null() && host["memory_bytes"].is_null(), "{host}");
                ensure!(host["name"] == name, "{host} was {name}");
            }
        }
        Ok(())
    })?;
    let document = ask(scene, &["--fit", "1G"])?;
    let places = document["fit"]["places"].as_array().context("there are no places")?;
    let unknown = places.iter().filter(|place| place["fits"] == "unknown").count();
    ensure!(unknown == 1, "{unknown} of the places are unknown: {document}");
    Ok(())
}

fn hosts(scene: &Scene<'_>) -> Result<Vec<Value>> {
    let document = ask(scene, &[])?;
    let notices = document["notices"].as_array();
    ensure!(notices.is_some_and(Vec::is_empty), "{}", document["notices"]);
    document["hosts"].as_array().cloned().context("there are no hosts")
}

fn ask(scene: &Scene<'_>, more: &[&str]) -> Result<Value> {
    let prometheus = scene.prometheus.as_ref().context("Prometheus doesn't run")?;
    let words = ["fleet", "--prometheus", prometheus.url(), "--once", "--json"];
    scene.ask(&[&words, more].concat())
}
