//! The real agent of Zabbix with our UserParameters, asked by zabbix_get in the server's place, and
//! by the real server, which has both templates.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use memtrace_lab::local::plan::GUESTS;
use memtrace_lab::paths;
use memtrace_lab::setup::programs::Program;
use serde_json::Value;

use super::http;
use super::scene::{PATIENCE, Scene};
use super::service::Service;
use memtrace_lab::wait;

mod api;
mod server;

use api::{Api, Item};
use server::Server;

const PARAMETERS: &str = "packaging/zabbix/memtrace.conf";
const TEMPLATE: &str = "packaging/zabbix/memtrace.yaml";
const BY_HTTP: &str = "packaging/zabbix/memtrace-http.yaml";
/// The word by which the template distinguishes a reason from a value.
const NO_VALUE: &str = "ZBX_NOTSUPPORTED: ";
/// Items of the template that may be unknown for a lab's guest.
const MAY_BE_UNKNOWN: [&str; 3] = ["vm_dead_bytes", "vm_guest_available_bytes", "vm_caused_ratio"];
/// The user without privileges, as Debian numbers it.
const NOBODY: u32 = 65_534;
/// Is powered off for the second trial.
const GONE: &str = "idle";
/// For values of all items, of which rates take two.
const COLLECTED_WITHIN: Duration = Duration::from_secs(120);
/// The server forgets to collect what it doesn't know of yet.
const AGAIN: Duration = Duration::from_secs(3);

/// An agent and its address.
struct Agent {
    address: SocketAddr,
    _service: Service,
}

impl Agent {
    fn start(scene: &Scene<'_>) -> Result<Self> {
        let from = scene.agents.first().context("no memtrace runs")?.address;
        let address = http::free(Ipv4Addr::LOCALHOST.into())?;
        let folder = scene.folder.join("zabbix");
        fs::create_dir_all(&folder)?;
        // The agent's user may not be able to reach the target directory.
        let memtrace = folder.join("memtrace");
        if !memtrace.exists() {
            fs::copy(scene.memtrace, &memtrace).context("copy memtrace")?;
        }
        chown(&folder, Some(NOBODY), None)?;
        let text = fs::read_to_string(paths::workspace().join(PARAMETERS)).context(PARAMETERS)?;
        let parameters = folder.join("memtrace.conf");
        fs::write(&parameters, adapted(&text, &memtrace, from)?)?;
        let file = folder.join("agent.conf");
        fs::write(&file, configuration(address, &folder))?;
        let mut command = Program::ZabbixAgent.command()?;
        command.arg("--foreground").arg("--config").arg(&file);
        let mut service = Service::start("zabbix-agent", &command, &scene.folder)?;
        let ping = || (get(address, "agent.ping")? == "1").then_some(()).context("no answer");
        service.wait("Zabbix' agent", PATIENCE, ping)?;
        Ok(Self { address, _service: service })
    }

    fn get(&self, key: &str) -> Result<String> {
        get(self.address, key)
    }

    /// The VMs that it discovers, by name, each with its identity.
    fn vms(&self) -> Result<Vec<(String, String)>> {
        let text = self.get("memtrace.discover")?;
        let list: Vec<Value> = serde_json::from_str(&text).with_context(|| text.clone())?;
        let word = |one: &Value, name: &str| one[name].as_str().map(str::to_owned);
        let read = |one: &Value| Some((word(one, "{#VM.NAME}")?, word(one, "{#VM.ID}")?));
        let vms: Option<Vec<_>> = list.iter().map(read).collect();
        vms.with_context(|| format!("a macro is missing: {text}"))
    }
}

/// It discovers the guests, and has a value for each item of the template.
///
/// # Errors
/// When that isn't so.
pub fn items(scene: &mut Scene<'_>) -> Result<()> {
    let agent = Agent::start(scene)?;
    let vms = agent.vms()?;
    for guest in GUESTS {
        ensure!(vms.iter().any(|(name, _)| name == guest.name), "it discovers {vms:?}");
    }
    let (_, noisy) = vms.iter().find(|(name, _)| name == "noisy").context("noisy isn't there")?;
    let text = fs::read_to_string(paths::workspace().join(TEMPLATE)).context(TEMPLATE)?;
    let keys = keys(&text);
    ensure!(keys.len() > 20, "the template has only {} items", keys.len());
    for (key, is_word) in keys {
        let value = agent.get(&key.replace("{#VM.ID}", noisy))?;
        if let Some(why) = value.strip_prefix(NO_VALUE) {
            let may_be = MAY_BE_UNKNOWN.iter().any(|name| key.contains(name));
            ensure!(may_be, "{key} is unknown: {why}");
            continue;
        }
        ensure!(fine(&value, is_word), "{key} is {value:?}");
    }
    Ok(())
}

fn fine(value: &str, is_word: bool) -> bool {
    if is_word {
        !value.is_empty() && value.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
    } else {
        value.parse().is_ok_and(f64::is_finite)
    }
}

/// The server takes both templates, and has a value for each item of both: of memtrace's page, and
/// of the agent.
///
/// # Errors
/// When that isn't so.
pub fn collected(scene: &mut Scene<'_>) -> Result<()> {
    let agent = Agent::start(scene)?;
    let vms = agent.vms()?;
    let (_, noisy) = vms.iter().find(|(name, _)| name == "noisy").context("noisy isn't there")?;
    let memtrace = scene.agents.first().context("no memtrace runs")?.address;
    let server = Server::start(&scene.folder.join("zabbix-server"))?;
    let page = http::text(&format!("http://{memtrace}/metrics"), &[])?;
    let mut hosts = Vec::new();
    for (file, address) in [(BY_HTTP, memtrace), (TEMPLATE, agent.address)] {
        let template = fs::read_to_string(paths::workspace().join(file)).context(file)?;
        server.api.import(&template).with_context(|| format!("import {file}"))?;
        let host = server.api.host(name(&template)?, address)?;
        server.api.collect_now(&host)?;
        hosts.push((file, host, keys(&template)));
    }
    let told = page.lines().find_map(|line| line.strip_prefix("memtrace_host_memory_bytes "));
    let told: f64 = told.context("memtrace tells no memory")?.parse()?;
    for (file, host, keys) in &hosts {
        let memory = collect(&server.api, host, keys, noisy).context(*file)?;
        ensure!(memory == told, "{file}: {memory} bytes, but {told}");
    }
    Ok(())
}

/// Has the server collect a host's items until each of these has a value, and returns the host's
/// memory in bytes.
fn collect(api: &Api, host: &str, keys: &[(String, bool)], vm: &str) -> Result<f64> {
    let mut asked: Option<Instant> = None;
    wait::until("the items' values", COLLECTED_WITHIN, || {
        if asked.is_none_or(|at| at.elapsed() >= AGAIN) {
            api.collect_now(host)?;
            asked = Some(Instant::now());
        }
        let items = api.items(host)?;
        for (key, is_word) in keys {
            let key = key.replace("{#VM.ID}", vm);
            let item = items.iter().find(|item| item.key == key);
            judge(item.with_context(|| format!("no item {key}"))?, *is_word)?;
        }
        let memory = items.iter().find(|item| item.key == "memtrace.host[host_memory_bytes]");
        Ok(memory.context("no memory")?.value.parse()?)
    })
}

fn judge(item: &Item, is_word: bool) -> Result<()> {
    let Item { key, value, error, .. } = item;
    if !error.is_empty() {
        let may_be = MAY_BE_UNKNOWN.iter().any(|name| key.contains(name));
        ensure!(may_be, "{key} is not supported: {error}");
        return Ok(());
    }
    ensure!(item.known, "{key} has no value");
    ensure!(fine(value, is_word), "{key} is {value:?}");
    Ok(())
}

fn name(template: &str) -> Result<&str> {
    let line = template.lines().find_map(|line| line.trim().strip_prefix("template: '"));
    Ok(line.context("a template without a name")?.trim_end_matches('\''))
}

/// An item of a guest that is gone has no value, and says why.
///
/// # Errors
/// When that isn't so.
pub fn gone(scene: &mut Scene<'_>) -> Result<()> {
    let agent = Agent::start(scene)?;
    let vms = agent.vms()?;
    let (_, id) = vms.iter().find(|(name, _)| name == GONE).context("the guest isn't there")?;
    let key = format!("memtrace.vm[{id},vm_resident_bytes]");
    let value = agent.get(&key)?;
    ensure!(value.parse::<f64>().is_ok(), "while it runs, {key} is {value:?}");
    scene.guest(GONE)?.off()?;
    wait::until("the item to be unsupported", PATIENCE, || {
        let value = agent.get(&key)?;
        let Some(why) = value.strip_prefix(NO_VALUE) else { bail!("{key} is {value:?}") };
        ensure!(why.starts_with(&format!("no VM \"{id}\"")), "{why}");
        ensure!(agent.vms()?.iter().all(|(name, _)| name != GONE), "it is still discovered");
        Ok(())
    })
}

/// As a server would; unlike `Agent::get` before there is an agent.
fn get(address: SocketAddr, key: &str) -> Result<String> {
    let mut command = Program::ZabbixGet.command()?;
    command.arg("-s").arg(address.ip().to_string()).arg("-p").arg(address.port().to_string());
    let limit = Duration::from_secs(5).as_secs().to_string();
    let output = command.args(["-t", &limit, "-k", key]).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "zabbix_get {key}: {}", said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// An agent that answers only us, as a user without privileges.
fn configuration(address: SocketAddr, folder: &Path) -> String {
    let (ip, port, folder) = (address.ip(), address.port(), folder.display());
    format!(
        "LogType=console\nUser=nobody\nServer={ip}\nListenIP={ip}\nListenPort={port}\n\
         StartAgents=1\nPidFile={folder}/agent.pid\nInclude={folder}/memtrace.conf\n"
    )
}

/// Our UserParameters with this memtrace, and where the one that mitigates listens here.
fn adapted(text: &str, memtrace: &Path, from: SocketAddr) -> Result<String> {
    let memtrace = memtrace.display().to_string();
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (key, command) = line.split_once(',').context("a UserParameter without a command")?;
        let rest = command.strip_prefix("memtrace ").context("it isn't memtrace's")?;
        ensure!(rest.contains("--from :9435"), "{line} asks another address");
        let rest = rest.replace("--from :9435", &format!("--from {from}"));
        lines.push(format!("{key},{memtrace} {rest}\n"));
    }
    ensure!(!lines.is_empty(), "there are no UserParameters");
    Ok(lines.concat())
}

/// The items' keys of the template, and whether a value is a word.
fn keys(template: &str) -> Vec<(String, bool)> {
    let mut keys: Vec<(String, bool)> = Vec::new();
    for line in template.lines().map(str::trim) {
        if let Some(key) = line.strip_prefix("key: 'memtrace.") {
            keys.push((format!("memtrace.{}", key.trim_end_matches('\'')), false));
        } else if line == "value_type: CHAR"
            && let Some(last) = keys.last_mut()
        {
            last.1 = true;
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_are_ours_with_another_place() {
        let text = include_str!("../../../../packaging/zabbix/memtrace.conf");
        let from = "192.0.2.2:9435".parse().unwrap();
        let text = adapted(text, Path::new("/t/memtrace"), from).unwrap();
        let first = "UserParameter=memtrace.discover,/t/memtrace zabbix discover --from \
                     192.0.2.2:9435\n";
        assert!(text.starts_with(first), "{text}");
        assert_eq!(text.lines().count(), 3);
        assert!(text.ends_with("192.0.2.2:9435 -- \"$2\" \"$1\"\n"), "{text}");
    }

    #[test]
    fn the_templates_keys_are_found_with_the_kind_of_their_values() {
        let keys = keys(include_str!("../../../../packaging/zabbix/memtrace.yaml"));
        let has = |key: &str, word| keys.contains(&(key.to_owned(), word));
        assert!(has("memtrace.host[host_state]", true));
        assert!(has("memtrace.host[host_memory_bytes]", false));
        assert!(has("memtrace.vm[{#VM.ID},vm_state]", true));
        assert!(has("memtrace.vm[{#VM.ID},vm_resident_bytes]", false));
        let by_http = include_str!("../../../../packaging/zabbix/memtrace-http.yaml");
        assert_eq!(self::keys(by_http), keys);
        assert_eq!(name(by_http).unwrap(), "memtrace by HTTP");
    }

    #[test]
    fn an_item_without_a_value_is_told_from_one_that_may_be_unknown() {
        let item = |key: &str, value: &str, error: &str| Item {
            key: key.to_owned(),
            value: value.to_owned(),
            known: !value.is_empty(),
            error: error.to_owned(),
        };
        assert!(judge(&item("memtrace.host[vms]", "3", ""), false).is_ok());
        assert!(judge(&item("memtrace.host[vms]", "", ""), false).is_err());
        assert!(judge(&item("memtrace.host[vms]", "", "no match"), false).is_err());
        assert!(judge(&item("memtrace.vm[a,vm_dead_bytes]", "", "no match"), false).is_ok());
        assert!(judge(&item("memtrace.host[host_state]", "soft", ""), true).is_ok());
        assert!(judge(&item("memtrace.host[host_state]", "4", ""), true).is_err());
    }
}
