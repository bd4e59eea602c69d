//! `memtrace check`, `memtrace metrics` and `memtrace stream` as their callers see them. Nothing
//! here needs privileges.

use std::process::{Command, Output, Stdio};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    command.args(arguments).stdin(Stdio::null());
    for variable in ["COLUMNS", "NO_COLOR", "CLICOLOR_FORCE", "RUST_LOG"] {
        command.env_remove(variable);
    }
    command.output().expect("memtrace runs")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("it is text")
}

fn help(command: &str) -> String {
    let output = run(&[command, "--help"]);
    assert!(output.status.success(), "{output:?}");
    stdout(&output).to_owned()
}

#[test]
fn help_of_check() {
    insta::assert_snapshot!(help("check"));
}

#[test]
fn help_of_metrics() {
    insta::assert_snapshot!(help("metrics"));
}

#[test]
fn the_page_of_the_metrics_is_what_it_prints() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md"));
    assert!(stdout(&run(&["metrics", "--describe"])) == page);
}

#[test]
fn help_of_stream() {
    insta::assert_snapshot!(help("stream"));
}

#[test]
fn a_command_line_that_is_wrong_is_unknown_and_not_critical() {
    for wrong in [&["check", "--nonsense"][..], &["-v", "check", "-w", "nonsense=1"]] {
        let output = run(wrong);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert!(stdout(&output).starts_with("MEMTRACE UNKNOWN: "), "{output:?}");
        assert_eq!(stdout(&output).lines().count(), 1, "{output:?}");
    }
    // Elsewhere clap's code stays.
    assert_eq!(run(&["stream", "--nonsense"]).status.code(), Some(2));
}
