//! Shell commands with untrusted words, which are quoted.

use super::facts::{Owner, VmFacts};
use memtrace_core::format;
use memtrace_core::sample::{Platform, VmId};
use memtrace_core::units::Bytes;

/// `word` quoted for a POSIX shell.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

pub fn size(bytes: Bytes) -> String {
    format::bytes(bytes, 6)
}

/// The domain argument of virsh: the UUID, as names are untrusted.
fn domain(vm: &VmFacts) -> String {
    match vm.id {
        VmId::Uuid(uuid) => uuid.to_string(),
        VmId::Process { .. } => quoted(&vm.name),
    }
}

/// `virsh COMMAND DOMAIN REST`.
pub fn virsh(vm: &VmFacts, command: &str, rest: &str) -> String {
    format!("virsh {command} {} {rest}", domain(vm)).trim_end().to_owned()
}

/// `kubectl edit vm NAME`, with what to change there. `None`: it isn't KubeVirt's.
pub fn kubectl(vm: &VmFacts, change: &str) -> Option<String> {
    let (namespace, name) = vm.kubevirt()?;
    let (namespace, name) = (quoted(namespace), quoted(name));
    Some(format!(
        "kubectl edit vm -n {namespace} {name}   # {change}; takes effect at the next start"
    ))
}

/// For options that require a restart: how to start the VM. `proxmox`: the arguments of `qm set`,
/// where it has them. None for a VM that somebody else starts.
pub fn at_next_start(vm: &VmFacts, element: &str, options: &str, proxmox: &str) -> Vec<String> {
    match (&vm.owner, vm.proxmox()) {
        (Owner::Libvirt, _) => match vm.labels.platform {
            // Its domains are made anew at each start, so that there is nothing to edit.
            Some(Platform::Ovirt) => vec![format!(
                "# oVirt writes the domain at each start: a hook of VDSM (before_vm_start) can put \
                 {element} there"
            )],
            platform => {
                let nova = match platform {
                    Some(Platform::Nova) => ", until nova writes the domain anew",
                    _ => "",
                };
                let change = format!("# {element}; takes effect at the next start{nova}");
                vec![virsh(vm, "edit", &change)]
            }
        },
        (Owner::Elsewhere(_) | Owner::OtherLibvirt, _) => Vec::new(),
        (_, Some(id)) if !proxmox.is_empty() => {
            // --args takes the place of what was there.
            let before =
                if proxmox.contains("--args") { ", added to the args that it has" } else { "" };
            vec![format!("qm set {id} {proxmox}   # takes effect at the next start{before}")]
        }
        _ => {
            let own = qemu_conf(vm, options).or_else(|| raw_qemu(vm, options));
            vec![own.unwrap_or_else(|| format!("# at the next start add: {options}"))]
        }
    }
}

/// How to give it a monitor of memtrace's own, for the next start.
pub fn with_monitor(vm: &VmFacts) -> Vec<String> {
    if vm.kubevirt().is_some() {
        return Vec::new();
    }
    let name = vm.proxmox().unwrap_or("NAME");
    let socket = match (&vm.owner, vm.system_container()) {
        // Its confinement lets it write where its other monitor is.
        (Owner::Qmp(path), Some(_)) => {
            let folder = path.rsplit_once('/').map_or("/run", |(folder, _)| folder);
            format!("{folder}/memtrace.qmp")
        }
        _ => format!("/run/{name}.qmp"),
    };
    let option = format!("-qmp unix:{socket},server=on,wait=off");
    let proxmox = format!("--args {}", quoted(&option));
    at_next_start(vm, "", &option, &proxmox)
}

/// Options of QEMU's for a VM of Incus or LXD. `None`: neither of them, or no option.
fn raw_qemu(vm: &VmFacts, options: &str) -> Option<String> {
    let (command, project, name) = vm.system_container()?;
    let (project, name) = (quoted(project), quoted(name));
    let options = options.starts_with('-').then(|| quoted(options))?;
    Some(format!(
        "{command} config set --project {project} {name} raw.qemu={options}   # takes effect at the \
         next start, added to the raw.qemu that it has"
    ))
}

/// Incus and LXD write QEMU's configuration, with what is in `raw.qemu.conf`. `None`: neither of
/// them, or it has no such device: a section without a driver would keep QEMU from starting.
fn qemu_conf(vm: &VmFacts, options: &str) -> Option<String> {
    vm.balloon.as_ref().ok()?.as_ref()?;
    let (command, project, name) = vm.system_container()?;
    let options = options.strip_prefix("-device virtio-balloon-pci,")?.replace(',', ", ");
    let (project, name) = (quoted(project), quoted(name));
    Some(format!(
        "{command} config edit --project {project} {name}   # raw.qemu.conf: {options} in [device \
         \"qemu_balloon\"]; takes effect at the next start"
    ))
}

/// Half of its size in MiB, or the least that a VM needs.
pub fn half(vm: &VmFacts) -> u64 {
    vm.size.as_ref().map_or(512, |size| (size.0 >> 21).max(1))
}

/// A line in QMP to the monitor at `socket`. qemu serves one client at a time.
pub fn monitor(socket: &str, request: &str) -> String {
    let ready = quoted(r#"{"execute":"qmp_capabilities"}"#);
    let socket = quoted(&format!("UNIX-CONNECT:{socket}"));
    format!("printf '%s\\n' {ready} {} | socat -t2 - {socket}", quoted(request))
}

/// Puts lines about this VM at the end of the configuration.
pub fn configured(vm: &VmFacts, line: &str) -> String {
    match which(vm) {
        Some(which) => appended(&[&which, line]),
        None => "# at the next start add -name NAME: the configuration identifies VMs by name"
            .to_owned(),
    }
}

/// The same of several VMs, each with its line.
pub fn configured_all(vms: &[(&VmFacts, String)]) -> Option<String> {
    let tables = vms.iter().filter_map(|(vm, line)| Some([which(vm)?, line.clone()]));
    let lines: Vec<String> = tables.collect::<Vec<_>>().join(&"[[vm]]".to_owned());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    (!lines.is_empty()).then(|| appended(&lines))
}

/// Puts a table of VMs at the end of the configuration.
fn appended(lines: &[&str]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| quoted(line)).collect();
    format!(
        "mkdir -p /etc/memtrace/memtrace.d && printf '%s\\n' '[[vm]]' {} \
         >>/etc/memtrace/memtrace.d/vms.toml",
        lines.join(" ")
    )
}

/// How the configuration means it. `None`: it has no name that lasts.
fn which(vm: &VmFacts) -> Option<String> {
    // A string of JSON is one of TOML, but for control characters, which no name has.
    let text = |text: &str| serde_json::Value::from(text);
    match (vm.id, &vm.owner) {
        (VmId::Uuid(uuid), _) => Some(format!("uuid = \"{uuid}\"")),
        // A generated name changes with each start. Other VMMs than QEMU take none: all their VMs.
        (VmId::Process { pid, .. }, owner) if vm.name.ends_with(&format!("-{pid}")) => {
            let Owner::Other(_) = owner else { return None };
            let begin = vm.name.strip_suffix(&pid.to_string())?;
            Some(format!("match = {}", text(&format!("^{}[0-9]+$", regex::escape(begin)))))
        }
        (VmId::Process { .. }, _) => Some(format!("name = {}", text(&vm.name))),
    }
}

/// Writes a file of the kernel, now and at each start (tmpfiles.d(5)). `name`: of the setting.
pub fn kept(name: &str, value: &str, file: &str) -> String {
    let place = format!("/etc/tmpfiles.d/memtrace-{name}.conf");
    format!("echo 'w {file} - - - - {value}' >{place} && systemd-tmpfiles --create {place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word() {
        assert_eq!(quoted("/run/qemu/1.qmp"), "/run/qemu/1.qmp");
        for (word, safe) in [
            ("", "''"),
            ("a b", "'a b'"),
            ("$(reboot)", "'$(reboot)'"),
            ("it's; rm -rf /", r"'it'\''s; rm -rf /'"),
            ("-n\n", "'-n\n'"),
        ] {
            assert_eq!(quoted(word), safe);
        }
    }

    /// What a POSIX shell makes of `text`. `None`: more than a word, or something that it acts on.
    fn unquoted(text: &str) -> Option<String> {
        let (mut word, mut letters) = (String::new(), text.chars());
        while let Some(letter) = letters.next() {
            match letter {
                '\'' => loop {
                    match letters.next()? {
                        '\'' => break,
                        inside => word.push(inside),
                    }
                },
                '\\' => word.push(letters.next()?),
                plain if plain.is_ascii_alphanumeric() || "-_./:=,@%+".contains(plain) => {
                    word.push(plain);
                }
                _ => return None,
            }
        }
        Some(word)
    }

    proptest::proptest! {
        #[test]
        fn a_shell_gets_the_word_and_nothing_else(word in "([a'\\\\ $`;\n\"]|.){0,12}") {
            proptest::prop_assert_eq!(unquoted(&quoted(&word)), Some(word));
        }
    }
}
