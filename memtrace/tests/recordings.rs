//! `memtrace report` and `memtrace simulate --replay` as their callers see them, with the
//! recording that is kept of a released format. Nothing here needs privileges.

use std::process::{Command, Output, Stdio};

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/record/tests/kept/v1.mtrec");

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    command.args(arguments).stdin(Stdio::null());
    for variable in ["COLUMNS", "NO_COLOR", "CLICOLOR_FORCE", "RUST_LOG"] {
        command.env_remove(variable);
    }
    command.output().expect("memtrace runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it is text")
}

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
    assert!(text(&wrong.stderr).contains("it is no recording of memtrace"), "{wrong:?}");
}

#[test]
fn a_recording_is_simulated_as_a_table_or_json() {
    let directory = tempfile::tempdir().expect("there is room");
    let config = directory.path().join("new.toml");
    std::fs::write(&config, "[policy]\nsoft = 30\n").expect("it is written");
    let config = config.to_string_lossy();
    let table = run(&["simulate", "--replay", RECORDING, "--config", &config]);
    assert!(table.status.success(), "{table:?}");
    assert!(text(&table.stdout).contains("only observed in 6"), "{table:?}");
    let json = run(&["simulate", "--replay", RECORDING, "--config", &config, "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).expect("it is JSON");
    assert_eq!((&value["moments"], &value["observed"]), (&12.into(), &6.into()));
    std::fs::write(directory.path().join("new.toml"), "[policy]\nsotf = 30\n").expect("written");
    let wrong = run(&["simulate", "--replay", RECORDING, "--config", &config]);
    assert!(!wrong.status.success() && text(&wrong.stderr).contains("soft"), "{wrong:?}");
    for refused in
        [&["idle", "--replay", "a"][..], &["--config", "a"], &["--replay", "a", "--list"]]
    {
        let arguments: Vec<&str> = ["simulate"].iter().chain(refused).copied().collect();
        assert_eq!(run(&arguments).status.code(), Some(2), "{refused:?}");
    }
}

#[test]
fn help_of_advise() {
    let output = run(&["advise", "--help"]);
    assert!(output.status.success(), "{output:?}");
    insta::assert_snapshot!(text(&output.stdout));
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
    let wrong = run(&["advise", "nobody", "--dir", RECORDING]);
    assert!(text(&wrong.stderr).contains("there is no VM nobody"), "{wrong:?}");
    for refused in [&["--since", "soon"][..], &["--since", "0d"], &["--add", "16"]] {
        let arguments: Vec<&str> = ["advise"].iter().chain(refused).copied().collect();
        assert_eq!(run(&arguments).status.code(), Some(2), "{refused:?}");
    }
}
