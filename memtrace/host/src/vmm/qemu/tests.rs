//! Command lines as they are found: libvirt, Proxmox, by hand, in containers, odd ones.

mod forms;
mod hostile;

use super::*;

fn parse(line: &[&str]) -> QemuCommand {
    QemuCommand::parse(&line.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>())
}

const LIBVIRT_9: &[&str] = &[
    "-name",
    "guest=web,,1,debug-threads=on",
    "-S",
    "-object",
    r#"{"qom-type":"secret","id":"masterKey0","format":"raw","file":"/var/lib/libvirt/qemu/domain-3-web/master-key.aes"}"#,
    "-machine",
    "pc-q35-7.2,usb=off,dump-guest-core=off,memory-backend=pc.ram",
    "-accel",
    "kvm",
    "-cpu",
    "host,migratable=on",
    "-m",
    "size=4194304k,slots=16,maxmem=8388608k",
    "-object",
    r#"{"qom-type":"memory-backend-memfd","id":"pc.ram","share":true,"x-use-canonical-path-for-ramblock-id":false,"size":4294967296}"#,
    "-overcommit",
    "mem-lock=off",
    "-smp",
    "2,sockets=2",
    "-uuid",
    "5c1ae5d5-7b2e-4b6e-9f31-4ab8a6a9a111",
    "-no-user-config",
    "-nodefaults",
    "-chardev",
    "socket,id=charmonitor,fd=32,server=on,wait=off",
    "-mon",
    "chardev=charmonitor,id=monitor,mode=control",
    "-rtc",
    "base=utc",
    "-no-shutdown",
    "-device",
    r#"{"driver":"vfio-pci","host":"0000:01:00.0","id":"hostdev0"}"#,
    "-device",
    r#"{"driver":"virtio-balloon-pci","id":"balloon0","bus":"pci.4"}"#,
];

#[test]
fn libvirt_of_today() {
    let command = parse(LIBVIRT_9);
    assert_eq!(command.name.as_deref(), Some("web,1"));
    assert_eq!(command.uuid.unwrap().to_string(), "5c1ae5d5-7b2e-4b6e-9f31-4ab8a6a9a111");
    assert_eq!(command.memory, Some(Bytes(4 << 30)));
    assert_eq!(command.accelerator(), Some(Accelerator::Kvm));
    assert!(command.size().is_err(), "up to 8 GiB can be plugged in");
    assert_eq!(command.libvirt, Some(Libvirt::System));
    assert_eq!(command.qmp_sockets, [""; 0]);
    assert!(command.shared_memory && command.vfio);
    assert!(!command.incoming && !command.probe_only);
}

#[test]
fn a_balloon_is_reported_with_its_options() {
    assert_eq!(parse(LIBVIRT_9).balloon, Some(BalloonOptions::default()));
    assert_eq!(parse(&["-device", "virtio-net-pci"]).balloon, None);
    for (on, driver) in [
        ("virtio-balloon-pci,deflate-on-oom=on,free-page-reporting=true", BalloonDriver::Pci),
        (
            r#"{"driver":"virtio-balloon-ccw","deflate-on-oom":true,"free-page-reporting":true}"#,
            BalloonDriver::Ccw,
        ),
        ("virtio-balloon-device,deflate-on-oom=on,free-page-reporting=on", BalloonDriver::Mmio),
    ] {
        let balloon = BalloonOptions { deflate_on_oom: true, free_page_reporting: true, driver };
        assert_eq!(parse(&["-device", on]).balloon, Some(balloon), "{on}");
    }
    let half = parse(&["-device", "driver=virtio-balloon,deflate-on-oom=off,free-page-reporting"]);
    let balloon = BalloonOptions { free_page_reporting: true, ..Default::default() };
    assert_eq!(half.balloon, Some(balloon));
}

#[test]
fn libvirt_of_old_had_its_socket_on_the_command_line() {
    let command = parse(&[
        "-name",
        "guest=old,debug-threads=on",
        "-machine",
        "pc,accel=tcg,usb=off",
        "-m",
        "512",
        "-chardev",
        "socket,id=charmonitor,path=/var/lib/libvirt/qemu/domain-1-old/monitor.sock,server,nowait",
        "-mon",
        "chardev=charmonitor,id=monitor,mode=control",
        "-incoming",
        "defer",
        "-mem-path",
        "/dev/hugepages/libvirt/qemu/1-old",
    ]);
    assert_eq!(command.libvirt, Some(Libvirt::System));
    assert_eq!(command.accelerator(), Some(Accelerator::Tcg));
    assert_eq!(command.memory, Some(Bytes(512 << 20)));
    assert!(command.incoming);
}

#[test]
fn a_users_own_libvirt_is_distinguished() {
    let command = parse(&[
        "-object",
        "secret,id=masterKey0,format=raw,file=/home/a/.config/libvirt/qemu/lib/domain-1-x/master-key.aes",
        "-chardev",
        "socket,id=charmonitor,fd=25,server=on,wait=off",
    ]);
    assert_eq!(command.libvirt, Some(Libvirt::Session));
}

#[test]
fn proxmox() {
    let command = parse(&[
        "-id",
        "100",
        "-name",
        "mail,debug-threads=on",
        "-no-shutdown",
        "-chardev",
        "socket,id=qmp,path=/var/run/qemu-server/100.qmp,server=on,wait=off",
        "-mon",
        "chardev=qmp,mode=control",
        "-chardev",
        "socket,id=qmp-event,path=/var/run/qmeventd.sock,reconnect=5",
        "-mon",
        "chardev=qmp-event,mode=control",
        "-pidfile",
        "/var/run/qemu-server/100.pid",
        "-daemonize",
        "-smbios",
        "type=1,uuid=0f6d0a2c-0a5c-4d7d-8a53-3c1ec3a0b1c2",
        "-m",
        "2048",
    ]);
    assert_eq!(command.name.as_deref(), Some("mail"));
    assert_eq!(command.qmp_sockets, ["/var/run/qemu-server/100.qmp"]);
    assert_eq!(command.libvirt, None);
    assert!(command.daemonize);
    assert_eq!(command.uuid.unwrap().to_string(), "0f6d0a2c-0a5c-4d7d-8a53-3c1ec3a0b1c2");
    assert_eq!(command.accelerator(), None, "kvm may fall back to tcg");
}

#[test]
fn started_by_hand() {
    let command = parse(&[
        "-accel",
        "tcg,tb-size=32",
        "-m",
        "0.5G",
        "-display",
        "none",
        "-qmp",
        "unix:/tmp/a,,b/q.sock,server,nowait",
        "-qmp",
        "tcp:localhost:4444,server=on",
        "-name",
        "näme with spaces",
        "-enable-kvm",
        "disk.img",
    ]);
    assert_eq!(command.name.as_deref(), Some("näme with spaces"));
    assert_eq!(command.qmp_sockets, ["/tmp/a,b/q.sock"]);
    assert_eq!(command.memory, Some(Bytes(512 << 20)));
    assert_eq!(command.accelerator(), None, "two are named");
}

#[test]
fn a_monitor_for_humans_is_no_qmp() {
    let command = parse(&[
        "-chardev",
        "socket,id=hmp,path=/tmp/h.sock,server=on,wait=off",
        "-mon",
        "hmp,mode=readline",
        "-monitor",
        "unix:/tmp/m.sock,server,nowait",
    ]);
    assert_eq!(command.qmp_sockets, [""; 0]);
}

#[test]
fn probes_have_no_machine() {
    assert!(parse(&["-S", "-no-user-config", "-machine", "none,accel=kvm:tcg"]).probe_only);
    assert!(parse(&["--version"]).probe_only);
    assert!(parse(&["-M", "help"]).probe_only);
    assert!(parse(&["-device", "?"]).probe_only);
    assert!(!parse(&["-machine", "q35,accel=kvm:tcg"]).probe_only);
    assert_eq!(parse(&["-machine", "q35,accel=kvm:tcg"]).accelerator(), None);
}

#[test]
fn the_nil_uuid_and_garbage_are_no_uuid() {
    assert_eq!(parse(&["-uuid", "00000000-0000-0000-0000-000000000000"]).uuid, None);
    assert_eq!(parse(&["-uuid", "zzz"]).uuid, None);
    assert_eq!(parse(&["-name", "", "-m", "much"]), parse(&[]));
}

#[test]
fn programs_are_recognised_by_name() {
    for name in ["qemu-system-x86_64", "qemu-system-x86", "qemu-kvm", "kvm", ".qemu-system-a"] {
        assert!(is_system_emulator(name), "{name}");
    }
    for name in
        ["qemu-img", "qemu-nbd", "qemu-aarch64", "qemu-ga", "kvm-nx-lpage-re", "firecracker", ""]
    {
        assert!(!is_system_emulator(name), "{name}");
    }
}

proptest::proptest! {
    #[test]
    fn no_command_line_panics(line in proptest::collection::vec(
        "(-name|-m|-machine|-chardev|-mon|-qmp|-object|(?s).{0,40})", 0..12)) {
        QemuCommand::parse(&line);
    }
}

#[test]
fn virtual_cpus_are_counted() {
    let vcpus = |smp: &str| parse(&["-smp", smp]).vcpus;
    assert_eq!(parse(&[]).vcpus, Some(1));
    assert_eq!(vcpus("4"), Some(4));
    assert_eq!(vcpus("4,maxcpus=8"), Some(4));
    assert_eq!(vcpus("maxcpus=8,sockets=2"), Some(8));
    assert_eq!(vcpus("sockets=2,cores=3,threads=2"), Some(12));
    assert_eq!(vcpus("many"), None);
    assert_eq!(vcpus("sockets=65536,cores=65536"), None);
}

#[test]
fn processors_that_can_be_unplugged_count() {
    let line = ["-device", "kvm64-x86_64-cpu,id=cpu2,core-id=1", "-smp", "1,cores=4,maxcpus=4"];
    assert_eq!(parse(&line).vcpus, Some(2));
}

const CONFIG: &str = "\
[machine]\ntype = \"q35\"\naccel = \"kvm\"\n
[memory]\nsize = \"6144M\"\n
[smp-opts]\ncpus = \"3\"\nmaxcpus = \"8\"\n
[object \"mem0\"]\nqom-type = \"memory-backend-file\"\nmem-path = \"/dev/hugepages\"\nsize = \"6144M\"\nshare = \"on\"\n
[chardev \"monitor\"]\nbackend = \"socket\"\npath = \"/var/lib/vmd/depot/qemu.monitor\"\nserver = \"on\"\nwait = \"off\"\n
[mon]\nchardev = \"monitor\"\nmode = \"control\"\n
[device \"balloon_dev\"]\ndriver = \"virtio-balloon-pci\"\nbus = \"pcie0\"\n
[device \"dev-gpu\"]\ndriver = \"vfio-pci\"\n";

const DEPOT: [&str; 5] =
    ["-name", "depot", "-daemonize", "-readconfig", "/var/lib/vmd/depot/qemu.conf"];

fn parse_with(line: &[&str], read: Result<&str, &str>) -> QemuCommand {
    let line: Vec<String> = line.iter().map(|&argument| argument.to_owned()).collect();
    QemuCommand::with_files(&line, |_| read.map(str::to_owned).map_err(str::to_owned))
}

#[test]
fn what_is_in_a_file_counts_as_what_is_on_the_line() {
    let command = parse_with(&DEPOT, Ok(CONFIG));
    assert_eq!(command.size(), Ok(Bytes(6144 << 20)));
    assert_eq!(command.virtual_cpus(), Some(3));
    assert_eq!(command.passes_through(), Some(true));
    assert_eq!(command.qmp_sockets, ["/var/lib/vmd/depot/qemu.monitor"]);
    assert_eq!(command.balloon, Some(BalloonOptions::default()));
    assert_eq!(command.accelerator(), Some(Accelerator::Kvm));
    assert!(command.shared_memory);
    assert_eq!(command.directories, ["/var/lib/vmd/depot"]);
}

#[test]
fn what_is_in_a_file_that_is_not_read_is_unknown() {
    for read in [Err("gone"), Ok("nonsense")] {
        let command = parse_with(&DEPOT, read);
        let reason = command.size().unwrap_err();
        assert!(reason.starts_with("its configuration is in /var/lib/vmd/depot/qemu.conf: "));
        assert_eq!((command.virtual_cpus(), command.passes_through()), (None, None));
        assert_eq!((command.accelerator(), command.is_encrypted()), (None, None));
        assert!(no_monitor(Some(&command)).contains("is not known: its configuration is in"));
    }
    let busses = parse_with(&["-readconfig", "/q35.cfg", "-m", "512"], Ok("[device \"a\"]\n"));
    assert_eq!(busses.size(), Ok(Bytes(512 << 20)));
}

#[test]
fn what_is_plugged_in_counts() {
    let mut line = vec!["-m".to_owned(), "size=1024,slots=255,maxmem=262144M".to_owned()];
    let dimms = (0..36).map(|number| (number, [512, 1024, 2048][(number / 16) as usize]));
    for (number, size) in dimms {
        let object = format!("memory-backend-ram,id=mem-dimm{number},size={size}M");
        let device = format!("pc-dimm,id=dimm{number},memdev=mem-dimm{number},node=0");
        line.extend(["-object", object.as_str(), "-device", device.as_str()].map(str::to_owned));
    }
    let command = QemuCommand::parse(&line);
    assert_eq!(command.memory, Some(Bytes(33 << 30)));
    assert!(command.size().is_err_and(|reason| reason.contains("maxmem")), "more may follow");
    let full = ["-m", "1G,maxmem=2G,slots=1", "-device", "pc-dimm,memdev=d", "-object"];
    let full = parse(&[&full[..], &["memory-backend-ram,id=d,size=1G"]].concat());
    assert_eq!(full.size(), Ok(Bytes(2 << 30)));
    let lost = parse(&["-m", "1G", "-device", "pc-dimm,memdev=nowhere"]);
    assert!(lost.size().is_err());
    let virtio = ["-m", "1G", "-device", "virtio-mem-pci,memdev=v,requested-size=1G"];
    assert!(parse(&virtio).size().is_err_and(|reason| reason.contains("virtio-mem")));
    let backend = ["-machine", "pc,memory-backend=m", "-object", "memory-backend-ram,id=m,size=3G"];
    assert_eq!(parse(&backend).size(), Ok(Bytes(3 << 30)));
}

#[test]
fn an_encrypted_guest_is_recognised() {
    for line in [
        &[
            "-object",
            "sev-guest,id=enc0,cbitpos=47",
            "-machine",
            "pc,confidential-guest-support=enc0",
        ][..],
        &["-object", r#"{"qom-type":"sev-snp-guest","id":"a"}"#],
        &["-object", r#"{"qom-type":"tdx-guest","id":"a"}"#],
        &["-machine", "q35,memory-encryption=sev0"],
    ] {
        assert_eq!(parse(line).is_encrypted(), Some(true), "{line:?}");
    }
    assert_eq!(parse(&["-object", "secret,id=a"]).is_encrypted(), Some(false));
}

#[test]
fn libvirt_in_a_container_or_of_a_user_is_not_the_hosts() {
    let of = |place: &str| {
        let key = format!("secret,id=masterKey0,format=raw,file={place}/master-key.aes");
        parse(&["-object", &key, "-chardev", "socket,id=charmonitor,fd=2,server=on"]).libvirt
    };
    assert_eq!(of("/var/lib/libvirt/qemu/domain-1-a"), Some(Libvirt::System));
    assert_eq!(of("/run/libvirt/qemu/domain-1-a"), Some(Libvirt::System));
    let pod = "/var/run/kubevirt-private/libvirt/qemu/lib/domain-1-a";
    assert_eq!(of(pod), Some(Libvirt::Contained));
    for place in
        ["/home/a/.config/libvirt/qemu/lib", "/run/user/1/libvirt/qemu", "/srv/ci/libvirt/x"]
    {
        assert_eq!(of(place), Some(Libvirt::Session), "{place}");
    }
}
