//! Command lines that are made to cost much: long ones, and those that name the same again and
//! again.

use std::time::{Duration, Instant};

use super::*;
use crate::vmm::qemu::sections::MOST;

/// What Linux lets a command line have by default (`ARG_MAX`).
const LONGEST: usize = 2 << 20;
/// For the longest one, on a machine that does other things as well.
const PATIENCE: Duration = Duration::from_secs(60);

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// As many of these options as a command line has room for, with its number for `#`.
fn filled(options: &str) -> Vec<String> {
    let (mut line, mut length) = (Vec::new(), 0);
    for number in 0.. {
        let more = options.replace('#', &number.to_string());
        length += more.len() + 1;
        if length > LONGEST {
            break;
        }
        line.extend(words(&more));
    }
    line
}

#[test]
fn the_longest_command_line_is_read_in_linear_time() {
    for (options, one) in [
        ("-device a,id=# -set device.z.a=1", false),
        ("-object memory-backend-ram,id=#,size=1M", false),
        ("-chardev socket,id=# -mon #", false),
        ("-qmp chardev:a", false),
        ("-global a.b=c", false),
        ("-m 1M", true),
    ] {
        let line = filled(options);
        let begun = Instant::now();
        let command = QemuCommand::parse(&line);
        assert!(begun.elapsed() < PATIENCE, "{options}: {:?}", begun.elapsed());
        assert_eq!(command.unread.is_none(), one, "{options}");
    }
}

#[test]
fn a_value_of_many_parts_is_read_in_linear_time() {
    let nodes = format!("memory-backend-ram,id=a{}", ",host-nodes=0".repeat(LONGEST / 13));
    let accelerators = format!("accel={}", ":".repeat(LONGEST));
    let json = format!(r#"{{"{}":{{{}"z":1}}}}"#, "k".repeat(LONGEST / 2), keys(LONGEST / 2));
    for line in [["-object", &nodes], ["-machine", &accelerators], ["-device", &json]] {
        let begun = Instant::now();
        parse(&line);
        assert!(begun.elapsed() < PATIENCE, "{}: {:?}", line[0], begun.elapsed());
    }
}

/// So many bytes of keys of an object.
fn keys(length: usize) -> String {
    (0..length / 11).map(|number| format!(r#""{number:06}":1,"#)).collect()
}

#[test]
fn what_is_beyond_the_sections_that_are_kept_is_unknown() {
    let devices = |count: usize| {
        let mut line = vec!["-m".to_owned(), "512".to_owned()];
        for number in 1..count {
            line.extend(words(&format!("-device virtio-net-pci,id={number}")));
        }
        QemuCommand::parse(&line)
    };
    assert_eq!(devices(MOST).size(), Ok(Bytes(512 << 20)));
    let command = devices(MOST + 1);
    assert!(command.size().is_err_and(|reason| reason.contains("more than 4096")));
    assert_eq!((command.virtual_cpus(), command.passes_through()), (None, None));
    assert_eq!((command.is_encrypted(), command.accelerator()), (None, None));
    assert_eq!((command.shares_memory(), command.is_incoming()), (None, None));
    assert!(no_monitor(Some(&command)).contains("is not known"));
}

/// Half a megabyte of options was read as 37,000 files, or as a path of some hundred kilobytes
/// thousands of times.
#[test]
fn what_is_named_again_and_again_stays_bounded() {
    let (mut read, line) = (0, vec!["-readconfig".to_owned(); 10_000]);
    let command = QemuCommand::with_files(&line, |_| {
        read += 1;
        Ok(String::new())
    });
    assert_eq!((read, command.unread.is_some()), (MOST_FILES, true));
    let (mut failed, line) = (0, vec!["-readconfig".to_owned(); 4]);
    QemuCommand::with_files(&line, |_| {
        failed += 1;
        Err("late".to_owned())
    });
    assert_eq!(failed, 1, "one is enough");
    let socket = |path: &str| format!("socket,id=a,server=on,path={path}");
    let mut line = vec!["-chardev".to_owned(), socket("/run/a")];
    for _ in 0..1000 {
        line.extend(["-mon".to_owned(), "chardev=a,mode=control".to_owned()]);
    }
    assert!(QemuCommand::parse(&line).qmp_sockets.len() <= 16);
    line[1] = socket(&"a".repeat(1 << 18));
    assert_eq!(QemuCommand::parse(&line).qmp_sockets, [""; 0]);
}

#[test]
fn what_is_kept_of_a_long_command_line_is_short() {
    let mut line = Vec::new();
    for option in ["-name", "-id", "-uuid", "-pidfile"] {
        line.extend([option.to_owned(), format!("/{0}/{0}", "a".repeat(1 << 16))]);
    }
    for number in 0..1000 {
        line.extend(words(&format!("-smbios type=1,product={number}{}", "b".repeat(999))));
    }
    let command = QemuCommand::parse(&line);
    assert_eq!(command.name.map(|name| name.len()), Some(1024));
    assert_eq!((command.platform_id, command.directories), (None, vec![]));
    assert_eq!(command.products.len(), 16);
}
