//! Guests as libvirt domains: the daemons, if none run, and a domain's XML.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use memtrace_lab_host::wait::poll;

use super::plan::GuestPlan;
use super::process::Process;
use super::qemu::{Boot, kernel_arguments};

/// virsh for the system's daemon, ended after so many seconds: a daemon that hangs must
/// not keep us from undoing the rest. Creating the first domain takes long, because
/// libvirt then asks qemu for all that it can do.
const VIRSH: [&str; 5] = ["90", "virsh", "--quiet", "--connect", "qemu:///system"];
/// Our daemon ends by itself after this many seconds without a client or a running domain.
const IDLE_SECONDS: &str = "300";
/// Daemons in the order of their start, with their pid files.
const DAEMONS: [(&str, &str); 2] =
    [("virtlogd", "/run/virtlogd.pid"), ("libvirtd", "/run/libvirtd.pid")];

/// Runs virsh and returns what it printed.
///
/// # Errors
/// When it fails; the error holds what it said.
pub fn virsh(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("timeout");
    let output = command.args(VIRSH).args(arguments).output().context("run virsh")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("virsh {}: {said}", arguments.join(" "));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a daemon is there.
pub fn answers() -> bool {
    virsh(&["uri"]).is_ok()
}

/// Starts the daemons unless libvirt answers already. `started` is called with each one
/// as soon as it runs.
///
/// # Errors
/// When libvirt doesn't answer in the end.
pub fn ensure_daemons(mut started: impl FnMut(Process) -> Result<()>) -> Result<()> {
    if answers() {
        return Ok(());
    }
    for (daemon, pid_file) in DAEMONS {
        if running(pid_file).is_some() {
            continue;
        }
        let mut command = Command::new(daemon);
        command.arg("--daemon");
        if daemon == "libvirtd" {
            command.args(["--timeout", IDLE_SECONDS]);
        }
        let output = command.output().with_context(|| format!("run {daemon}"))?;
        if !output.status.success() {
            bail!("{daemon}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        started(wait_running(pid_file).with_context(|| format!("{daemon} doesn't start"))?)?;
    }
    virsh(&["uri"]).map(drop)
}

/// Also after Ctrl-C, when [`crate::wait`] fails at once: a daemon that we started is to be undone.
fn wait_running(pid_file: &str) -> Option<Process> {
    poll(Duration::from_secs(20), || running(pid_file))
}

/// The daemon that domains are asked of, if it runs.
pub fn daemon() -> Option<Process> {
    DAEMONS.last().and_then(|(_, pid_file)| running(pid_file))
}

fn running(pid_file: &str) -> Option<Process> {
    let pid = fs::read_to_string(pid_file).ok()?.trim().parse().ok()?;
    Process::of(pid).ok()
}

/// Where libvirt's qemu writes its pid.
pub fn pid_file(guest: &str) -> PathBuf {
    PathBuf::from(format!("/run/libvirt/qemu/{guest}.pid"))
}

/// Creates the (transient) domain.
///
/// # Errors
/// When libvirt refuses.
pub fn start(guest: &GuestPlan, boot: &Boot, folder: &Path, partition: &str) -> Result<Process> {
    let path = folder.join(format!("{}.xml", guest.name));
    fs::write(&path, xml(guest, boot, &folder.join(format!("{}.agent", guest.name)), partition))?;
    virsh(&["create", &path.display().to_string()])?;
    let text = fs::read_to_string(pid_file(guest.name)).context("libvirt left no pid")?;
    Process::of(text.trim().parse().context("libvirt left no pid")?)
}

/// The domain. Its names are ours, so nothing needs to be escaped.
fn xml(guest: &GuestPlan, boot: &Boot, agent: &Path, partition: &str) -> String {
    // Domains have no further devices yet: what wants them runs plain guests.
    let GuestPlan { name, uuid, memory_mib, work: _, devices: _ } = guest;
    let (kernel, initramfs) = (boot.kernel.display(), boot.initramfs.display());
    let (arguments, agent) = (kernel_arguments(), agent.display());
    format!(
        "<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>{memory_mib}</memory>
  <vcpu>1</vcpu>
  <resource><partition>{partition}</partition></resource>
  <os>
    <type arch='x86_64'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initramfs}</initrd>
    <cmdline>{arguments}</cmdline>
  </os>
  <features><acpi/><tcg><tb-cache unit='MiB'>32</tb-cache></tcg></features>
  <on_reboot>destroy</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <controller type='usb' model='none'/>
    <serial type='null'/>
    <serial type='unix'><source mode='bind' path='{agent}'/><target port='1'/></serial>
    <memballoon model='virtio' autodeflate='on'><stats period='1'/></memballoon>
  </devices>
</domain>
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::plan::GUESTS;

    #[test]
    fn a_domain_has_a_balloon_with_statistics_and_the_agents_port() {
        let boot = Boot {
            kernel: PathBuf::from("/k"),
            initramfs: PathBuf::from("/i"),
            files: PathBuf::from("/f"),
        };
        let text = xml(&GUESTS[1], &boot, Path::new("/lab/victim.agent"), "/lab");
        assert!(text.contains("<name>victim</name>"));
        assert!(text.contains("<stats period='1'/>"));
        assert!(text.contains("mode='bind' path='/lab/victim.agent'"));
        assert!(text.contains("<partition>/lab</partition>"));
    }
}
