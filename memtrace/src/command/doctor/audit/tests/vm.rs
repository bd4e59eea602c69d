//! The checks of a VM.

use super::*;
use crate::command::doctor::audit::facts::Statistics;
use memtrace_core::sample::Platform;

/// The finding of `check` for a VM that `change` has modified.
fn of(check: &str, change: impl FnOnce(&mut VmFacts)) -> Option<Finding> {
    let mut vm = vm("web", 1);
    change(&mut vm);
    found(&facts(vec![vm]), check)
}

/// The same for its balloon.
fn of_balloon(check: &str, change: impl FnOnce(&mut Balloon)) -> Option<Finding> {
    of(check, |vm| {
        let mut changed = balloon();
        change(&mut changed);
        vm.balloon = Ok(Some(changed));
    })
}

fn of_statistics(period: u64, age: Option<u64>) -> Option<Finding> {
    let statistics = Statistics { period, age, live: None, empty: false };
    of_balloon("statistics", |balloon| balloon.statistics = Ok(statistics))
}

pub(super) fn no_socket() -> Owner {
    Owner::None("QEMU has no QMP socket".to_owned())
}

#[test]
fn a_vm_without_a_monitor_is_reported() {
    let silent = of("monitor", |vm| vm.owner = no_socket()).expect("a finding");
    assert_eq!(silent.severity, Severity::Warning);
    assert!(silent.commands[0].contains("-qmp unix:"), "{silent:?}");
    let port = "QEMU speaks QMP on a network port".to_owned();
    let port = of("monitor", |vm| vm.owner = Owner::None(port)).expect("a finding");
    assert!(port.finding.contains("network port"), "{port:?}");
    let other = Owner::Other("firecracker".to_owned());
    let other = of("monitor", |vm| vm.owner = other).expect("it is told");
    assert_eq!(other.severity, Severity::Note);
    assert_eq!(of("monitor", |vm| vm.owner = Owner::Qmp("/q".to_owned())), None);
}

#[test]
fn a_process_that_keeps_more_than_its_vms_size_is_reported() {
    let check = |rss, swap| {
        of("process_size", |vm| {
            let memory = Memory { rss, anon: None, swap, locked: Bytes(0), huge: Bytes(0) };
            vm.memory = Ok(memory);
        })
    };
    assert_eq!(check(Bytes(4 * GIB + 200 * MIB), Bytes(200 * MIB)), None);
    let finding = check(Bytes(5 * GIB), Bytes(GIB)).expect("it is told");
    assert_eq!(finding.severity, Severity::Warning);
    assert!(finding.finding.contains("6.0G, for a VM of 4.0G"), "{finding:?}");
}

#[test]
fn for_a_vm_without_a_balloon_only_that_is_reported() {
    let none = |vm: &mut VmFacts| vm.balloon = Ok(None);
    let finding = of("balloon", none).expect("it has none");
    assert_eq!(finding.severity, Severity::Warning);
    assert!(finding.commands[0].starts_with("virsh edit 00000000-0000-"), "{finding:?}");
    for check in ["statistics", "free_page_reporting", "deflate_on_oom"] {
        assert_eq!(of(check, none), None, "{check}");
    }
    let by_hand = of("balloon", |vm| {
        vm.balloon = Ok(None);
        vm.owner = Owner::Qmp("/q".to_owned());
    });
    assert!(by_hand.expect("it has none").commands[0].contains("-device virtio-balloon-pci"));
}

#[test]
fn statistics_are_off_unanswered_stale_or_slow() {
    let off = of_statistics(0, Some(1)).expect("polling is off");
    assert_eq!((off.severity, off.finding.as_str()), (Severity::Warning, "off"));
    assert_eq!(off.fix, Some(Fix::SwitchStatisticsOn));
    assert!(off.commands[0].ends_with("--period 2 --live"), "{off:?}");
    for (period, age, word) in
        [(2, None, "no answer so far"), (2, Some(11), "stale"), (60, Some(181), "stale")]
    {
        let finding = of_statistics(period, age).expect("it is told");
        assert_eq!((finding.severity, finding.fix), (Severity::Warning, None), "{finding:?}");
        assert!(finding.finding.contains(word), "{finding:?}");
    }
    for (period, age) in [(60, 59), (10, 9), (6, 1)] {
        let slow = of_statistics(period, Some(age)).expect("slow");
        assert_eq!((slow.severity, slow.fix), (Severity::Note, Some(Fix::SwitchStatisticsOn)));
    }
    for (period, age) in [(1, 10), (2, 0), (5, 15)] {
        assert_eq!(of_statistics(period, Some(age)), None, "{period} {age}");
    }
    let long = of_statistics(2, Some(43_768_921)).expect("it is told").finding;
    assert!(long.ends_with("last answer 506.6 days ago"), "{long}");
    let far = of_statistics(u64::MAX, Some(5)).expect("it is told");
    assert_eq!(far.severity, Severity::Note, "no multiplication overflows");
}

#[test]
fn commands_for_a_monitor_use_its_syntax_and_are_quoted() {
    let finding = of("statistics", |vm| {
        vm.owner = Owner::Qmp("/run/$(reboot).qmp".to_owned());
        let statistics = Ok(Statistics { period: 0, age: None, live: None, empty: false });
        vm.balloon = Ok(Some(Balloon { statistics, ..balloon() }));
    });
    let [command] = &finding.expect("it is off").commands[..] else { panic!("one command") };
    assert!(command.contains(r#""path":"/machine/peripheral/balloon0""#), "{command}");
    assert!(command.ends_with("'UNIX-CONNECT:/run/$(reboot).qmp'"), "{command}");
}

#[test]
fn free_page_reporting_matters_more_the_more_is_dead() {
    let check = |live: Option<u64>| {
        of_balloon("free_page_reporting", |balloon| {
            balloon.free_page_reporting = Ok(false);
            let live = live.map(Bytes);
            balloon.statistics = Ok(Statistics { period: 2, age: Some(1), live, empty: false });
        })
        .expect("it is off")
    };
    // The host keeps 2 GiB for it, of 4 GiB.
    let much = check(Some(GIB));
    assert_eq!(
        (much.severity, much.finding.as_str()),
        (Severity::Warning, "off; about 1.0G are unused, including qemu's own")
    );
    let little = check(Some(2 * GIB - MIB));
    assert_eq!(little.severity, Severity::Note);
    assert_eq!(check(None).finding, "off", "unknown is not zero, and not told as such");
    assert_eq!(check(Some(3 * GIB)).finding, "off");
    for (period, age) in [(0, Some(1)), (2, None), (2, Some(11))] {
        let old = of_balloon("free_page_reporting", |balloon| {
            balloon.free_page_reporting = Ok(false);
            balloon.statistics =
                Ok(Statistics { period, age, live: Some(Bytes(GIB)), empty: false });
        });
        let old = old.expect("it is off");
        assert_eq!(
            (old.severity, old.finding.as_str()),
            (Severity::Note, "off"),
            "of another time"
        );
    }
    let small = of("free_page_reporting", |vm| {
        vm.size = Ok(Bytes(192 * MIB));
        let (rss, live) = (Bytes(220 * MIB), Some(Bytes(30 * MIB)));
        vm.memory =
            Ok(Memory { rss, anon: None, swap: Bytes(0), locked: Bytes(0), huge: Bytes(0) });
        let statistics = Ok(Statistics { period: 2, age: Some(1), live, empty: false });
        let free_page_reporting = Ok(false);
        vm.balloon = Ok(Some(Balloon { statistics, free_page_reporting, ..balloon() }));
    });
    assert_eq!(small.expect("it is off").severity, Severity::Note, "qemu itself may be that");
    assert_eq!(of_balloon("free_page_reporting", |_| {}), None);
}

#[test]
fn deflating_matters_while_the_balloon_holds_something() {
    let check = |actual: Known<Bytes>| {
        of_balloon("deflate_on_oom", |balloon| {
            balloon.deflate_on_oom = Ok(false);
            balloon.actual = actual;
        })
        .expect("it is off")
    };
    let inflated = check(Ok(Bytes(3 * GIB)));
    assert_eq!(inflated.severity, Severity::Warning);
    assert_eq!(inflated.finding, "off, while the balloon holds 1.0G");
    assert_eq!(check(Ok(Bytes(4 * GIB))).severity, Severity::Note);
    assert_eq!(check(nothing_known()).severity, Severity::Note);
    assert_eq!(of_balloon("deflate_on_oom", |_| {}), None);
}

#[test]
fn pinned_memory_is_reported_once() {
    let memory = |locked, huge| {
        let (rss, swap) = (Bytes(GIB), Bytes(0));
        Ok(Memory { rss, anon: None, swap, locked: Bytes(locked), huge: Bytes(huge) })
    };
    let locked = of("pinned", |vm| vm.memory = memory(GIB, 0)).expect("it is locked");
    assert!(locked.finding.contains("locked") && locked.commands[0].contains("<locked/>"));
    let huge = of("pinned", |vm| vm.memory = memory(0, GIB)).expect("it is huge");
    assert!(huge.finding.contains("hugetlb pages"), "{huge:?}");
    assert_eq!(of("pinned", |vm| vm.memory = memory(GIB / 8, 0)), None, "a key store, no guest");
    let passed = |vm: &mut VmFacts| {
        vm.memory = memory(GIB, 0);
        vm.vfio = Ok(true);
    };
    assert_eq!(of("pinned", passed), None, "VFIO's pages count as locked");
    let finding = of("vfio", passed).expect("it has one");
    assert!(finding.commands[0].contains("exclude = true"), "{finding:?}");
    assert_eq!(of("vfio", |_| {}), None);
    let excluded = |vm: &mut VmFacts| {
        vm.vfio = Ok(true);
        vm.memory = memory(0, GIB);
        vm.settings = Ok(VmSettings { exclude: Some(true), ..VmSettings::default() });
    };
    for check in ["vfio", "pinned", "bounds"] {
        assert_eq!(of(check, excluded), None, "{check}: the operator has seen to it");
    }
}

#[test]
fn bounds_are_the_operators_word() {
    let check = |settings: VmSettings| of("bounds", |vm| vm.settings = Ok(settings));
    let finding = check(VmSettings::default()).expect("there are none");
    assert_eq!(finding.severity, Severity::Note);
    assert!(finding.commands[0].contains("'minimum = \"2048 MiB\"'"), "{finding:?}");
    assert!(finding.commands[1].starts_with("virsh metadata "), "{finding:?}");
    for settings in [
        VmSettings { minimum: Some(Bytes(1)), ..VmSettings::default() },
        VmSettings { exclude: Some(true), ..VmSettings::default() },
        VmSettings { weight: Some(0), ..VmSettings::default() },
    ] {
        assert_eq!(check(settings), None, "{settings:?}");
    }
    assert!(check(VmSettings { maximum: Some(Bytes(1)), ..VmSettings::default() }).is_some());
}

#[test]
fn a_name_is_never_more_than_a_name() {
    let finding = of("bounds", |vm| {
        vm.id = VmId::Process { pid: 5, start: 6 };
        vm.owner = Owner::Qmp("/q".to_owned());
        vm.name = "a'; \"reboot\"\n[policy]".to_owned();
        vm.settings = Ok(VmSettings::default());
    });
    let [command] = &finding.expect("there are none").commands[..] else { panic!("one command") };
    let safe = r#"'name = "a'\''; \"reboot\"\n[policy]"'"#;
    let other = r#"'name = '\''''a'\''"#;
    assert!(command.contains(safe) || command.contains(other), "{command}");
    assert!(!command.contains('\n'), "{command}");
}

#[test]
fn a_generated_name_is_not_configured() {
    let finding = of("bounds", |vm| {
        vm.id = VmId::Process { pid: 4242, start: 6 };
        vm.name = "qemu-system-x86-4242".to_owned();
        vm.settings = Ok(VmSettings::default());
    });
    let commands = finding.expect("there are none").commands;
    assert!(commands[0].starts_with("# at the next start add -name"), "{commands:?}");
}

#[test]
fn nothing_is_advised_for_a_domain_that_this_host_does_not_have() {
    let mut pod = vm("shop_vm-cart", 1);
    pod.owner = Owner::Elsewhere("its libvirt is in a container".to_owned());
    pod.balloon = Err("not asked".to_owned());
    pod.settings = Ok(VmSettings::default());
    let path = "/kubepods.slice/kubepods-pod1.slice/a.scope";
    let levels = vec![level(path, Limit::At(Bytes(GIB)))];
    pod.cgroup = Ok(Some(Cgroup { path: path.to_owned(), levels, version: 2 }));
    let findings = audit(&facts(vec![pod])).findings;
    let commands: Vec<&String> = findings.iter().flat_map(|one| &one.commands).collect();
    assert!(commands.iter().all(|command| !command.contains("virsh")), "{commands:?}");
    assert!(commands.iter().any(|command| command.starts_with("# Kubernetes sets it")));
    let monitor = findings.iter().find(|finding| finding.check == "monitor").expect("a finding");
    assert_eq!(monitor.finding, "its libvirt is in a container");
}

#[test]
fn no_bounds_are_advised_for_a_vm_that_memtrace_cannot_shrink() {
    let elsewhere = Owner::Elsewhere("its libvirt is in a container".to_owned());
    for owner in [elsewhere, no_socket(), Owner::Other("firecracker".to_owned())] {
        let finding = of("bounds", |vm| {
            vm.settings = Ok(VmSettings::default());
            vm.owner = owner.clone();
        });
        assert_eq!(finding, None, "{owner:?}");
    }
    let pins: [fn(&mut VmFacts); 5] = [
        |vm| vm.encrypted = Ok(true),
        |vm| vm.vfio = Ok(true),
        |vm| vm.balloon = Ok(None),
        |vm| vm.memory.as_mut().expect("it is known").huge = Bytes(8 << 30),
        |vm| vm.memory.as_mut().expect("it is known").locked = Bytes(8 << 30),
    ];
    for pin in pins {
        let finding = of("bounds", |vm| {
            vm.settings = Ok(VmSettings::default());
            pin(vm);
        });
        assert_eq!(finding, None);
    }
}

#[test]
fn incus_and_lxd_have_commands_of_their_own() {
    for (platform, name, edit) in [
        (Platform::Incus, "depot", "incus config edit --project default depot"),
        (Platform::Lxd, "shop_web", "lxc config edit --project shop web"),
    ] {
        let finding = of("deflate_on_oom", |vm| {
            vm.owner = Owner::Qmp("/q".to_owned());
            vm.labels.platform = Some(platform);
            vm.name = name.to_owned();
            vm.balloon = Ok(Some(Balloon { deflate_on_oom: Ok(false), ..balloon() }));
        });
        let change = "raw.qemu.conf: deflate-on-oom=on in [device \"qemu_balloon\"]; takes effect \
                      at the next start";
        assert_eq!(finding.expect("it is off").commands, [format!("{edit}   # {change}")]);
    }
}

#[test]
fn each_platform_has_its_own_way_to_a_monitor() {
    let commands = |platform, id: Option<&str>, name: &str, owner: Owner| {
        let finding = of("monitor", |vm| {
            vm.owner = owner;
            vm.labels.platform = platform;
            vm.labels.id = id.map(str::to_owned);
            vm.name = name.to_owned();
            vm.balloon = Err("QMP: no greeting within 2 s".to_owned());
        });
        finding.expect("a finding").commands
    };
    let proxmox = commands(Some(Platform::Proxmox), Some("2207"), "billing", no_socket());
    let expected = "qm set 2207 --args '-qmp unix:/run/2207.qmp,server=on,wait=off'   # takes effect \
                    at the next start, added to the args that it has";
    assert_eq!(proxmox, [expected]);
    let held = || Owner::Qmp("/run/incus/depot/qemu.monitor".to_owned());
    let expected = "incus config set --project default depot raw.qemu='-qmp \
                    unix:/run/incus/depot/memtrace.qmp,server=on,wait=off'   # takes effect at the \
                    next start, added to the raw.qemu that it has";
    assert_eq!(commands(Some(Platform::Incus), None, "depot", held()), [expected]);
    let kubevirt = commands(Some(Platform::Kubevirt), None, "shop_web", no_socket());
    assert!(kubevirt.is_empty(), "{kubevirt:?}");
    assert_eq!(
        commands(None, None, "web", no_socket()),
        ["# at the next start add: -qmp unix:/run/NAME.qmp,server=on,wait=off"]
    );
}

#[test]
fn domains_that_a_platform_writes_are_said_to_be_so() {
    let of = |platform| {
        let finding = of("deflate_on_oom", |vm| {
            vm.labels.platform = Some(platform);
            vm.balloon = Ok(Some(Balloon { deflate_on_oom: Ok(false), ..balloon() }));
        });
        finding.expect("it is off").commands.concat()
    };
    assert!(of(Platform::Nova).ends_with("next start, until nova writes the domain anew"));
    assert!(of(Platform::Ovirt).contains("a hook of VDSM (before_vm_start)"));
    let finding = of_balloon("statistics", |balloon| {
        balloon.statistics = Ok(Statistics { period: 0, age: None, live: None, empty: false });
    });
    assert!(!finding.expect("it is off").commands[0].contains("nova.conf"));
}

#[test]
fn a_balloon_is_advised_as_the_machine_takes_it_and_micro_vms_by_their_program() {
    let bare = of("balloon", |vm| {
        vm.balloon = Ok(None);
        vm.owner = Owner::Qmp("/q".to_owned());
        vm.balloon_driver = BalloonDriver::Mmio;
    });
    let command = &bare.expect("it has none").commands[0];
    assert!(command.contains("-device virtio-balloon-device,"), "{command}");
    let pinned = of("vfio", |vm| {
        vm.owner = Owner::Other("firecracker".to_owned());
        vm.vfio = Ok(true);
        (vm.id, vm.name) = (VmId::Process { pid: 2512, start: 1 }, "firecracker-2512".to_owned());
    });
    let command = &pinned.expect("it is told").commands[0];
    assert!(command.contains(r#"'match = "^firecracker\\-[0-9]+$"'"#), "{command}");
}

#[test]
fn kubevirt_has_commands_of_its_own() {
    let mut pod = vm("shop_vm-$(cart)", 1);
    pod.owner = Owner::Elsewhere("its libvirt is in a container".to_owned());
    pod.labels.platform = Some(Platform::Kubevirt);
    pod.labels.name = Some("The cart".to_owned());
    pod.balloon = Ok(None);
    let path = "/kubepods.slice/kubepods-pod1.slice/a.scope";
    let levels = vec![level(path, Limit::At(Bytes(GIB)))];
    pod.cgroup = Ok(Some(Cgroup { path: path.to_owned(), levels, version: 2 }));
    let findings = audit(&facts(vec![pod])).findings;
    let of = |check| {
        let finding = findings.iter().find(|finding| finding.check == check).expect("a finding");
        finding.commands.clone()
    };
    let edit = "kubectl edit vm -n shop 'vm-$(cart)'   # ";
    assert_eq!(
        of("balloon"),
        [format!(
            "{edit}autoattachMemBalloon: true in spec.template.spec.domain.devices; takes effect at the next start"
        )]
    );
    assert_eq!(
        of("cgroup_limit"),
        [format!(
            "{edit}raise limits.memory in spec.template.spec.domain.resources, or leave it out; takes effect at \
             the next start"
        )]
    );
}

#[test]
fn proxmox_has_commands_of_its_own() {
    let mut billing = vm("billing", 1);
    billing.owner = Owner::Qmp("/q".to_owned());
    billing.labels.platform = Some(Platform::Proxmox);
    billing.labels.id = Some("2207".to_owned());
    billing.settings = Ok(VmSettings::default());
    billing.balloon = Ok(None);
    let bare = audit(&facts(vec![billing.clone()])).findings;
    billing.balloon = Ok(Some(Balloon { deflate_on_oom: Ok(false), ..balloon() }));
    let mut facts = facts(vec![billing]);
    let pvestatd = Reactor { kind: ReactorKind::Pvestatd, pid: 9 };
    let memtrace = Reactor { kind: ReactorKind::Memtrace, pid: 8 };
    facts.host.reactors = Ok(vec![pvestatd, memtrace]);
    let findings = [bare, audit(&facts).findings].concat();
    let commands: Vec<&str> =
        findings.iter().flat_map(|one| &one.commands).map(String::as_str).collect();
    for command in [
        "qm set 2207 --balloon 2048",
        "qm set 2207 --balloon 2048   # takes effect at the next start",
        "qm set 2207 --args '-global virtio-balloon-pci.deflate-on-oom=on'   # takes effect at the \
         next start, added to the args that it has",
        "qm set 2207 --shares 0",
        "mkdir -p /etc/memtrace/memtrace.d && printf '%s\\n' '[[vm]]' 'uuid = \
         \"00000000-0000-0000-0000-000000000001\"' 'weight = 1000' \
         >>/etc/memtrace/memtrace.d/vms.toml",
    ] {
        assert!(commands.contains(&command), "{command}: {commands:#?}");
    }
}

#[test]
fn an_encrypted_guest_is_pinned_and_gets_no_advice_for_its_balloon() {
    let mut vault = vm("vault", 1);
    vault.encrypted = Ok(true);
    vault.balloon = Ok(Some(Balloon {
        deflate_on_oom: Ok(false),
        free_page_reporting: Ok(false),
        ..balloon()
    }));
    let findings = audit(&facts(vec![vault])).findings;
    let checks: Vec<&str> = findings.iter().map(|finding| finding.check).collect();
    assert_eq!(checks, ["pinned"]);
    assert!(findings[0].consequence.contains("no balloon frees any of it"), "{findings:?}");
}

#[test]
fn processes_that_say_the_same_are_reported() {
    let mut facts = facts(vec![vm("web", 1)]);
    facts.disputes = vec!["processes 50 and 51 both have the UUID 1".to_owned()];
    let findings = audit(&facts).findings;
    assert_eq!((findings[0].check, findings[0].severity), ("identity", Severity::Warning));
}

#[test]
fn vms_that_a_scan_left_out_are_unknown() {
    let mut facts = facts(vec![vm("web", 1)]);
    facts.omissions = vec!["4 processes not looked at yet".to_owned()];
    let findings = audit(&facts).findings;
    assert_eq!((findings[0].check, findings[0].severity), ("discovery", Severity::Unknown));
    assert_eq!(findings[0].finding, facts.omissions[0]);
}

#[test]
fn a_monitor_that_may_be_in_a_file_is_unknown() {
    let mut depot = vm("depot", 1);
    depot.owner = Owner::Unknown("its configuration is in /q.conf: gone".to_owned());
    let findings = audit(&facts(vec![depot])).findings;
    let monitor = findings.iter().find(|finding| finding.check == "monitor").expect("a finding");
    assert_eq!((monitor.severity, monitor.commands.len()), (Severity::Unknown, 0));
}

#[test]
fn statistics_that_tell_nothing_lack_windows_service() {
    let statistics = Statistics { period: 2, age: Some(300), live: None, empty: true };
    let found = of_balloon("statistics", |balloon| balloon.statistics = Ok(statistics));
    assert!(found.expect("a finding").consequence.contains("blnsvr.exe -i"));
}
