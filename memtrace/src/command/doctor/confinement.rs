//! What may refuse memtrace its work beside capabilities: kernel lockdown, and a security module
//! that confines this process.

use std::fs;
use std::path::Path;

use super::facts::fact;
use super::report::{Fact, Standing};
use memtrace_core::text::clean;
use memtrace_host::hostfs::HostRoot;

/// Most that is shown of a label.
const MOST: usize = 80;

/// By kernel_lockdown(7): of the two modes, `confidentiality` denies eBPF programs to read the
/// kernel (security/security.c, LOCKDOWN_BPF_READ_KERNEL); `integrity` denies nothing that memtrace
/// does.
pub(super) fn lockdown(root: &HostRoot) -> Fact {
    let path = root.sys.join("kernel/security/lockdown");
    let text = fs::read_to_string(path).unwrap_or_default();
    let chosen = text.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    let (standing, finding) = match chosen {
        Some("none") => (Standing::Good, "off"),
        Some("integrity") => (Standing::Good, "integrity, which denies nothing that memtrace does"),
        Some("confidentiality") => (
            Standing::Bad,
            "confidentiality: eBPF programs may not read the kernel; boot with lockdown=integrity",
        ),
        Some(_) => (Standing::Poor, "a mode that memtrace doesn't know"),
        None => (Standing::Note, "not known: securityfs isn't mounted, or the kernel has none"),
    };
    fact("lockdown", standing, finding)
}

/// By proc_pid_attr(5) and what each module shows in sysfs.
pub(super) fn security_module(root: &HostRoot) -> Fact {
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let own = read(&root.proc.join("self/attr/current"));
    let shown: String = clean(own.trim_end_matches('\0')).chars().take(MOST).collect();
    let selinux = read(&root.sys.join("fs/selinux/enforce"));
    let apparmor = read(&root.sys.join("module/apparmor/parameters/enabled")) == "Y";
    // A label of SELinux is user:role:type:level, and the type decides.
    let kind = shown.split(':').nth(2).unwrap_or_default();
    let is_free = shown == "unconfined" || kind.starts_with("unconfined_");
    let (standing, finding) = match (selinux.as_str(), apparmor) {
        ("1", _) if is_free => (Standing::Good, format!("SELinux enforces, not on {shown}")),
        ("1", _) => (
            Standing::Note,
            format!("SELinux enforces on {shown}; what it denies: ausearch -m AVC -c memtrace"),
        ),
        ("0", _) => (Standing::Good, "SELinux denies nothing (permissive)".to_owned()),
        (_, true) if is_free => (Standing::Good, "AppArmor doesn't confine memtrace".to_owned()),
        (_, true) => (
            Standing::Note,
            format!(
                "AppArmor confines memtrace by {shown}; what it denies: journalctl -k -g DENIED"
            ),
        ),
        (_, false) => (Standing::Good, "none confines memtrace".to_owned()),
    };
    fact("LSM", standing, finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_host::hostfs::fake::FakeHost;

    #[test]
    fn lockdown_matters_where_it_keeps_the_kernel_from_being_read() {
        let host = FakeHost::unified();
        assert_eq!(lockdown(&host.root()).standing, Standing::Note);
        for (text, standing) in [
            ("[none] integrity confidentiality\n", Standing::Good),
            ("none [integrity] confidentiality\n", Standing::Good),
            ("none integrity [confidentiality]\n", Standing::Bad),
            ("none [something]\n", Standing::Poor),
            ("\n", Standing::Note),
        ] {
            host.file("sys/kernel/security/lockdown", text);
            assert_eq!(lockdown(&host.root()).standing, standing, "{text}");
        }
    }

    #[test]
    fn what_confines_memtrace_is_named_with_where_denials_are_told() {
        let told = |enforce: &str, apparmor: &str, label: &str| {
            let host = FakeHost::unified();
            for (path, text) in [
                ("sys/fs/selinux/enforce", enforce),
                ("sys/module/apparmor/parameters/enabled", apparmor),
                ("proc/self/attr/current", label),
            ] {
                host.file(path, text);
            }
            security_module(&host.root())
        };
        let selinux = told("1", "", "system_u:system_r:memtrace_t:s0\0");
        assert_eq!(selinux.standing, Standing::Note);
        assert!(
            selinux.finding.contains("memtrace_t:s0; ") && selinux.finding.contains("ausearch")
        );
        let free = "unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023\0";
        assert_eq!(told("1", "", free).standing, Standing::Good);
        let service = "system_u:system_r:unconfined_service_t:s0\0";
        assert_eq!(told("1", "", service).standing, Standing::Good);
        assert_eq!(told("0", "", "system_u:system_r:x_t:s0\0").standing, Standing::Good);
        assert_eq!(told("", "Y\n", "unconfined\n").standing, Standing::Good);
        let apparmor = told("", "Y\n", "/usr/bin/memtrace (enforce)\n");
        assert_eq!(apparmor.standing, Standing::Note);
        assert!(apparmor.finding.contains("/usr/bin/memtrace (enforce)"), "{apparmor:?}");
        assert_eq!(security_module(&FakeHost::unified().root()).standing, Standing::Good);
    }
}
