//! What the trials of integrations are played on: the lab's guests under pressure, three memtraces
//! that look at them, each as on a host of its own, and the servers that several trials ask.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use memtrace_lab::local::Lab;
use memtrace_lab::local::guest::Guest;
use memtrace_lab::setup::programs::Program;
use memtrace_lab::{interrupt, progress};
use serde_json::Value;

use super::alertmanager::Alertmanager;
use super::http;
use super::network::Namespace;
use super::prometheus::Prometheus;
use super::service::{Service, behind};
use memtrace_lab::wait;

/// Hosts of the fleet.
pub const HOSTS: usize = 3;
/// Port of memtrace in a network namespace of its own.
const PORT: u16 = 9435;
/// More steps than all trials take, so that it ends by itself.
const MOST: &str = "600";
pub const PATIENCE: Duration = Duration::from_secs(30);
const CONFIGURATION: &str = include_str!("memtrace.toml");

pub struct Scene<'a> {
    pub lab: &'a mut Lab,
    pub memtrace: &'a Path,
    pub folder: PathBuf,
    pub agents: Vec<Agent>,
    /// `None`: it isn't installed, and its trials are skipped.
    pub prometheus: Option<Prometheus>,
    pub alertmanager: Option<Alertmanager>,
    /// Last, so that those in them end before.
    network: Vec<Namespace>,
}

/// A memtrace that mitigates on paper and listens.
pub struct Agent {
    pub address: SocketAddr,
    pub service: Service,
}

impl<'a> Scene<'a> {
    /// Presses, and starts them.
    ///
    /// # Errors
    /// When one doesn't start.
    pub fn set(lab: &'a mut Lab, memtrace: &'a Path) -> Result<Self> {
        let folder = lab.folder().join("integrations");
        fs::create_dir_all(&folder)?;
        let network = network(&folder)?;
        let ours = network.first().map_or(Ipv4Addr::LOCALHOST, |host| host.ours);
        let alertmanager = if Program::Alertmanager.obstacle().is_none() {
            Some(Alertmanager::start(ours.into(), &folder)?)
        } else {
            None
        };
        let mut scene = Self {
            lab,
            memtrace,
            folder,
            agents: Vec::new(),
            prometheus: None,
            alertmanager,
            network,
        };
        for number in 0..HOSTS {
            let agent = scene.agent(number)?;
            scene.agents.push(agent);
        }
        if Program::Prometheus.obstacle().is_none() {
            let targets: Vec<SocketAddr> = scene.agents.iter().map(|agent| agent.address).collect();
            scene.prometheus = Some(Prometheus::start(&targets, &scene.folder)?);
        }
        scene.lab.work()?;
        for agent in &mut scene.agents {
            let url = format!("http://{}/metrics", agent.address);
            agent.service.wait("memtrace's first sample", PATIENCE, || http::text(&url, &[]))?;
        }
        Ok(scene)
    }

    /// The first of them sends alerts to Alertmanager.
    fn agent(&self, number: usize) -> Result<Agent> {
        let name = format!("agent-{number}");
        let place = self.network.get(number);
        let address = match place {
            Some(place) => (place.address, PORT).into(),
            None => http::free(IpAddr::V4(Ipv4Addr::LOCALHOST))?,
        };
        let told = self.alertmanager.as_ref().filter(|_| number == 0);
        let told = told.map(|told| format!("alertmanager = \"{}\"\n", told.posts()));
        let file = self.folder.join(format!("{name}.toml"));
        fs::write(&file, CONFIGURATION.replace("# alertmanager\n", &told.unwrap_or_default()))?;
        let mut command = Command::new(self.memtrace);
        command.args(["mitigate", "--count", MOST, "--listen", &address.to_string()]);
        command.arg("--config").arg(file).arg("--state-dir").arg(self.folder.join(&name));
        if let Some(place) = place {
            let before = place.enter();
            command = behind(before.iter().map(String::as_str), &command);
        }
        Ok(Agent { address, service: Service::start(&name, &command, &self.folder)? })
    }

    /// # Errors
    /// When the lab has no such guest.
    pub fn guest(&mut self, name: &str) -> Result<&mut Guest> {
        let guest = self.lab.guests.iter_mut().find(|guest| guest.plan.name == name);
        guest.with_context(|| format!("no guest {name}"))
    }

    /// What memtrace prints for these words, as JSON.
    ///
    /// # Errors
    /// When it fails, or prints something else.
    pub fn ask(&self, words: &[&str]) -> Result<Value> {
        let mut command = Command::new(self.memtrace);
        let output = command.args(words).stdin(Stdio::null()).output().context("run memtrace")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "memtrace {}: {}", words.join(" "), said.trim());
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("memtrace {}", words.join(" ")))
    }

    /// # Errors
    /// When it isn't here; who asks then should have been skipped.
    pub fn prometheus(&mut self) -> Result<&mut Prometheus> {
        self.prometheus.as_mut().context("Prometheus doesn't run")
    }

    /// Waits for an answer of Prometheus.
    ///
    /// # Errors
    /// When there is none in time.
    pub fn until<T>(&mut self, what: &str, ask: impl Fn(&Prometheus) -> Result<T>) -> Result<T> {
        let prometheus = self.prometheus()?;
        prometheus.check()?;
        wait::until(what, PATIENCE, || ask(prometheus))
    }
}

/// A namespace for each host; none, and told so, where there can't be any.
fn network(folder: &Path) -> Result<Vec<Namespace>> {
    Namespace::make_all(HOSTS, folder).or_else(|why| {
        interrupt::check()?;
        progress::say(&format!(
            "no network namespaces ({why:#}): the three memtraces have ports of 127.0.0.1"
        ));
        Ok(Vec::new())
    })
}
