//! `memtrace report` and `memtrace simulate --replay` as their callers see them, with the
//! checked-in recording of the present format. Needs no privileges.

mod common;

use std::io::Write;
use std::path::Path;

use common::{run, text};
use memtrace_core::sample::{GuestSample, GuestStats};
use memtrace_core::units::{Bytes, Nanos, WallNanos};
use memtrace_store::recording::{Limits, Record, Recorder, Recording};

const RECORDING: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/store/src/recording/tests/kept/v3.mtrec");

#[test]
fn help_of_report() {
    let output = run(&["report", "--help"]);
    assert!(output.status.success(), "{output:?}");
    insta::assert_snapshot!(text(&output.stdout));
}

#[test]
fn a_recording_becomes_a_page_in_a_file_or_on_standard_output() {
    let directory = tempfile::tempdir().expect("there is room");
    let file = directory.path().join("report.html");
    let printed = run(&["report", RECORDING, "-o", "-"]);
    let page = text(&printed.stdout);
    assert!(printed.status.success() && page.ends_with("</html>"), "{printed:?}");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<svg"), "{page:.200}");
    let written = run(&["report", RECORDING, "-o", &file.to_string_lossy()]);
    assert!(written.status.success() && written.stdout.is_empty(), "{written:?}");
    assert_eq!(std::fs::read_to_string(&file).ok().as_deref(), Some(page));
    let wrong = run(&["report", env!("CARGO_MANIFEST_PATH"), "-o", "-"]);
    assert!(text(&wrong.stderr).contains("not a recording of memtrace"), "{wrong:?}");
}

#[test]
fn a_recording_is_simulated_as_a_table_or_json() {
    let directory = tempfile::tempdir().expect("there is room");
    let config = directory.path().join("new.toml");
    std::fs::write(&config, "[policy]\nsoft = 30\n").expect("it is written");
    let config = config.to_string_lossy();
    let table = run(&["simulate", "--replay", RECORDING, "--config", &config]);
    assert!(table.status.success(), "{table:?}");
    assert!(text(&table.stdout).contains("observe mode in 6"), "{table:?}");
    let json = run(&["simulate", "--replay", RECORDING, "--config", &config, "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).expect("it is JSON");
    assert_eq!((&value["moments"], &value["observed"]), (&12.into(), &6.into()));
    std::fs::write(directory.path().join("new.toml"), "[policy]\nsotf = 30\n").expect("written");
    let wrong = run(&["simulate", "--replay", RECORDING, "--config", &config]);
    assert!(!wrong.status.success() && text(&wrong.stderr).contains("soft"), "{wrong:?}");
    for refused in
        [&["idle", "--replay", "a"][..], &["--list", "--config", "a"], &["--replay", "a", "--list"]]
    {
        let arguments: Vec<&str> = ["simulate"].iter().chain(refused).copied().collect();
        assert_eq!(run(&arguments).status.code(), Some(2), "{refused:?}");
    }
}

/// The commands that read a recording, with their output for the checked-in one.
fn readers(recording: &str) -> [Vec<&str>; 6] {
    [
        vec!["export", recording],
        vec!["top", "--replay", recording, "--plain"],
        vec!["report", recording, "-o", "-"],
        vec!["advise", "--dir", recording],
        vec!["simulate", "--replay", recording, "--config", "/dev/null"],
        vec!["simulate", "--from-recording", recording],
    ]
}

#[test]
fn a_recording_without_a_sample_fails_and_says_what_is_lost() {
    let directory = tempfile::tempdir().expect("there is room");
    let path = directory.path().join("cut.mtrec");
    let whole = std::fs::read(RECORDING).expect("it can be read");
    // Cut after the file's first bytes, and within the first frame.
    for (length, lost) in [(20, "cut.mtrec: not closed; "), (99, "cut.mtrec: cut at byte 20; 79 ")]
    {
        std::fs::write(&path, &whole[..length]).expect("it is written");
        for arguments in readers(&path.to_string_lossy()) {
            let output = run(&arguments);
            assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""), "{output:?}");
            let told = text(&output.stderr);
            assert_eq!(told.matches(lost).count(), 1, "{arguments:?}: {told}");
            assert!(told.contains("no samples in "), "{arguments:?}: {told}");
        }
    }
}

#[test]
fn a_damaged_recording_is_read_and_the_loss_reported_once() {
    let directory = tempfile::tempdir().expect("there is room");
    let path = directory.path().join("cut.mtrec");
    let whole = std::fs::read(RECORDING).expect("it can be read");
    std::fs::write(&path, &whole[..whole.len() - 1]).expect("it is written");
    for arguments in readers(&path.to_string_lossy()) {
        let output = run(&arguments);
        assert!(output.status.success() && !output.stdout.is_empty(), "{output:?}");
        let told = text(&output.stderr);
        let lost = "cut.mtrec: index cut at byte ";
        assert_eq!(told.matches(lost).count(), 1, "{arguments:?}: {told}");
    }
}

/// Opening a pipe would wait for its writer.
#[test]
fn a_pipe_is_no_recording_and_no_configuration() {
    let directory = tempfile::tempdir().expect("there is room");
    let pipe = directory.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).expect("a pipe");
    let pipe = pipe.to_string_lossy();
    let configured = [
        (78, vec!["check-config", &pipe]),
        (1, vec!["advise", "--dir", RECORDING, "--apply-to", &pipe]),
        (1, vec!["zabbix", "discover", "--from", &pipe]),
    ];
    let readers = readers(&pipe).into_iter().map(|arguments| (1, arguments));
    for (code, arguments) in readers.chain(configured) {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        let told = [text(&output.stdout), text(&output.stderr)].concat();
        assert!(told.contains("not a regular file, but a named pipe"), "{arguments:?}: {told}");
    }
}

#[test]
fn a_configuration_is_read_from_standard_input() {
    let mut command = common::memtrace(&["check-config", "/dev/stdin"]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().expect("memtrace runs");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(b"intervall = 1\n").expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(text(&output.stdout).contains("/dev/stdin:1:1: "), "{output:?}");
}

#[test]
fn help_of_advise() {
    let output = run(&["advise", "--help"]);
    assert!(output.status.success(), "{output:?}");
    insta::assert_snapshot!(text(&output.stdout));
}

#[test]
fn a_recording_becomes_a_scenario_file() {
    let file = run(&["simulate", "--from-recording", RECORDING]);
    assert_eq!(file.status.code(), Some(0), "{file:?}");
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("recorded.toml");
    std::fs::write(&path, &file.stdout).expect("it is written");
    let path = path.to_string_lossy();
    let table = run(&["simulate", &path, "--policy", "nothing"]);
    assert!(table.stdout.starts_with(b"recorded\n"), "{table:?}");
    let missing = run(&["simulate", "--from-recording", "/nonexistent"]);
    assert_eq!(missing.status.code(), Some(1));
}

#[test]
fn a_recording_that_is_too_short_for_advice_says_so() {
    let short = run(&["advise", "--dir", RECORDING, "--add", "16G"]);
    assert!(short.status.success(), "{short:?}");
    assert!(text(&short.stdout).contains("too little data"), "{short:?}");
    let json = run(&["advise", "--dir", RECORDING, "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).expect("it is JSON");
    assert_eq!((&value["schema_version"], &value["host"]["added"]), (&1.into(), &().into()));
    let vms = value["vms"].as_array().expect("there are some");
    assert!(vms.iter().all(|vm| vm["size"].is_null() && vm["sure"] == "too_little"), "{value}");
    let wrong = run(&["advise", "missing", "--dir", RECORDING]);
    assert_eq!(wrong.status.code(), Some(4), "{wrong:?}");
    assert!(text(&wrong.stderr).contains("no VM \"missing\"; VMs: "), "{wrong:?}");
    for refused in [&["--since", "soon"][..], &["--since", "0d"], &["--add", "16"]] {
        let arguments: Vec<&str> = ["advise"].iter().chain(refused).copied().collect();
        assert_eq!(run(&arguments).status.code(), Some(2), "{refused:?}");
    }
}

/// Four days of one VM of 8 GiB, called web, that needs 2 of them: a sample for each quarter of
/// an hour, a tenth of a second apart for the recorder.
fn four_days(directory: &Path) {
    let mut kept = Recording::open(Path::new(RECORDING)).expect("it can be read");
    let Record { mut sample, .. } = kept.find(|moment| !moment.sample.vms.is_empty()).expect("VMs");
    let mut recorder = Recorder::open(directory, Limits::default()).expect("it is free");
    let (gib, begin) = (1 << 30, sample.wall.0);
    sample.vms.truncate(1);
    for step in 0..=4 * 96 {
        sample.at = Nanos(step * Nanos::SECOND.0 / 10);
        sample.wall = WallNanos(begin + step * 900 * Nanos::SECOND.0);
        let stats = GuestStats {
            updated: Some(sample.wall),
            total: Some(Bytes(8 * gib)),
            free: Some(Bytes(5 * gib)),
            available: Some(Bytes(6 * gib)),
            ..GuestStats::default()
        };
        let size = Some(Bytes(8 * gib));
        for vm in &mut sample.vms {
            vm.name = "web".into();
            let (actual, maximum, stats) = (size, size, Some(stats));
            vm.guest = GuestSample { actual, maximum, stats, ..GuestSample::default() };
        }
        recorder.push(Record { sample: sample.clone(), reaction: None }).expect("it is written");
    }
    recorder.close().expect("it is closed");
}

#[test]
fn bounds_are_written_into_a_configuration_once_that_is_agreed() {
    let directory = tempfile::tempdir().expect("there is room");
    let (days, file) = (directory.path().join("days"), directory.path().join("memtrace.toml"));
    four_days(&days);
    let (days, name) = (days.to_string_lossy(), file.to_string_lossy());
    let before = "[[vm]] # the shop\nname = \"web\"\nmaximum = \"9GiB\" # too much\n";
    std::fs::write(&file, before).expect("it is written");
    let apply = ["advise", "--dir", &days, "--apply-to", &name];
    let shown = run(&apply);
    assert!(shown.status.success(), "{shown:?}");
    for line in ["-maximum = \"9GiB\" # too much", "+maximum = \"8GiB\" # too much"] {
        assert!(text(&shown.stdout).contains(line), "{shown:?}");
    }
    assert!(text(&shown.stdout).contains("Not a terminal"), "{shown:?}");
    assert_eq!(std::fs::read_to_string(&file).ok().as_deref(), Some(before));
    let written = run(&[&apply[..], &["--yes"]].concat());
    assert!(written.status.success(), "{written:?}");
    let after = before.replace("9GiB", "8GiB") + "minimum = \"2464MiB\"\n";
    assert_eq!(std::fs::read_to_string(&file).ok(), Some(after));
    let again = run(&[&apply[..], &["--yes"]].concat());
    assert!(text(&again.stdout).contains("no changes"), "{again:?}");
    std::fs::write(&file, "[policy]\nsotf = 30\n").expect("it is written");
    let broken = run(&[&apply[..], &["--yes"]].concat());
    assert_eq!(broken.status.code(), Some(78), "{broken:?}");
    assert!(text(&broken.stderr).contains("memtrace.toml:2:1: policy.sotf"), "{broken:?}");
    assert_eq!(run(&["advise", "--yes"]).status.code(), Some(2));
}
