//! Command lines and files of each platform, made up in their shape.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::hostfs::fake::{self, FakeHost, FakeProcess};
use crate::vmm::discover::Discovery;
use memtrace_core::units::{Bytes, Nanos};

const QEMU: FakeProcess<'static> = FakeProcess { fds: &["anon_inode:kvm-vm"], ..fake::QEMU };

/// What the VM of this host is called.
fn named(host: &FakeHost) -> NamedVm {
    let mut discovery = Discovery::default();
    discovery.scan(&host.root(), Nanos(0)).unwrap();
    let vm = discovery.vms().next().expect("it is a VM");
    let mut naming = Naming::default();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let known = naming.update(&host.root(), vm, Nanos(0)).clone();
        if naming.is_settled() {
            return known;
        }
        assert!(Instant::now() < deadline, "its file is not read");
        thread::yield_now();
    }
}

fn of(process: &FakeProcess<'_>) -> NamedVm {
    let host = FakeHost::unified();
    host.process(process);
    named(&host)
}

fn handle(process: &FakeProcess<'_>) -> Option<String> {
    of(process).labels.handle()
}

const PROXMOX: &[&str] = &["/usr/bin/kvm", "-id", "2207", "-name", "billing,debug-threads=on"];
const SCOPE: &str = "0::/qemu.slice/2207.scope\n";
const CONF: &str = "# a note: name: other\nballoon: 1024\ncores: 2\nmemory: 6144\nname: billing\n\
                    shares: 500\ntags: prod;db\n\n[before-upgrade]\nballoon: 4096\nshares: 9\n";

#[test]
fn proxmox_has_a_number_and_a_file() {
    let host = FakeHost::unified();
    host.process(&FakeProcess { arguments: PROXMOX, cgroup: SCOPE, ..QEMU });
    host.file("etc/pve/qemu-server/2207.conf", CONF);
    let vm = named(&host);
    assert_eq!(vm.labels.platform, Some(Platform::Proxmox));
    assert!(vm.labels.answers_to("2207") && vm.labels.answers_to("billing"));
    let more = BTreeMap::from([("tags".to_owned(), "prod;db".to_owned())]);
    assert_eq!(vm.labels.more, more);
    assert_eq!(vm.settings.minimum, Some(Bytes(1 << 30)));
    assert_eq!(vm.settings.weight, Some(500));
}

#[test]
fn proxmox_scope_goes_before_what_a_command_line_says() {
    let arguments = &["kvm", "-id", "100", "-name", "x"];
    let vm = of(&FakeProcess { arguments, cgroup: SCOPE, ..QEMU });
    assert_eq!(vm.labels.id.as_deref(), Some("2207"));
    for cgroup in [
        "0::/qemu.slice/x.scope\n",
        "0::/user.slice/a:/qemu.slice2/2207.scope\n",
        "0::/user.slice/user-7.slice/a:/qemu.slice/2207.scope\n",
    ] {
        let vm = of(&FakeProcess { arguments, cgroup, ..QEMU });
        assert_eq!(vm.labels.id.as_deref(), Some("100"), "{cgroup}");
    }
    for id in ["", "../100", "1234567890", "1 2"] {
        assert_eq!(handle(&FakeProcess { arguments: &["kvm", "-id", id], ..QEMU }), None, "{id}");
    }
}

#[test]
fn bounds_of_proxmox_are_those_that_make_sense() {
    let complete = |text: &str| {
        let named = Named { proven: true, ..Named::default() };
        let settings = proxmox::Proxmox.complete(named, text).settings;
        (settings.minimum.map(|bytes| bytes.0 >> 20), settings.weight)
    };
    assert_eq!(complete("balloon: 0\nmemory: 2048"), (None, None));
    assert_eq!(complete("balloon: 4096\nmemory: 2048"), (None, None));
    assert_eq!(complete("balloon: 2048\nmemory: current=2048"), (Some(2048), None));
    assert_eq!(complete("shares: 0"), (None, Some(0)));
    assert_eq!(complete("shares: many\nballoon: x"), (None, None));
    assert_eq!(complete("balloon: 18446744073709551615"), (None, None));
}

#[test]
fn what_is_not_proven_sets_nothing() {
    let description = crate::vmm::judge::Description {
        qemu: Some(crate::vmm::qemu::QemuCommand::parse(
            &PROXMOX[1..].iter().map(|&word| word.to_owned()).collect::<Vec<_>>(),
        )),
        ..crate::vmm::judge::Description::of_process(
            50,
            &crate::hostfs::process::ProcessStat::default(),
        )
    };
    let subject =
        Subject { description: &description, cgroups: "0::/user.slice/a\n", of_root: false };
    let named = proxmox::Proxmox.recognise(&subject).expect("it says so");
    assert_eq!(named.labels.id.as_deref(), Some("2207"));
    assert!(!named.proven);
    assert_eq!(proxmox::Proxmox.file(&named), None);
}

const KUBEVIRT: &[&str] = &[
    "/usr/libexec/qemu-kvm",
    "-name",
    "guest=shop_vm-cart,debug-threads=on",
    "-object",
    r#"{"qom-type":"secret","id":"masterKey0","format":"raw","file":"/var/run/kubevirt-private/libvirt/qemu/lib/domain-1-shop_vm-cart/master-key.aes"}"#,
    "-chardev",
    "socket,id=charmonitor,fd=21,server=on,wait=off",
];

#[test]
fn kubevirt_has_a_namespace_a_name_and_a_pod() {
    for cgroup in [
        "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-\
         pod5b0f7a3e_91d4_4f0c_8f5e_2c6d1e7b9a10.slice/cri-containerd-8d41c0aa.scope\n",
        "11:memory:/kubepods/burstable/pod5b0f7a3e-91d4-4f0c-8f5e-2c6d1e7b9a10/8d41c0aa27e5\n",
    ] {
        let vm = of(&FakeProcess { arguments: KUBEVIRT, cgroup, ..QEMU });
        assert_eq!(vm.labels.handle().as_deref(), Some("shop/vm-cart"));
        assert!(vm.labels.answers_to("vm-cart"));
        let pod = vm.labels.more.get("pod").map(String::as_str);
        assert_eq!(pod, Some("5b0f7a3e-91d4-4f0c-8f5e-2c6d1e7b9a10"));
        assert_eq!(vm.labels.platform, Some(Platform::Kubevirt));
    }
    assert_eq!(handle(&FakeProcess { arguments: &["qemu-kvm", "-name", "a_b"], ..QEMU }), None);
}

#[test]
fn incus_and_lxd_have_projects() {
    let arguments =
        &["qemu-system-x86_64", "-name", "depot", "-readconfig", "/run/incus/depot/qemu.conf"];
    let vm = of(&FakeProcess { arguments, ..QEMU });
    assert_eq!(vm.labels.platform, Some(Platform::Incus));
    assert_eq!(vm.labels.handle().as_deref(), Some("default/depot"));
    let arguments = &[
        "qemu-system-x86_64",
        "-name",
        "shop_web",
        "-smbios",
        "type=2,manufacturer=Canonical Ltd.,product=LXD",
    ];
    let vm = of(&FakeProcess { arguments, ..QEMU });
    assert_eq!(vm.labels.platform, Some(Platform::Lxd));
    assert_eq!(vm.labels.handle().as_deref(), Some("shop/web"));
}

#[test]
fn micro_vms_have_the_id_that_they_were_started_with() {
    let vmm = |comm, arguments| FakeProcess { comm, program: "/usr/bin/vmm", arguments, ..QEMU };
    for (comm, arguments, id) in [
        (
            "firecracker",
            &["firecracker", "--api-sock", "/a.sock", "--id", "fn-7"][..],
            Some("fn-7"),
        ),
        ("firecracker", &["firecracker", "--id=fn-8"], Some("fn-8")),
        ("firecracker", &["firecracker", "--id"], None),
        ("cloud-hyperviso", &["ch", "--api-socket", "/run/ch/web.sock"], Some("web")),
        ("cloud-hyperviso", &["ch", "--api-socket", "path=/run/vc/vm/9f/clh-api.sock"], Some("9f")),
        ("cloud-hyperviso", &["ch", "--api-socket", "api.sock"], None),
        ("other", &["other", "--id", "1"], None),
    ] {
        assert_eq!(handle(&vmm(comm, arguments)).as_deref(), id, "{arguments:?}");
    }
}

const NOVA: &str = "<domain type='kvm'><name>instance-0000002a</name>\
    <uuid>0b6f2d84-5a1c-4d39-8e77-91c3b2a6f5e0</uuid><metadata>\
    <nova:instance xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.1'>\
    <nova:name>cart \u{1b}[2Jdb</nova:name><nova:flavor name='m1.small'><nova:memory>2048</nova:memory>\
    </nova:flavor><nova:owner><nova:user uuid='1'>ann</nova:user>\
    <nova:project uuid='2'>shop</nova:project></nova:owner></nova:instance></metadata></domain>";

#[test]
fn nova_tells_in_the_domains_metadata() {
    let xml = NOVA.replace('\u{1b}', "&#x9;");
    let named = metadata::of_domain(&xml).expect("it is there");
    assert_eq!(named.labels.handle().as_deref(), Some("shop/cart \u{fffd}[2Jdb"));
    assert_eq!(named.labels.more.get("flavour").map(String::as_str), Some("m1.small"));
    assert_eq!(named.labels.id.as_deref(), Some("0b6f2d84-5a1c-4d39-8e77-91c3b2a6f5e0"));
    let arguments =
        &["qemu", "-smbios", "type=1,manufacturer=OpenStack Foundation,product=OpenStack Nova"];
    assert_eq!(of(&FakeProcess { arguments, ..QEMU }).labels.platform, Some(Platform::Nova));
}

#[test]
fn ovirt_tells_what_is_guaranteed() {
    let xml = "<domain><name>ledger</name><metadata>\
        <ovirt-vm:vm xmlns:ovirt-vm='http://ovirt.org/vm/1.0'><ovirt-vm:clusterVersion>4.7\
        </ovirt-vm:clusterVersion><ovirt-vm:minGuaranteedMemoryMb type='int'>1024\
        </ovirt-vm:minGuaranteedMemoryMb></ovirt-vm:vm></metadata></domain>";
    let named = metadata::of_domain(xml).expect("it is there");
    assert_eq!(named.labels.name.as_deref(), Some("ledger"));
    assert_eq!(named.settings.minimum, Some(Bytes(1 << 30)));
    assert_eq!(metadata::of_domain("<domain><metadata><vm/></metadata></domain>"), None);
    assert_eq!(metadata::of_domain("<domain>"), None);
}

#[test]
fn names_are_short_and_fit_for_a_terminal() {
    let long = "x".repeat(4000);
    let arguments = &["firecracker", "--id", long.as_str()];
    let vm = of(&FakeProcess { comm: "firecracker", program: "/vmm", arguments, ..QEMU });
    assert!(vm.labels.id.is_some_and(|id| id.chars().count() <= 128));
    let mut labels = VmLabels::default();
    for number in 0..100 {
        add(&mut labels, &format!("k\u{1b}{number}"), Some("v"));
    }
    assert_eq!(labels.more.len(), MOST_LABELS);
    assert!(labels.more.keys().all(|key| !key.contains('\u{1b}')));
}

proptest::proptest! {
    #[test]
    fn no_file_panics(text in "((balloon|shares|tags|name|memory): |\\[|.|\n){0,40}") {
        proxmox::Proxmox.complete(Named::default(), &text);
    }

    #[test]
    fn no_metadata_panics(text in "(<|/>|>|domain|metadata|nova:|ovirt-vm:|instance|.){0,40}") {
        let _ = metadata::of_domain(&text);
    }
}
