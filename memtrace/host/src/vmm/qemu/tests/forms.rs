//! One thing said in each of the forms that QEMU takes.

use super::*;

/// A command line as it is typed: words between spaces.
fn line(text: &str) -> QemuCommand {
    parse(&text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>())
}

const MIB: u64 = 1 << 20;

#[test]
fn sizes() {
    const MEM: &str = "-object memory-backend-ram,id=m";
    let no_size = format!("-machine pc,memory-backend=m {MEM}");
    for (text, mib) in [
        ("-m 4096", Some(4096)),
        ("-m 4096M", Some(4096)),
        ("-m 4G", Some(4096)),
        ("-m 4g", Some(4096)),
        ("--m 4G", Some(4096)),
        ("-m size=4G", Some(4096)),
        ("-m size=4194304k", Some(4096)),
        ("-m 4294967296B", Some(4096)),
        ("-m 0x1000", Some(4096)),
        ("-m 1.5G", Some(1536)),
        ("-m size=1.5G,slots=4", Some(1536)),
        ("-m 4G,maxmem=4294967296", Some(4096)),
        ("-m 1G -m 4G", Some(4096)),
        ("-m 4G -m slots=2", Some(4096)),
        ("-M pc,memory.size=4G", Some(4096)),
        ("-machine memory.size=4294967296 -machine pc", Some(4096)),
        ("-m 1G -device pc-dimm,id=d,memdev=m -object memory-backend-ram,id=m,size=1G", Some(2048)),
        (
            "-m 1G -device driver=pc-dimm,memdev=m -object memory-backend-ram,id=m,size=1G",
            Some(2048),
        ),
        (
            r#"-m 1G -device {"driver":"pc-dimm","id":"d","memdev":"m"} -object {"qom-type":"memory-backend-ram","id":"m","size":1073741824}"#,
            Some(2048),
        ),
        ("-machine q35,memory-backend=m -object memory-backend-ram,id=m,size=3G", Some(3072)),
        (no_size.as_str(), None),
        ("-m 4G,slots=2,maxmem=8G", None),
        ("-m 4G,slots=2,maxmem=8589934592", None),
        ("-M pc,memory.size=4G,memory.max-size=8G", None),
        ("-m 1G -device virtio-mem-pci,memdev=v,requested-size=1G", None),
        ("-m 1G -device virtio-mem-ccw,memdev=v,requested-size=0", None),
        (r#"-m 1G -device {"driver":"virtio-mem-pci","memdev":"v","requested-size":0}"#, None),
        ("-m 1G -device hv-balloon,id=b,memdev=v", None),
        ("-m 1G -device hv-balloon,id=b", Some(1024)),
        ("-m much", None),
        ("-smp 2", None),
    ] {
        let expected = mib.map(|mib| Bytes(mib * MIB));
        assert_eq!(line(text).size().ok(), expected, "{text}");
    }
}

#[test]
fn processors() {
    for (text, count) in [
        ("-m 1G", Some(1)),
        ("-smp 4", Some(4)),
        ("-smp cpus=4", Some(4)),
        ("-smp 0x4", Some(4)),
        ("-smp 2,maxcpus=8", Some(2)),
        ("-smp maxcpus=8", Some(8)),
        ("-smp sockets=2,cores=2", Some(4)),
        ("-smp sockets=2,dies=2,clusters=2,cores=2,threads=2", Some(32)),
        ("-smp drawers=2,books=2,cores=2", Some(8)),
        ("-smp 2 -smp cores=4", Some(2)),
        ("-smp 2 -smp 6", Some(6)),
        ("--smp cpus=0,cores=4", Some(4)),
        ("-M pc,smp.cpus=4", Some(4)),
        ("-M pc,smp.cores=2,smp.threads=2", Some(4)),
        ("-smp 1,maxcpus=4 -device host-x86_64-cpu,core-id=1", Some(2)),
        (r#"-smp 1,maxcpus=4 -device {"driver":"host-x86_64-cpu","core-id":1}"#, Some(2)),
        ("-smp 8,threads=4,maxcpus=16 -device host-spapr-cpu-core,core-id=8", Some(12)),
        ("-smp some", None),
        ("-smp sockets=x", None),
    ] {
        assert_eq!(line(text).virtual_cpus(), count, "{text}");
    }
}

#[test]
fn balloons() {
    let with = |deflate_on_oom, free_page_reporting| {
        Some(BalloonOptions { deflate_on_oom, free_page_reporting, ..Default::default() })
    };
    for (text, balloon) in [
        ("-device virtio-balloon-pci", with(false, false)),
        ("-device virtio-balloon", with(false, false)),
        ("-device virtio-balloon-device,deflate-on-oom=on", with(true, false)),
        ("-device virtio-balloon-ccw,deflate-on-oom=yes", with(true, false)),
        ("-device virtio-balloon-pci-transitional,deflate-on-oom=true", with(true, false)),
        ("-device virtio-balloon-pci-non-transitional,deflate-on-oom", with(true, false)),
        ("-device virtio-balloon-pci,deflate-on-oom=y", with(true, false)),
        ("-device virtio-balloon-pci,nodeflate-on-oom", with(false, false)),
        ("-device virtio-balloon-pci,deflate-on-oom=off", with(false, false)),
        ("-device virtio-balloon-pci,deflate-on-oom=no", with(false, false)),
        ("-device virtio-balloon-pci,deflate-on-oom=on,deflate-on-oom=off", with(false, false)),
        ("--device driver=virtio-balloon-pci,free-page-reporting=on", with(false, true)),
        (r#"-device {"driver":"virtio-balloon-pci","deflate-on-oom":true}"#, with(true, false)),
        (r#"-device {"driver":"virtio-balloon-ccw","deflate-on-oom":false}"#, with(false, false)),
        ("-balloon virtio", with(false, false)),
        ("-balloon virtio,addr=0x3,deflate-on-oom=on", with(true, false)),
        ("-balloon none", None),
        (
            "-device virtio-balloon-pci -global virtio-balloon-pci.deflate-on-oom=on",
            with(true, false),
        ),
        (
            "-global driver=virtio-balloon-pci,property=free-page-reporting,value=on -device \
             virtio-balloon-pci",
            with(false, true),
        ),
        (
            "-device virtio-balloon-ccw -global virtio-balloon-device.deflate-on-oom=true",
            with(true, false),
        ),
        (
            "-device virtio-balloon-pci,deflate-on-oom=off -global \
             virtio-balloon-pci.deflate-on-oom=on",
            with(false, false),
        ),
        (
            "-device virtio-balloon-pci -global virtio-balloon-ccw.deflate-on-oom=on",
            with(false, false),
        ),
        ("-device virtio-balloon-pci,id=b0 -set device.b0.deflate-on-oom=on", with(true, false)),
        ("-device virtio-balloon-pci,id=b0 -set device.b1.deflate-on-oom=on", with(false, false)),
        ("-device virtio-net-pci", None),
        ("-global virtio-balloon-pci.deflate-on-oom=on", None),
    ] {
        let found = line(text).balloon;
        let driver = found.unwrap_or_default().driver;
        let balloon = balloon.map(|balloon| BalloonOptions { driver, ..balloon });
        assert_eq!(found, balloon, "{text}");
    }
}

#[test]
fn names_and_uuids() {
    const ONE: &str = "3c9e51d0-6f1a-4b7e-9c55-0d2f8a417b30";
    const OTHER: &str = "6a17c9f2-0e4b-4b53-a1de-7f80c3d95b42";
    for (text, name) in [
        ("-name web", Some("web")),
        ("--name web,debug-threads=on", Some("web")),
        ("-name guest=a,,b,process=qemu", Some("a,b")),
        ("-name debug-threads=on", None),
        ("-name web -name debug-threads=on", Some("web")),
        ("-name old -name guest=new", Some("new")),
        ("-name {web}", Some("{web}")),
    ] {
        assert_eq!(line(text).name.as_deref(), name, "{text}");
    }
    for (text, uuid) in [
        (format!("-uuid {ONE}"), Some(ONE)),
        (format!("-uuid {}", ONE.to_uppercase()), Some(ONE)),
        (format!("-uuid {OTHER} -uuid {ONE}"), Some(ONE)),
        (format!("-smbios type=1,uuid={ONE}"), Some(ONE)),
        (format!("-smbios type=0x1,manufacturer=x,uuid={ONE}"), Some(ONE)),
        (format!("-smbios type=1,uuid={OTHER} -smbios type=1,uuid={ONE}"), Some(ONE)),
        (format!("-smbios type=1,uuid={OTHER} -uuid {ONE}"), Some(ONE)),
        (format!("-uuid {ONE} -smbios type=1,uuid={OTHER}"), Some(ONE)),
        (format!("-smbios type=2,uuid={ONE}"), None),
        (format!("-smbios type=1,serial=5 -smbios uuid={ONE}"), None),
    ] {
        let found = line(&text).uuid.map(|uuid| uuid.to_string());
        assert_eq!(found.as_deref(), uuid, "{text}");
    }
}

/// The socket, or a word of why there is none.
fn monitor(text: &str) -> String {
    let command = line(text);
    command.qmp_sockets.first().cloned().unwrap_or_else(|| no_monitor(Some(&command)))
}

#[test]
fn monitors_that_can_be_asked() {
    const CHARDEV: &str = "-chardev socket,id=c,path=/q.sock,server=on,wait=off";
    for text in [
        "-qmp unix:/q.sock,server,nowait".to_owned(),
        "--qmp unix:/q.sock,server=on,wait=off".to_owned(),
        "-qmp-pretty unix:/q.sock,server".to_owned(),
        "-qmp tcp:localhost:4444,server=on -qmp unix:/q.sock,server=on".to_owned(),
        format!("{CHARDEV} -qmp chardev:c"),
        format!("-mon c,mode=control {CHARDEV}"),
        format!("{CHARDEV} -mon chardev=c,mode=control,pretty=on"),
        format!(r#"{CHARDEV} -mon {{"chardev":"c","mode":"control"}}"#),
        r#"-chardev {"backend":"socket","id":"c","path":"/q.sock","server":true} -mon c,mode=control"#
            .to_owned(),
        concat!(
            r#"-chardev {"id":"c","backend":{"type":"socket","data":{"addr":{"type":"unix","data":"#,
            r#"{"path":"/q.sock"}},"wait":false}}} -mon chardev=c,mode=control"#
        )
        .to_owned(),
    ] {
        assert_eq!(monitor(&text), "/q.sock", "{text}");
    }
}

#[test]
fn monitors_that_cannot_be_asked_say_why() {
    for (text, word) in [
        ("-m 1G", "QEMU has no QMP socket"),
        ("-monitor unix:/h.sock,server", "QEMU has no QMP socket"),
        ("-qmp none", "QEMU has no QMP socket"),
        ("-qmp tcp:localhost:4444,server=on,wait=off", "network port"),
        ("-qmp tcp::4444,server", "network port"),
        ("-qmp telnet:localhost:4444,server=on", "network port"),
        ("-qmp websocket:localhost:4444,server=on", "network port"),
        ("-qmp tn3270:localhost:4444,server=on", "network port"),
        ("-chardev socket,id=c,host=::1,port=4444,server=on -mon c,mode=control", "network port"),
        ("-qmp stdio", "no socket"),
        ("-chardev pty,id=c -mon c,mode=control", "no socket"),
        ("-qmp unix:/q.sock", "connects its QMP to its manager"),
        ("-chardev socket,id=c,path=/q.sock,reconnect=5 -mon c,mode=control", "connects its QMP"),
        ("-chardev socket,id=c,fd=3,server=on,wait=off -mon c,mode=control", "made by its manager"),
        ("-qmp unix:/q,server=on,abstract=on", "abstract"),
        (
            r#"-chardev {"backend":"socket","id":"c","path":"/q","abstract":true,"server":true} -mon c,mode=control"#,
            "abstract",
        ),
    ] {
        let said = monitor(text);
        assert!(said.contains(word), "{text}: {said}");
    }
}

#[test]
fn accelerators() {
    use Accelerator::{Kvm, Tcg};
    for (text, accelerator) in [
        ("-accel kvm", Some(Kvm)),
        ("-accel kvm,dirty-ring-size=4096", Some(Kvm)),
        ("-accel accel=kvm", Some(Kvm)),
        ("-enable-kvm", Some(Kvm)),
        ("--enable-kvm", Some(Kvm)),
        ("-machine pc,accel=kvm", Some(Kvm)),
        ("-M accel=tcg -enable-kvm", Some(Kvm)),
        ("-machine pc,accel=tcg -machine accel=kvm", Some(Kvm)),
        ("-machine q35 -M accel=tcg", Some(Tcg)),
        ("-no-kvm", Some(Tcg)),
        ("-machine pc,accel=kvm:tcg", None),
        ("-accel kvm -accel tcg", None),
        ("-machine pc", None),
    ] {
        assert_eq!(line(text).accelerator(), accelerator, "{text}");
    }
}

#[test]
fn pinned_and_encrypted() {
    for text in [
        "-object sev-guest,id=s,policy=0x7 -machine q35,confidential-guest-support=s",
        "-object sev-snp-guest,id=s,cbitpos=51",
        "-object tdx-guest,id=t",
        r#"-object {"qom-type":"tdx-guest","id":"lsec0"}"#,
        "-object s390-pv-guest,id=p -machine s390-ccw-virtio,confidential-guest-support=p",
        "-object pef-guest,id=p",
        "-object later-guest,id=l -machine virt,confidential-guest-support=l",
        "-machine q35,memory-encryption=s",
        "-machine q35 -machine confidential-guest-support=l",
    ] {
        assert_eq!(line(text).is_encrypted(), Some(true), "{text}");
    }
    assert_eq!(line("-machine q35 -object secret,id=s").is_encrypted(), Some(false));
    for (text, passed) in [
        ("-device vfio-pci,host=01:00.0", true),
        ("-device vfio-pci-nohotplug,sysfsdev=/sys/x", true),
        ("-device driver=vfio-ap,sysfsdev=/sys/x", true),
        (r#"-device {"driver":"vfio-pci","host":"0000:01:00.0"}"#, true),
        ("-device pci-assign,host=01:00.0", true),
        ("-netdev vhost-vdpa,id=v,vhostdev=/dev/vhost-vdpa-0", true),
        (r#"-netdev {"type":"vhost-vdpa","id":"v"}"#, true),
        ("-device vhost-vdpa-device-pci,vhostdev=/dev/vhost-vdpa-0", true),
        ("-netdev user,id=n -device virtio-net-pci,netdev=n", false),
        ("-device vfio-user-pci,socket=/s", false),
        ("-device virtio-net-pci", false),
    ] {
        assert_eq!(line(text).passes_through(), Some(passed), "{text}");
    }
}

#[test]
fn bound_nodes() {
    const BIND: &str = "-object memory-backend-ram,id=a,size=1G,policy=bind";
    const OTHER: &str = "-object memory-backend-ram,id=b,size=1G,policy=bind";
    const JSON: &str = r#"-object {"qom-type":"memory-backend-ram","id":"a","policy":"bind""#;
    for (text, nodes) in [
        (format!("{BIND},host-nodes=0"), Some(&[0][..])),
        (format!("{BIND},host-nodes=0-1"), Some(&[0, 1])),
        (format!("{BIND},host-nodes=0,host-nodes=2"), Some(&[0, 2])),
        (format!("{BIND},host-nodes.0=0,host-nodes.1=2-3"), Some(&[0, 2, 3])),
        (format!("{BIND},host-nodes=0 {OTHER},host-nodes=1"), Some(&[0, 1])),
        (format!(r#"{JSON},"host-nodes":[1,3]}}"#), Some(&[1, 3])),
        (format!(r#"{JSON},"host-nodes":[]}}"#), None),
        (BIND.to_owned(), None),
        (format!("{BIND},host-nodes="), None),
        (format!("{BIND},host-nodes=all"), None),
        (format!("{BIND} {OTHER},host-nodes=1"), None),
        ("-object memory-backend-ram,id=a,host-nodes=0,policy=preferred".to_owned(), Some(&[])),
        ("-m 1G".to_owned(), Some(&[])),
    ] {
        let expected = nodes.map(|nodes| nodes.iter().copied().collect());
        assert_eq!(line(&text).nodes().ok(), expected.as_ref(), "{text}");
    }
    let text = "[object \"a\"]\nqom-type = \"memory-backend-memfd\"\nsize = \"1G\"\n\
                policy = \"bind\"\nhost-nodes.0 = \"1\"\n";
    let incus = parse_with(&["-readconfig", "/f"], Ok(text));
    assert_eq!(incus.nodes(), Ok(&BTreeSet::from([1])));
    assert!(parse_with(&["-readconfig", "/f"], Err("gone")).nodes().is_err());
}

#[test]
fn shared_memory() {
    for (text, shared) in [
        ("-object memory-backend-memfd,id=m,size=1G", true),
        ("-object memory-backend-memfd,id=m,size=1G,share=off", false),
        ("-object memory-backend-shm,id=m,size=1G", true),
        ("-object memory-backend-file,id=m,size=1G,mem-path=/f,share=yes", true),
        ("-object memory-backend-file,id=m,size=1G,mem-path=/f", false),
        (r#"-object {"qom-type":"memory-backend-ram","id":"m","size":1,"share":true}"#, true),
        ("-m 4G -object memory-backend-file,id=ivshmem,size=64M,mem-path=/f,share=on", false),
        (
            "-m 4G -object memory-backend-memfd,id=a,size=2G -object memory-backend-memfd,id=b,size=2G",
            true,
        ),
    ] {
        assert_eq!(line(text).shared_memory, shared, "{text}");
    }
}

#[test]
fn a_file_and_a_line_are_one() {
    let text = "[memory]\nsize = \"2G\" # of the base\nmaxmem = \"2G\"\n[smp-opts]\ncpus = \"2\"\n\
                [device \"d\"]\ndriver = \"pc-dimm\"\nmemdev = \"m\"\n[object \"m\"]\n\
                qom-type = \"memory-backend-ram\"\nsize = \"1G\"\n[device \"b\"]\n\
                driver = \"virtio-balloon-pci\"\n[global]\ndriver = \"virtio-balloon-pci\"\n\
                property = \"deflate-on-oom\"\nvalue = \"on\"\n";
    let command = parse_with(&["-m", "3G,maxmem=4G", "-readconfig", "/f"], Ok(text));
    assert_eq!(command.memory, Some(Bytes(3072 * MIB)), "the file is read after the line");
    assert_eq!(command.virtual_cpus(), Some(2));
    assert!(command.balloon.is_some_and(|balloon| balloon.deflate_on_oom));
    let command = parse_with(&["-readconfig", "/f", "-m", "3G,maxmem=4G", "-smp", "3"], Ok(text));
    assert_eq!((command.size(), command.virtual_cpus()), (Ok(Bytes(4096 * MIB)), Some(3)));
    let set = ["-readconfig", "/f", "-set", "device.b.free-page-reporting=on"];
    let balloon = parse_with(&set, Ok(text)).balloon;
    assert!(balloon.is_some_and(|balloon| balloon.free_page_reporting));
}
