//! Screens of each platform's VMs: stand-ins on a made-up host, with the platform's command lines,
//! cgroups and files. Needs no privileges. The screens are in `snapshots/platforms__*.snap`; `cargo
//! test -p memtrace --test platforms -- --nocapture` prints them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use memtrace_core::live::Latest;
use memtrace_core::model::{Snapshot, derive};
use memtrace_core::reactor::Decided;
use memtrace_core::sample::{Sample, VmLabels};
use memtrace_core::settings::{VmSettings, VmTable, Which};
use memtrace_core::source::Source;
use memtrace_core::units::{Bytes, Nanos, WallNanos};
use memtrace_host::hostfs::fake::{FakeHost, FakeProcess, QEMU};
use memtrace_host::live::{LiveOptions, LiveSource, fake};
use memtrace_view::columns::{ColumnId, Sort};
use memtrace_view::export::metrics::{self, Form, Scene};
use memtrace_view::tui::TopOptions;
use memtrace_view::tui::key::Key;
use memtrace_view::tui::state::State;
use memtrace_view::tui::update::{Message, update};
use memtrace_view::tui::view;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const SIZE: (u16, u16) = (150, 50);

const KVM: &[&str] = &["anon_inode:kvm-vm"];
const NOVA: &str = "0b6f2d84-5a1c-4d39-8e77-91c3b2a6f5e0";
const OVIRT: &str = "6a17c9f2-0e4b-4b53-a1de-7f80c3d95b42";
const KUBEVIRT: &str = "5c1ae5d5-7b2e-4b6e-9f31-4ab8a6a9a111";
const POD: &str = "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-\
    pod5b0f7a3e_91d4_4f0c_8f5e_2c6d1e7b9a10.slice/cri-containerd-8d41c0aa.scope\n";
const KEY: &str = "secret,id=masterKey0,format=raw,\
    file=/var/run/kubevirt-private/libvirt/qemu/lib/domain-1-shop_vm-cart/master-key.aes";

/// A VM of each platform.
const VMS: [FakeProcess<'static>; 9] = [
    FakeProcess {
        arguments: &[
            "/usr/bin/kvm",
            "-id",
            "2207",
            "-name",
            "billing,debug-threads=on",
            "-daemonize",
            "-m",
            "6144",
            "-device",
            "virtio-balloon-pci,id=balloon0",
        ],
        cgroup: "0::/qemu.slice/2207.scope\n",
        ..vm(2207)
    },
    FakeProcess {
        user: 64055,
        arguments: &[
            "/usr/bin/qemu-system-x86_64",
            "-name",
            "guest=instance-0000002a,debug-threads=on",
            "-uuid",
            NOVA,
            "-m",
            "size=2097152k",
            "-smbios",
            "type=1,manufacturer=OpenStack Foundation,product=OpenStack Nova",
        ],
        cgroup: "0::/machine.slice/machine-qemu\\x2d3\\x2dinstance\\x2d0000002a.scope\n",
        ..vm(3000)
    },
    FakeProcess {
        user: 107,
        arguments: &[
            "/usr/libexec/qemu-kvm",
            "-name",
            "guest=shop_vm-cart,debug-threads=on",
            "-uuid",
            KUBEVIRT,
            "-object",
            KEY,
            "-m",
            "size=16777216k",
            "-smp",
            "4",
            "-chardev",
            "socket,id=charmonitor,fd=21,server=on,wait=off",
            "-device",
            "virtio-balloon-pci,id=balloon0",
        ],
        cgroup: POD,
        ..vm(3001)
    },
    FakeProcess {
        user: 107,
        arguments: &[
            "/usr/libexec/qemu-kvm",
            "-name",
            "guest=ledger,debug-threads=on",
            "-uuid",
            OVIRT,
            "-m",
            "size=4194304k",
            "-smbios",
            "type=1,manufacturer=oVirt,product=RHEL",
        ],
        ..vm(3002)
    },
    FakeProcess {
        arguments: &[
            "/opt/incus/bin/qemu-system-x86_64",
            "-name",
            "depot",
            "-m",
            "1024",
            "-pidfile",
            "/run/incus/depot/qemu.pid",
        ],
        ..vm(3003)
    },
    FakeProcess {
        arguments: &[
            "/snap/lxd/current/bin/qemu-system-x86_64",
            "-name",
            "shop_web",
            "-m",
            "2048",
            "-smbios",
            "type=2,manufacturer=Canonical Ltd.,product=LXD",
        ],
        ..vm(3004)
    },
    FakeProcess {
        comm: "firecracker",
        program: "/usr/bin/firecracker",
        arguments: &["firecracker", "--api-sock", "/run/fn-7.sock", "--id", "fn-7"],
        ..vm(3005)
    },
    FakeProcess {
        comm: "cloud-hyperviso",
        program: "/usr/bin/cloud-hypervisor",
        arguments: &["cloud-hypervisor", "--api-socket", "path=/run/ch/edge.sock"],
        ..vm(3006)
    },
    FakeProcess {
        arguments: &["/usr/bin/qemu-system-x86_64", "-name", "vm-17", "-m", "512"],
        ..vm(3007)
    },
];

const fn vm(pid: u32) -> FakeProcess<'static> {
    FakeProcess { pid, start: 700, fds: KVM, ..QEMU }
}

fn host() -> FakeHost {
    let host = fake::host();
    host.end(fake::QEMU.pid);
    for vm in VMS {
        host.process(&vm);
        let path = vm.cgroup.trim_start_matches("0::").trim_end();
        for (name, text) in [
            ("memory.current", "524288000\n".to_owned()),
            ("memory.max", "max\n".to_owned()),
            ("cgroup.procs", format!("{}\n", vm.pid)),
        ] {
            host.file(&format!("sys/fs/cgroup{path}/{name}"), &text);
        }
    }
    let memory = "MemTotal: 67108864 kB\nMemFree: 33554432 kB\nMemAvailable: 41943040 kB\n\
        Buffers: 0 kB\nCached: 8388608 kB\nSwapTotal: 8388608 kB\nSwapFree: 8388608 kB\n\
        SwapCached: 0 kB\n";
    host.file("proc/meminfo", memory);
    let file = "# cart\nballoon: 2048\nmemory: 6144\nname: billing\nshares: 500\ntags: shop;prod\n";
    host.file("etc/pve/qemu-server/2207.conf", file);
    host
}

/// What an operator calls a VM in the configuration.
fn own_labels() -> VmTable {
    VmTable {
        which: Which::Name("vm-17".to_owned()),
        settings: VmSettings::default(),
        labels: VmLabels {
            name: Some("Archive".to_owned()),
            more: [("team".to_owned(), "storage".to_owned())].into(),
            ..VmLabels::default()
        },
    }
}

/// A sample with all names: one file is read beside it.
fn sample(source: &mut LiveSource) -> Sample {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let sample = source.sample(None).expect("the host is readable");
        let proxmox = sample.vms.iter().find(|vm| vm.pid == 2207).expect("it is a VM");
        if proxmox.guest.settings.minimum == Some(Bytes(2 << 30)) {
            return sample;
        }
        assert!(Instant::now() < deadline, "its file is not read");
    }
}

fn snapshot() -> Snapshot {
    let host = host();
    let (kernel, _remote) = fake::kernel();
    let options = LiveOptions { libvirt: false, qmp: false };
    let mut source = LiveSource::new(host.root(), Ok(kernel), options);
    source.configure(&[own_labels()]);
    let first = sample(&mut source);
    let mut second = sample(&mut source);
    // The same at any time and on any machine.
    second.wall = WallNanos(1_764_502_265_000_000_000);
    second.at = Nanos(first.at.0 + 1_000_000_000);
    derive(Some(&first), &second)
}

fn screen(state: &State) -> String {
    let area = Rect::new(0, 0, SIZE.0, SIZE.1);
    let mut buffer = Buffer::empty(area);
    view::draw(&mut buffer, area, state);
    let row = |y| {
        let row: String = (0..area.width).map(|x| buffer[(x, y)].symbol()).collect();
        row.trim_end().to_owned()
    };
    let rows: Vec<String> = (0..area.height).map(row).collect();
    rows.join("\n")
}

/// The lines of the metric by which Prometheus knows them.
fn labels(snapshot: Arc<Snapshot>) -> String {
    let (nothing, now) = (Decided::Not("no policy".into()), snapshot.wall);
    let scene = Scene::new(snapshot, nothing, Bytes(4096), now);
    let text = metrics::text(scene, Form::OpenMetrics).expect("it is written");
    let lines = text.lines().filter(|line| line.starts_with("memtrace_vm_labels_info{"));
    lines.collect::<Vec<_>>().join("\n")
}

fn press(state: &mut State, keys: impl IntoIterator<Item = Key>) {
    for key in keys {
        update(state, Message::Key(key));
    }
}

#[test]
fn each_platforms_vms_have_its_names_and_ids() {
    let snapshot = Arc::new(snapshot());
    let options = TopOptions { sort: Sort::by(ColumnId::Name), ..TopOptions::default() };
    let mut state = State::new(&options, Duration::from_secs(1), SIZE, TimeZone::UTC);
    update(&mut state, Message::Latest(Latest::Snapshot(Arc::clone(&snapshot))));
    let names = screen(&state);
    press(&mut state, [Key::Char('i')]);
    let ids = screen(&state);
    press(&mut state, [Key::Char('i'), Key::Char('/')]);
    press(&mut state, "cart".chars().map(Key::Char));
    press(&mut state, [Key::Enter, Key::Enter]);
    let pod = screen(&state);
    let labels = labels(snapshot);
    for (title, text) in [("names", names), ("ids", ids), ("pod", pod), ("labels", labels)] {
        println!("== {title}\n{text}\n");
        insta::assert_snapshot!(title, text);
    }
}
