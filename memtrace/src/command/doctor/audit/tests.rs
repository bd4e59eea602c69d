//! Each check: with a problem, without one, and with unknown facts.

mod cgroup;
mod host;
mod numa;
mod swap;
mod vm;

use uuid::Uuid;

use super::facts::*;
use super::*;
use memtrace_core::settings::VmSettings;
use memtrace_core::units::{Bytes, Limit};

pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;

/// A VM without problems.
pub(super) fn vm(name: &str, number: u128) -> VmFacts {
    VmFacts {
        id: VmId::Uuid(Uuid::from_u128(number)),
        name: name.to_owned(),
        pid: 4000 + u32::try_from(number).unwrap(),
        owner: Owner::Libvirt,
        labels: Default::default(),
        size: Ok(Bytes(4 * GIB)),
        balloon: Ok(Some(balloon())),
        balloon_driver: BalloonDriver::Pci,
        vfio: Ok(false),
        encrypted: Ok(false),
        memory: Ok(Memory {
            rss: Bytes(2 * GIB),
            anon: Some(Bytes(2 * GIB)),
            swap: Bytes(0),
            locked: Bytes(MIB),
            huge: Bytes(0),
        }),
        nodes: Ok([0].into()),
        cpuset: Ok([0, 1].into()),
        settings: Ok(VmSettings { minimum: Some(Bytes(GIB)), ..VmSettings::default() }),
        cgroup: Ok(Some(cgroup(name, Limit::Unlimited))),
    }
}

pub(super) fn balloon() -> Balloon {
    Balloon {
        path: Some("/machine/peripheral/balloon0".to_owned()),
        driver: BalloonDriver::Pci,
        deflate_on_oom: Ok(true),
        free_page_reporting: Ok(true),
        actual: Ok(Bytes(4 * GIB)),
        statistics: Ok(Statistics {
            period: 2,
            age: Some(1),
            live: Some(Bytes(GIB)),
            empty: false,
        }),
    }
}

pub(super) fn cgroup(name: &str, limit: Limit) -> Cgroup {
    let path = format!("/machine/{name}");
    Cgroup { levels: vec![level(&path, limit)], path, version: 2 }
}

pub(super) fn level(path: &str, hard: Limit) -> Level {
    let directory = format!("/sys/fs/cgroup{path}").into();
    let (high, swap, both) = (Limit::Unlimited, Limit::Unlimited, Limit::Unlimited);
    Level { path: path.to_owned(), directory, hard, high, swap, both, anon: Some(Bytes(0)) }
}

/// A host without problems, and these VMs.
pub(super) fn facts(vms: Vec<VmFacts>) -> Facts {
    let swap = Swap {
        path: "/dev/nvme0n1p2".to_owned(),
        priority: -2,
        free: Bytes(16 * GIB),
        rotational: Ok(false),
        backing: Ok(Backing::Disk),
    };
    Facts {
        host: HostFacts {
            memory: Ok(Bytes(16 * GIB)),
            swaps: Ok(vec![swap]),
            ksm: Ok(Some(Ksm { run: 0, saved: Bytes(0) })),
            huge_pages: Ok(Some(HugePages {
                enabled: "madvise".to_owned(),
                defrag: "defer".to_owned(),
                fills: Some(0),
            })),
            reactors: Ok(vec![Reactor { kind: ReactorKind::Memtrace, pid: 7 }]),
            swap_file_system: Ok("ext4".to_owned()),
            nodes: Ok(vec![Node { number: 0, total: Bytes(16 * GIB), available: Bytes(GIB) }]),
            arc: Ok(Bytes(0)),
            zone_reclaim_mode: Ok(0),
        },
        vms,
        unseen: 0,
        disputes: Vec::new(),
        omissions: Vec::new(),
    }
}

pub(super) const REASON: &str = "the disk is on fire";

pub(super) fn nothing_known<T>() -> Known<T> {
    Err(REASON.to_owned())
}

/// The finding of `check`, if any.
pub(super) fn found(facts: &Facts, check: &str) -> Option<Finding> {
    assert!(NAMES.contains(&check), "{check} is no check");
    audit(facts).findings.into_iter().find(|finding| finding.check == check)
}

/// A few VMs with most of the possible problems.
fn ailing() -> Facts {
    let silent = Balloon {
        statistics: Ok(Statistics { period: 0, age: None, live: None, empty: false }),
        deflate_on_oom: Ok(false),
        free_page_reporting: Ok(false),
        actual: Ok(Bytes(3 * GIB)),
        ..balloon()
    };
    let web = VmFacts {
        balloon: Ok(Some(silent)),
        settings: Ok(VmSettings::default()),
        cgroup: Ok(Some(cgroup("web", Limit::At(Bytes(2 * GIB))))),
        ..vm("web", 1)
    };
    let odd = VmFacts {
        id: VmId::Process { pid: 4002, start: 9 },
        owner: Owner::Qmp("/run/my vm.qmp".to_owned()),
        balloon: Ok(None),
        vfio: Ok(true),
        ..vm("it's $(odd)\x1b[2J", 2)
    };
    let hung = VmFacts {
        owner: Owner::Qmp("/run/hung.qmp".to_owned()),
        size: Err("QMP: no greeting within 2 s".to_owned()),
        balloon: Err("QMP: no greeting within 2 s".to_owned()),
        ..vm("hung", 3)
    };
    let mut facts = facts(vec![web, odd, hung, vm("well", 4)]);
    facts.host.swaps = Ok(vec![]);
    facts.host.memory = Ok(Bytes(8 * GIB));
    facts.host.ksm = Ok(Some(Ksm { run: 1, saved: Bytes(300 * MIB) }));
    facts.host.reactors = Ok(vec![
        Reactor { kind: ReactorKind::Mom, pid: 30 },
        Reactor { kind: ReactorKind::Memtrace, pid: 31 },
        Reactor { kind: ReactorKind::Ksmtuned, pid: 32 },
    ]);
    facts.host.huge_pages = nothing_known();
    facts
}

#[test]
fn without_problems_there_are_no_findings() {
    let audit = audit(&facts(vec![vm("web", 1), vm("db", 2)]));
    assert_eq!((audit.findings.as_slice(), audit.worst()), (&[][..], None));
    insta::assert_snapshot!(audit.text(false), @"audit of 2 VMs: no problems found");
}

#[test]
fn the_text_has_finding_consequence_and_fix() {
    insta::assert_snapshot!(audit(&ailing()).text(false));
}

#[test]
fn the_document_says_the_same() {
    let mut audit = audit(&ailing());
    audit.findings.retain(|finding| {
        finding.vm.is_none() || finding.severity == Severity::Unknown || finding.fix.is_some()
    });
    insta::assert_snapshot!(serde_json::to_string_pretty(&audit).unwrap());
}

#[test]
fn the_audit_of_one_vm_ends_with_the_outcomes() {
    let facts = ailing();
    let mut of_web = audit(&facts).of(facts.vms[0].id);
    assert!(of_web.findings.iter().all(|finding| finding.vm.as_ref().unwrap().name == "web"));
    assert_eq!(of_web.worst(), Some(Severity::Critical));
    for finding in &mut of_web.findings {
        let done = finding.fix.is_some();
        finding.outcome = Some(FixOutcome { done, text: "so it was".to_owned() });
    }
    let text = of_web.text(false);
    assert!(text.contains("  done: so it was") && text.contains("not done: so it was"), "{text}");
    of_web.findings.retain(|finding| finding.fix.is_some());
    assert_eq!(of_web.worst(), None);
    assert_eq!(audit(&facts).of(facts.vms[3].id).findings, []);
}

#[test]
fn colours_are_for_who_wants_them_and_others_text_has_none() {
    let audit = audit(&ailing());
    assert!(!audit.text(false).contains('\x1b'));
    let colored = audit.text(true);
    assert!(colored.contains("\x1b[31mcritical") && !colored.contains("\x1b[2J"), "{colored}");
}

#[test]
fn every_check_says_unknown_with_the_reason_when_nothing_is_known() {
    let host = HostFacts {
        memory: nothing_known(),
        swaps: nothing_known(),
        ksm: nothing_known(),
        huge_pages: nothing_known(),
        reactors: nothing_known(),
        swap_file_system: nothing_known(),
        nodes: nothing_known(),
        arc: nothing_known(),
        zone_reclaim_mode: nothing_known(),
    };
    let blank = VmFacts {
        size: nothing_known(),
        balloon: nothing_known(),
        vfio: nothing_known(),
        memory: nothing_known(),
        nodes: nothing_known(),
        cpuset: nothing_known(),
        settings: nothing_known(),
        cgroup: nothing_known(),
        ..vm("web", 1)
    };
    let omissions = vec![REASON.to_owned()];
    let facts = Facts { host, vms: vec![blank], unseen: 3, disputes: Vec::new(), omissions };
    let findings = audit(&facts).findings;
    let unknown: Vec<&str> = findings.iter().map(|finding| finding.check).collect();
    let is_known = |name: &&str| matches!(*name, "monitor" | "identity");
    let expected: Vec<&str> = NAMES.into_iter().filter(|name| !is_known(name)).collect();
    assert_eq!(unknown, expected, "who a VM is, and who answers for it, is known");
    for finding in &findings {
        assert_eq!((finding.severity, finding.finding.as_str()), (Severity::Unknown, REASON));
        assert!(finding.commands.is_empty() && finding.fix.is_none(), "{finding:?}");
    }
    let text = audit(&facts).text(false);
    // However the lines are broken.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("3 processes can't be inspected"), "{text}");
    assert_eq!(text.matches(REASON).count(), 2, "one line each for host and VM: {text}");
}
