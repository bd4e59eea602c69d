//! Hosts of a network of their own: a namespace for each with its own name and address, joined
//! to this one by a pair of virtual interfaces. What is made here goes with the process that
//! holds the namespace, and that one ends with us.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::service::Service;
use memtrace_lab::wait;

/// Of RFC 5737, for documentation. Machines in the cloud have been seen to use one all the same.
const NETWORKS: [[u8; 3]; 3] = [[198, 51, 100], [203, 0, 113], [192, 0, 2]];
/// The longest that a namespace lasts, in seconds.
const LIFETIME: &str = "600";
const PATIENCE: Duration = Duration::from_secs(10);
/// Becomes a host of the name that is its first argument, and then the rest.
const NAMED: &str = "hostname \"$0\" && exec \"$@\"";

/// Where memtrace runs as on a host of its own.
pub struct Namespace {
    /// Its own address, and ours as it reaches us.
    pub address: Ipv4Addr,
    pub ours: Ipv4Addr,
    /// Our end of the pair.
    link: String,
    holder: Service,
}

impl Namespace {
    /// Makes this many.
    ///
    /// # Errors
    /// When this kernel or this user can't have them; nothing is left of them then.
    pub fn make_all(count: usize, folder: &Path) -> Result<Vec<Self>> {
        let output = Command::new("ip").args(["-4", "route", "show", "table", "all"]).output();
        let routes = output.context("run ip")?.stdout;
        let network = unused(&String::from_utf8_lossy(&routes)).context("no addresses are free")?;
        (0..u8::try_from(count)?).map(|number| Self::make(network, number, folder)).collect()
    }

    fn make([a, b, c]: [u8; 3], number: u8, folder: &Path) -> Result<Self> {
        ensure!(number < 32, "there are no {number} of them");
        let at = |last: u8| Ipv4Addr::new(a, b, c, number * 4 + last);
        let name = format!("memtrace-lab-{number}");
        let mut command = Command::new("unshare");
        command.args(["--net", "--uts", "sh", "-c", NAMED, &name, "sleep", LIFETIME]);
        let holder = Service::start(&name, &command, folder)?;
        let link = format!("memtrace{number}");
        let mut made = Self { address: at(2), ours: at(1), link, holder };
        made.wait_unshared()?;
        made.join()?;
        Ok(made)
    }

    /// The command that runs another one in it.
    pub fn enter(&self) -> [String; 4] {
        let target = self.holder.pid().to_string();
        ["nsenter".into(), "--net".into(), "--uts".into(), format!("--target={target}")]
    }

    /// Until the holder has its namespaces: it has its name last.
    fn wait_unshared(&mut self) -> Result<()> {
        let of = |who: &str| fs::read_link(format!("/proc/{who}/ns/net"));
        let pid = self.holder.pid().to_string();
        self.holder.wait("a network namespace", PATIENCE, || {
            let command = fs::read_to_string(format!("/proc/{pid}/comm"))?;
            ensure!(of(&pid)? != of("self")?, "it has ours");
            ensure!(command.trim() == "sleep", "it has no name yet");
            Ok(())
        })
    }

    fn join(&self) -> Result<()> {
        // A killed one's may be on its way out.
        wait::until("an earlier pair of interfaces to go", PATIENCE, || {
            if Path::new("/sys/class/net").join(&self.link).exists() {
                bail!("{} is there", self.link);
            }
            Ok(())
        })?;
        let pid = self.holder.pid().to_string();
        let (link, ours, address) =
            (&self.link, format!("{}/30", self.ours), format!("{}/30", self.address));
        ip(&["link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", &pid])?;
        ip(&["addr", "add", &ours, "dev", link])?;
        ip(&["link", "set", link, "up"])?;
        for words in [
            &["addr", "add", &address, "dev", "eth0"][..],
            &["link", "set", "eth0", "up"],
            &["link", "set", "lo", "up"],
        ] {
            let mut command = Command::new("nsenter");
            run(command.args(["--net", "--target", &pid, "ip"]).args(words))?;
        }
        Ok(())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // It goes with its namespace as well, only later.
        if Path::new("/sys/class/net").join(&self.link).exists()
            && let Err(error) = ip(&["link", "del", &self.link])
        {
            eprintln!("error: {error:#}");
        }
    }
}

/// The first of the networks that no route has to do with.
fn unused(routes: &str) -> Option<[u8; 3]> {
    let is_used = |[a, b, c]: &[u8; 3]| {
        let beginning = format!("{a}.{b}.{c}.");
        routes.split_whitespace().any(|word| word.starts_with(&beginning))
    };
    NETWORKS.into_iter().find(|network| !is_used(network))
}

fn ip(words: &[&str]) -> Result<()> {
    run(Command::new("ip").args(words))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}", words.join(" "), said.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_the_machine_uses_is_left_alone() {
        let routes = "default via 198.51.100.1 dev eth0\nlocal 127.0.0.1 dev lo\n";
        assert_eq!(unused(routes), Some([203, 0, 113]));
        assert_eq!(unused("local 198.18.51.100 dev lo\n"), Some([198, 51, 100]));
        assert_eq!(unused("198.51.100.0/24 203.0.113.0/24 192.0.2.0/24"), None);
    }
}
