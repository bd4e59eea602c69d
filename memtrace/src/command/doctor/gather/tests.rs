//! Whole runs against a host of files and monitors that answer: no privileges, no VMs.

use super::*;
use crate::command::doctor::audit::facts::{Owner, ReactorKind, VmFacts};
use crate::command::doctor::audit::{Audit, Severity, audit};
use crate::command::doctor::mend::mend;
use memtrace_core::units::Bytes;
use memtrace_host::hostfs::fake::{self, FakeHost, FakeProcess};
use memtrace_host::privileges::Capability;
use memtrace_host::vmm::qmp::fake::{Device, Monitor, device};

/// A host that has swap, KSM and huge pages, and no VM.
fn host() -> FakeHost {
    let host = FakeHost::unified();
    host.file(
        "proc/meminfo",
        "MemTotal: 16777216 kB\nMemFree: 1 kB\nMemAvailable: 1 kB\n\
               Buffers: 1 kB\nCached: 1 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\nShmem: 0 kB\n\
               SwapCached: 0 kB\nHugetlb: 0 kB\n",
    );
    host.file("proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 1048576 0 -2\n");
    host.file("sys/devices/sda/queue/rotational", "1\n");
    host.file("sys/devices/sda/sda2/partition", "2\n");
    host.link("sys/class/block/sda2", "../../devices/sda/sda2");
    host.file("sys/kernel/mm/ksm/run", "1\n");
    host.file("sys/kernel/mm/ksm/pages_sharing", "256\n");
    host.file("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    host.file("sys/kernel/mm/transparent_hugepage/defrag", "always [madvise] never\n");
    host
}

const UUID: &str = "5c1ae5d5-7b2e-4b6e-9f31-4ab8a6a9a111";

/// A QEMU of 512 MiB with a process id of its own, in a cgroup with a limit.
fn vm(host: &FakeHost, pid: u32, more: &[&str]) {
    let mut arguments = vec!["qemu-system-x86_64", "-name", "guest=web", "-m", "512"];
    arguments.extend(["-accel", "tcg"]);
    arguments.extend(more);
    host.process(&FakeProcess {
        pid,
        comm: "qemu-system-x86",
        program: "/usr/bin/qemu-system-x86_64",
        arguments: &arguments,
        threads: 3,
        cgroup: "0::/web\n",
        ..FakeProcess::default()
    });
    // Its monitor's socket belongs to whoever runs this test.
    let user = rustix::process::getuid().as_raw();
    let memory = "VmRSS: 501760 kB\nVmSwap: 1024 kB\nVmLck: 0 kB\nHugetlbPages: 0 kB\n\
                  Mems_allowed_list:\t0\n";
    host.file(&format!("proc/{pid}/status"), &format!("Uid:\t{user}\n{memory}"));
    host.file("sys/fs/cgroup/web/memory.current", "1\n");
    host.file("sys/fs/cgroup/web/memory.max", "268435456\n");
    host.file("sys/fs/cgroup/web/memory.high", "max\n");
}

/// The same with a monitor that answers, in this process.
fn monitored(host: &FakeHost, devices: Device) -> Monitor {
    let monitor = Monitor::serial(device(devices));
    let socket = format!("unix:{},server=on,wait=off", monitor.target().path);
    vm(host, std::process::id(), &["-uuid", UUID, "-qmp", &socket]);
    monitor
}

fn gathered(host: &FakeHost) -> Gathered {
    gather(&host.root(), &Ok(Vec::new()), true, None).expect("it is a host")
}

fn only(gathered: &Gathered) -> &VmFacts {
    let [vm] = &gathered.facts.vms[..] else { panic!("{:?}", gathered.facts.vms) };
    vm
}

fn severity(audit: &Audit, check: &str) -> Option<Severity> {
    let found = audit.findings.iter().find(|finding| finding.check == check);
    found.map(|finding| finding.severity)
}

#[test]
fn a_whole_host_is_audited_and_what_is_safe_is_mended() {
    let host = host();
    let _monitor = monitored(&host, Device { free_page_reporting: false, ..Device::default() });
    let before = gathered(&host);
    assert_eq!(only(&before).size, Ok(Bytes(512 << 20)));
    let mut found = audit(&before.facts);
    for (check, expected) in [
        ("swap", None),
        ("swap_disk", Some(Severity::Warning)),
        ("ksm", Some(Severity::Note)),
        ("huge_pages", Some(Severity::Note)),
        ("balloon", None),
        ("statistics", Some(Severity::Warning)),
        ("free_page_reporting", Some(Severity::Note)),
        ("deflate_on_oom", Some(Severity::Warning)),
        ("vfio", None),
        ("bounds", Some(Severity::Note)),
        ("cgroup_limit", Some(Severity::Warning)),
    ] {
        assert_eq!(severity(&found, check), expected, "{check}: {found:?}");
    }
    mend(&mut found, &before.hypervisors, &[Capability::Bpf]);
    assert_eq!(found.hindrance, None, "all was mended that there was");
    let mended: Vec<_> = found.findings.iter().filter(|finding| !finding.stands()).collect();
    let [mended] = &mended[..] else { panic!("{mended:?}") };
    assert_eq!(mended.check, "statistics");
    // The stand-in's guest answered in 2023.
    let after = audit(&gathered(&host).facts);
    let statistics = after.findings.iter().find(|finding| finding.check == "statistics");
    let statistics = statistics.expect("it is stale");
    assert!(statistics.finding.starts_with("stale: polled every 2 s"), "{statistics:?}");
}

#[test]
fn looking_changes_nothing() {
    let host = host();
    let _monitor = monitored(&host, Device::default());
    for _ in 0..2 {
        let audit = audit(&gathered(&host).facts);
        let off = audit.findings.iter().any(|f| f.check == "statistics" && f.finding == "off");
        assert!(off, "{audit:?}");
    }
}

#[test]
fn a_vm_without_a_balloon_and_with_a_passed_through_device() {
    let host = host();
    let bare = Device { balloon: false, vfio: true, ..Device::default() };
    let _monitor = monitored(&host, bare);
    let found = audit(&gathered(&host).facts);
    assert_eq!(severity(&found, "balloon"), Some(Severity::Warning));
    assert_eq!(severity(&found, "vfio"), Some(Severity::Warning));
    assert_eq!(severity(&found, "statistics"), None);
}

#[test]
fn without_a_monitor_the_command_line_tells_what_it_can() {
    let host = host();
    vm(&host, 500, &["-device", "virtio-balloon-device,free-page-reporting=on"]);
    let gathered = gathered(&host);
    assert_eq!(only(&gathered).owner, Owner::None("QEMU has no QMP socket".to_owned()));
    let found = audit(&gathered.facts);
    assert_eq!(severity(&found, "monitor"), Some(Severity::Warning));
    assert_eq!(severity(&found, "free_page_reporting"), None);
    let off = found.findings.iter().find(|finding| finding.check == "deflate_on_oom");
    let cure = &off.expect("it is off").commands[0];
    assert!(cure.contains("-device virtio-balloon-device,deflate-on-oom=on"), "{cure}");
    assert_eq!(severity(&found, "statistics"), Some(Severity::Unknown));
    host.end(500);
    vm(&host, 501, &[]);
    let found = audit(&super::gather(&host.root(), &Ok(vec![]), true, None).unwrap().facts);
    assert_eq!(severity(&found, "balloon"), Some(Severity::Unknown), "one may have come later");
}

#[test]
fn a_socket_that_is_not_for_us_is_unknown_and_nothing_is_mended_by_who_lacks_privileges() {
    let host = host();
    let monitor = monitored(&host, Device::default());
    let gathered = gathered(&host);
    let mut found = audit(&gathered.facts);
    drop(monitor);
    mend(&mut found, &gathered.hypervisors, &[Capability::DacReadSearch]);
    let outcome = found.findings.iter().find_map(|finding| finding.outcome.clone());
    let outcome = outcome.expect("it was tried");
    assert!(!outcome.done && outcome.text.contains("No such file"), "{outcome:?}");
    let explained = "missing CAP_DAC_READ_SEARCH; run `sudo memtrace doctor --fix`";
    assert!(found.text(false).contains(explained), "{found:?}");
    // The monitor is gone: unknown whether there is something to fix.
    let gathered = super::gather(&host.root(), &Ok(vec![]), true, None).expect("it is a host");
    let mut found = audit(&gathered.facts);
    assert_eq!(severity(&found, "statistics"), Some(Severity::Unknown));
    mend(&mut found, &gathered.hypervisors, &[Capability::SysPtrace]);
    assert!(found.hindrance.is_some_and(|why| why.contains("CAP_SYS_PTRACE")));
}

#[test]
fn only_the_vm_on_the_command_line_is_queried() {
    let host = host();
    let _monitor = monitored(&host, Device::default());
    let other = "unix:/nowhere/other.qmp,server=on,wait=off";
    vm(&host, 500, &["-name", "other", "-qmp", other]);
    let of = |typed: &str| gather(&host.root(), &Ok(Vec::new()), true, Some(typed));
    for typed in ["web", UUID, &UUID.to_uppercase()] {
        let gathered = of(typed).expect("it is there");
        let [web, other] = ["web", "other"].map(|name| {
            gathered.facts.vms.iter().find(|vm| vm.name == name).expect("both are found")
        });
        assert_eq!(gathered.only, Some(web.id));
        assert!(web.balloon.as_ref().is_ok_and(Option::is_some), "{web:?}");
        assert_eq!(other.balloon, Err("not queried".to_owned()));
        assert_eq!(other.size, Ok(Bytes(512 << 20)), "its command line tells");
    }
    assert!(of("500").is_ok());
    let error = of("missing").expect_err("there is none").to_string();
    assert_eq!(error, "no VM \"missing\"; VMs: other, web");
    vm(&host, 501, &["-name", "other"]);
    let error = of("other").expect_err("there are two").to_string();
    assert!(error.starts_with("several VMs are named \"other\"; "), "{error}");
}

#[test]
fn nodes_are_those_that_are_allowed_and_bound() {
    const BACKEND: &str = "memory-backend-ram,id=m,size=512M,policy=bind";
    let nodes = |more: &[&str]| {
        let host = host();
        vm(&host, 50, more);
        let status = "Uid:\t0\nVmRSS: 1 kB\nMems_allowed_list:\t0-2\n";
        host.file("proc/50/status", status);
        only(&gathered(&host)).nodes.clone().map(Vec::from_iter)
    };
    assert_eq!(nodes(&[]), Ok(vec![0, 1, 2]));
    assert_eq!(nodes(&["-object", &format!("{BACKEND},host-nodes.0=2-3")]), Ok(vec![2]));
    let unclear = nodes(&["-object", &format!("{BACKEND},host-nodes=")]);
    assert!(unclear.expect_err("to none").contains("in an unknown form"));
    assert!(nodes(&["-readconfig", "/nowhere"]).expect_err("unread").contains("/nowhere"));
}

#[test]
fn a_configuration_with_mistakes_leaves_bounds_unknown() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("memtrace.toml");
    std::fs::write(&file, "[[vm]]\nname = \"web\"\nminimum = \"1 GiB\"\n").unwrap();
    let host = host();
    vm(&host, 500, &[]);
    let severity_with = |file: &Path| {
        let facts = gather(&host.root(), &settings(Some(file)), true, None).unwrap().facts;
        severity(&audit(&facts), "bounds")
    };
    assert_eq!(severity_with(&file), None);
    std::fs::write(&file, "[[vm]]\nnaem = \"web\"\n").unwrap();
    assert_eq!(severity_with(&file), Some(Severity::Unknown));
}

#[test]
fn programs_that_move_balloons_are_found_by_command() {
    let host = host();
    for (pid, comm, arguments) in [
        (10, "momd", &["python3", "/usr/sbin/momd"][..]),
        (11, "memtrace", &["memtrace", "top"]),
        (12, "memtrace", &["memtrace", "-v", "mitigate"]),
        (13, "sh", &["sh", "momd"]),
        (14, "ksmtuned", &["/bin/bash", "/usr/sbin/ksmtuned"]),
    ] {
        host.process(&FakeProcess { pid, comm, arguments, ..FakeProcess::default() });
    }
    let found = gathered(&host).facts.host.reactors.expect("processes are listed");
    let found: Vec<(ReactorKind, u32)> = found.iter().map(|r| (r.kind, r.pid)).collect();
    use ReactorKind::{Ksmtuned, Memtrace, Mom};
    assert_eq!(found, [(Mom, 10), (Memtrace, 12), (Ksmtuned, 14)]);
}

#[test]
fn an_empty_host_is_unknown_where_it_does_not_tell() {
    let host = FakeHost::new("");
    let facts = gathered(&host).facts;
    assert!(facts.host.memory.is_err() && facts.vms.is_empty());
    assert_eq!((facts.host.ksm, facts.host.huge_pages), (Ok(None), Ok(None)));
    host.file("sys/kernel/mm/ksm/run", "on\n");
    host.unreadable("proc/swaps");
    let facts = gathered(&host).facts;
    assert!(facts.host.ksm.is_err() && facts.host.swaps.is_err());
}

#[test]
fn vms_that_the_scan_left_out_are_told() {
    let host = host();
    let arguments = &["qemu-system-x86_64", "-accel", "tcg"];
    for pid in 100..357 {
        host.process(&FakeProcess { pid, user: 1000, arguments, ..fake::QEMU });
    }
    let gathered = gathered(&host);
    assert_eq!(gathered.facts.vms.len(), 256);
    assert!(gathered.facts.omissions[0].starts_with("user 1000 has more than 256 processes"));
    let missing = gather(&host.root(), &Ok(Vec::new()), true, Some("web")).unwrap_err();
    assert!(missing.to_string().contains("user 1000 has more than 256"), "{missing}");
}

#[test]
fn a_vm_is_given_as_its_platform_calls_it() {
    let host = host();
    vm(&host, 4001, &["-id", "2207", "-uuid", UUID]);
    host.file("etc/pve/qemu-server/2207.conf", "balloon: 128\nmemory: 512\nname: web\n");
    host.file("proc/4001/cgroup", "0::/qemu.slice/2207.scope\n");
    let typed = |typed| gather(&host.root(), &Ok(Vec::new()), true, Some(typed));
    assert!(typed("2207").is_ok_and(|gathered| gathered.only.is_some()));
    assert!(typed("2208").is_err());
    let gathered = typed("web").expect("it is called so");
    assert_eq!(only(&gathered).proxmox(), Some("2207"));
    let settings = only(&gathered).settings.as_ref().expect("they are known");
    assert_eq!(settings.minimum, Some(Bytes(128 << 20)));
    // Anybody may say so too.
    vm(&host, 4000, &["-id", "2207"]);
    for word in ["2207", "web", UUID] {
        let gathered = typed(word).expect("it is the one that Proxmox has put into its scope");
        assert_eq!(gathered.only, Some(VmId::Uuid(UUID.parse().unwrap())), "{word}");
        let told = &gathered.facts.disputes;
        assert!(told.iter().any(|text| text.contains("claims the number 2207")), "{told:?}");
    }
}

#[test]
fn no_command_is_given_for_a_domain_that_libvirt_was_not_asked_about() {
    let host = host();
    vm(&host, 4001, &["-uuid", UUID, "-chardev", "socket,id=charmonitor,fd=2,server=on"]);
    let gathered = gather(&host.root(), &Ok(Vec::new()), false, None).expect("it is a host");
    assert!(matches!(only(&gathered).owner, Owner::Elsewhere(_)), "{:?}", only(&gathered).owner);
    let found = audit(&gathered.facts);
    assert_eq!(severity(&found, "monitor"), Some(Severity::Note));
    let commands: Vec<&String> =
        found.findings.iter().flat_map(|finding| &finding.commands).collect();
    assert!(!commands.iter().any(|command| command.contains("virsh")), "{commands:?}");
}

#[test]
fn a_configuration_that_is_not_read_leaves_facts_unknown() {
    let host = host();
    vm(&host, 4001, &["-uuid", UUID, "-readconfig", "/nowhere/qemu.conf"]);
    let gathered = gathered(&host);
    let facts = only(&gathered);
    assert!(matches!(facts.owner, Owner::Unknown(_)), "{facts:?}");
    for unknown in [facts.size.as_ref().err(), facts.vfio.as_ref().err()] {
        assert!(unknown.is_some_and(|reason| reason.contains("/nowhere/qemu.conf")), "{facts:?}");
    }
    assert!(facts.encrypted.is_err());
    // Nothing says it twice.
    for finding in &audit(&gathered.facts).findings {
        let text = &finding.finding;
        assert!(text.matches("its configuration is in").count() <= 1, "{text}");
    }
}
