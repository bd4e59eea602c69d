//! The built program, as a user at a shell sees it: help, errors, exit codes, pipes. Needs no
//! privileges and no eBPF.

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use common::{memtrace, run, text};
use memtrace_core::policy::Decisions;
use memtrace_core::units::WallNanos;
use memtrace_store::journal::{Journal, Limits};

fn stdout(output: &Output) -> String {
    text(&output.stdout).to_owned()
}

fn stderr(output: &Output) -> String {
    text(&output.stderr).to_owned()
}

/// Help of a command, on which users and manuals rely.
fn help(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{output:?}");
    stdout(&output)
}

#[test]
fn help_of_memtrace() {
    insta::assert_snapshot!(help(&["--help"]));
}

#[test]
fn help_of_top() {
    insta::assert_snapshot!(help(&["top", "--help"]));
}

#[test]
fn help_of_doctor() {
    insta::assert_snapshot!(help(&["doctor", "--help"]));
}

#[test]
fn help_of_selftest() {
    insta::assert_snapshot!(help(&["selftest", "--help"]));
}

#[test]
fn help_of_record() {
    insta::assert_snapshot!(help(&["record", "--help"]));
}

#[test]
fn help_of_export() {
    insta::assert_snapshot!(help(&["export", "--help"]));
}

#[test]
fn a_file_that_is_no_recording_is_not_exported() {
    let output = run(&["export", env!("CARGO_MANIFEST_PATH")]);
    assert!(stderr(&output).contains("not a recording of memtrace"), "{output:?}");
}

#[test]
fn help_of_exporter() {
    insta::assert_snapshot!(help(&["exporter", "--help"]));
}

#[test]
fn help_of_mitigate() {
    insta::assert_snapshot!(help(&["mitigate", "--help"]));
}

#[test]
fn help_of_explain() {
    insta::assert_snapshot!(help(&["explain", "--help"]));
}

#[test]
fn help_of_simulate() {
    insta::assert_snapshot!(help(&["simulate", "--help"]));
}

#[test]
fn help_of_config() {
    for words in [&["config"][..], &["config", "check"], &["config", "show"], &["config", "path"]] {
        insta::assert_snapshot!(words.join("_"), help(&[words, &["--help"]].concat()));
    }
}

#[test]
fn a_configuration_is_checked_shown_and_found() {
    let directory = tempfile::tempdir().expect("there is room");
    let file = directory.path().join("memtrace.toml");
    std::fs::write(&file, "[policy]\nsoft = 25\n").expect("it is written");
    let file = file.display().to_string();
    for check in [&["config", "check"][..], &["check-config"]] {
        assert!(help(&[check, &[&*file]].concat()).contains("memtrace.toml: fine\nmode observe"));
    }
    let shown = help(&["config", "show", &file]);
    assert!(shown.lines().any(|line| line.starts_with("soft = 25 ") && line.ends_with(":2")));
    assert!(help(&["config", "show", &file, "--json"]).starts_with("{\"files\":["));
    let defaults = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/memtrace.toml"));
    assert_eq!(help(&["config", "show", "--default"]), defaults);
    assert_eq!(help(&["config", "path", &file]), format!("{file}\n"));
    std::fs::write(&file, "mdoe = 1\n").expect("it is written");
    for words in ["check", "show", "path"] {
        let output = run(&["config", words, &file]);
        assert_eq!(output.status.code(), Some(78), "{output:?}");
        let told = [stdout(&output), stderr(&output)].concat();
        assert!(told.contains("memtrace.toml:1:1: mdoe: unknown key"), "{told}");
    }
}

#[test]
fn help_of_status() {
    insta::assert_snapshot!(help(&["status", "--help"]));
}

#[test]
fn where_nothing_runs_status_says_so_with_3() {
    let directory = tempfile::tempdir().expect("there is room");
    let place = directory.path().to_string_lossy();
    let config = directory.path().join("memtrace.toml");
    let socket = directory.path().join("samples.sock");
    fs::write(&config, format!("[samples]\nsocket = \"{}\"\n", socket.display())).unwrap();
    let config = config.to_string_lossy();
    let status = ["status", "--state-dir", &place, "--config", &config];
    let output = run(&status);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(stdout(&output), "memtrace mitigate doesn't run\n");
    let (journal, _) = Journal::open(directory.path(), Limits::default()).expect("it is free");
    let output = run(&[&status[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let document: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(document["pid"], std::process::id());
    drop(journal);
}

#[test]
fn help_of_man() {
    insta::assert_snapshot!(help(&["man", "--help"]));
}

#[test]
fn help_of_completions() {
    insta::assert_snapshot!(help(&["completions", "--help"]));
}

#[test]
fn every_command_has_its_help_pinned_here() {
    let help = help(&["--help"]);
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Look:")
        .take_while(|line| *line != "Options:")
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .collect();
    let all = "top doctor selftest explain status mitigate record report export advise simulate metrics \
               exporter check zabbix stream fleet config man completions help";
    assert_eq!(commands.join(" "), all);
}

#[test]
fn help_has_the_help_of_a_command() {
    assert_eq!(help(&["help", "top"]), help(&["top", "--help"]));
    assert_eq!(help(&["help", "zabbix", "get"]), help(&["zabbix", "get", "--help"]));
    assert_eq!(help(&["help"]), help(&["--help"]));
}

#[test]
fn the_version_is_the_packages() {
    assert_eq!(help(&["--version"]), format!("memtrace {}\n", env!("CARGO_PKG_VERSION")));
}

/// The message for a command line that is wrong: on standard error, with code 2.
fn refusal(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    assert_eq!(stdout(&output), "", "{arguments:?}");
    stderr(&output)
}

#[test]
fn an_invalid_command_line_exits_with_2() {
    for arguments in [&["--nonsense"][..], &["nonsense"], &["top", "--nonsense"], &["completions"]]
    {
        assert!(refusal(arguments).contains("Usage:"), "{arguments:?}");
    }
}

#[test]
fn an_unknown_column_is_answered_with_the_valid_ones() {
    let error = refusal(&["top", "--sort", "nonsense"]);
    for column in ["name", "rss", "swap", "stall", "caused", "taken"] {
        assert!(error.contains(column), "{column}: {error}");
    }
}

#[test]
fn columns_are_chosen_listed_and_suggested() {
    let list = help(&["top", "--columns", "help"]);
    assert!(list.lines().any(|line| line.starts_with("stall      STALL      time its threads")));
    let error = refusal(&["top", "--columns", "name,stal"]);
    assert!(error.contains("similar value exists: 'stall'"), "{error}");
    let recording = concat!(env!("CARGO_MANIFEST_DIR"), "/store/src/recording/tests/kept/v3.mtrec");
    let table = help(&["top", "--replay", recording, "--once", "--columns", "rss,stall"]);
    let head = table.lines().find(|line| line.starts_with("NAME")).expect("it has a head");
    let titles: Vec<&str> = head.split_whitespace().collect();
    assert_eq!(titles, ["NAME", "RSS", "STALL"]);
}

#[test]
fn a_bad_expression_is_refused_and_explained() {
    let error = refusal(&["top", "--filter", "web("]);
    assert!(error.contains("unclosed group"), "{error}");
}

#[test]
fn an_interval_out_of_range_is_refused_with_the_range() {
    for interval in ["0", "0.01", "50ms", "61", "2min", "x"] {
        let error = refusal(&["top", "--interval", interval]);
        assert!(error.contains("from 100ms to 1m"), "{interval}: {error}");
    }
}

#[test]
fn a_time_that_is_none_is_refused_with_the_forms() {
    for arguments in [
        &["explain", "--at", "soon"][..],
        &["explain", "--at", "+5m"],
        &["top", "--replay", "missing", "--from", "soon"],
    ] {
        let error = refusal(arguments);
        assert!(error.contains("time such as 14:05, '2026-11-23 14:05"), "{arguments:?}: {error}");
    }
}

#[test]
fn a_count_out_of_range_is_refused_with_the_range() {
    for arguments in
        [["top", "-n", "0"], ["stream", "-n", "0"], ["mitigate", "-n", "0"], ["top", "-n", "x"]]
    {
        let error = refusal(&arguments);
        assert!(error.contains("a whole number from 1"), "{arguments:?}: {error}");
    }
}

#[test]
fn a_size_that_is_none_is_refused_with_the_units_of_the_help() {
    for arguments in [
        &["advise", "--add", "512"][..],
        &["advise", "--add", "+16G"],
        &["fleet", "--prometheus", "http://localhost:1", "--fit", "x"],
    ] {
        let error = refusal(arguments);
        assert!(error.contains("unit K, M, G or T"), "{arguments:?}: {error}");
    }
}

#[test]
fn a_broken_configuration_that_was_named_is_an_error() {
    let directory = tempfile::tempdir().expect("there is room");
    let file = directory.path().join("broken.toml");
    std::fs::write(&file, "intervall = 1\n").expect("it is written");
    let file = file.display().to_string();
    let recording = concat!(env!("CARGO_MANIFEST_DIR"), "/store/src/recording/tests/kept/v3.mtrec");
    for arguments in [
        &["top", "--once"][..],
        &["top", "--json"],
        &["explain", "--json"],
        &["mitigate", "-n", "1"],
        &["doctor", "--json"],
        &["advise"],
        &["report", recording, "-o", "-"],
        &["simulate", "--replay", recording],
    ] {
        let output = run(&[arguments, &["--config", &file]].concat());
        assert_eq!(output.status.code(), Some(78), "{arguments:?}: {output:?}");
        let told = stderr(&output);
        assert!(told.contains("did you mean `interval`?"), "{arguments:?}: {told}");
    }
}

#[test]
fn lines_of_the_journal_that_cannot_be_read_are_reported_with_json_too() {
    let directory = tempfile::tempdir().expect("there is room");
    let (mut journal, _) = Journal::open(directory.path(), Limits::default()).expect("it is free");
    let at = WallNanos(1_700_000_000_000_000_000);
    journal.note(at, false, &Decisions::default(), []).expect("it is written");
    drop(journal);
    let file = directory.path().join("journal-000001.jsonl");
    let mut file = std::fs::File::options().append(true).open(file).expect("it is there");
    file.write_all(b"nonsense\n").expect("it is written");
    let place = directory.path().to_string_lossy();
    let explain = ["explain", "--at", "1s", "--state-dir", &place, "--config", "/dev/null"];
    for (option, told) in [(&[][..], stdout as fn(&Output) -> String), (&["--json"], stderr)] {
        let output = run(&[&explain[..], option].concat());
        assert!(output.status.success(), "{output:?}");
        assert!(told(&output).contains("1 unreadable line in the journal"), "{output:?}");
    }
}

#[test]
fn an_invalid_rust_log_is_reported_once() {
    let mut command = memtrace(&["check-config", "/dev/null"]);
    let output = command.env("RUST_LOG", "memtrace=loud").output().expect("memtrace runs");
    assert!(output.status.success(), "{output:?}");
    assert!(stderr(&output).starts_with("memtrace: RUST_LOG is ignored: "), "{output:?}");
}

#[test]
fn an_error_has_its_priority_in_the_journal() {
    let directory = tempfile::tempdir().expect("there is room");
    let file = directory.path().join("stderr");
    let written = |stream: &str| {
        let stderr = std::fs::File::create(&file).expect("it is made");
        let mut command = memtrace(&["config", "show", "/nowhere.toml"]);
        command.stderr(stderr).env("JOURNAL_STREAM", stream);
        assert_eq!(command.status().expect("memtrace runs").code(), Some(78));
        std::fs::read_to_string(&file).expect("it is there")
    };
    let told = "memtrace: invalid configuration:\n";
    assert!(written("0:0").starts_with(told));
    let file = std::fs::metadata(&file).expect("it is there");
    let stream = format!("{}:{}", file.dev(), file.ino());
    let text = written(&stream);
    assert!(text.starts_with(&format!("<3>{told}<3>/nowhere.toml: ")), "{text}");
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let recording = concat!(env!("CARGO_MANIFEST_DIR"), "/store/src/recording/tests/kept/v3.mtrec");
    let output = run(&["report", recording, "-o", "/nonexistent/x.html"]);
    assert_eq!(output.status.code(), Some(1));
    let told = "cannot write /nonexistent/x.html: No such file or directory (os error 2)\n";
    assert!(stderr(&output).ends_with(told), "{output:?}");
}

#[test]
fn a_simulation_prints_a_table_or_json_or_what_there_is() {
    let table = help(&["simulate", "idle", "--policy", "nothing", "--policy", "mom"]);
    assert!(table.starts_with("idle\n") && table.contains("* mom "), "{table}");
    let json = help(&["simulate", "idle", "--policy", "mom", "--json"]);
    let row = r#"{"rows":[{"scenario":"idle","policy":"mom","outcome":{"stall_seconds":"#;
    assert!(json.starts_with(row), "{json}");
    let list = help(&["simulate", "--list"]);
    assert!(list.contains("boot-storm") && list.contains("hypeman"), "{list}");
}

#[test]
fn a_simulation_goes_by_the_configuration_that_it_is_given() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("new.toml");
    std::fs::write(&path, "[policy]\ninflate = false\nwin_back = false\n").expect("written");
    let config = ["--config", path.to_str().expect("it is text")];
    let stalls = |arguments: &[&str]| {
        let policies = ["--policy", "nothing", "--policy", "memtrace", "--json"];
        let output = run(&[&["simulate"], arguments, &policies].concat());
        let document: serde_json::Value =
            serde_json::from_slice(&output.stdout).expect("it is JSON");
        let runs = document.get("rows").unwrap_or(&document["hosts"][0]["runs"]);
        [0, 1].map(|run| runs[run]["outcome"]["stall_seconds"].as_f64().expect("a number"))
    };
    let drawn = ["--population", "1", "--seed", "7"];
    for simulated in [&["leak"][..], &["--population-host", "7"], &drawn] {
        let [nothing, by_default] = stalls(simulated);
        assert!(by_default < nothing, "{simulated:?}: {by_default} of {nothing}");
        let [nothing, by_config] = stalls(&[simulated, &config[..]].concat());
        assert!(by_config.total_cmp(&nothing).is_eq(), "{simulated:?}: {by_config} of {nothing}");
    }
    let explained = ["leak", "--explain", "host", "--at", "600"];
    let told = |more: &[&str]| run(&[&["simulate"], &explained[..], more].concat()).stdout;
    assert!(told(&[]) != told(&config));
    std::fs::write(&path, "[policy]\ninflat = false\n").expect("written");
    assert_eq!(run(&["simulate", "leak", "--config", config[1]]).status.code(), Some(78));
}

#[test]
fn a_simulation_that_asks_for_what_is_not_there_is_refused_with_2() {
    for (arguments, told) in [
        (&["simulate", "nonsense"][..], "scenarios: idle"),
        (&["simulate", "idle", "--policy", "nonsense"], "policies: nothing"),
        (&["simulate", "idle", "--explain", "nobody", "--at", "5"], "VMs: host, guest-1"),
        (&["simulate", "idle", "--explain", "guest-1", "--at", "9999"], "are 1 to 600"),
        (&["simulate", "--show"], "exactly one scenario"),
        (&["simulate", "--population", "1", "--seed", "1000000000"], "--reporting"),
        (&["simulate", "--population-host", "1000000000"], "no number of a policy"),
        (&["simulate", "--population", "0"], "1..=1000000"),
    ] {
        let error = refusal(arguments);
        assert!(error.contains(told), "{arguments:?}: {error}");
    }
}

#[test]
fn drawn_hosts_are_a_table_json_or_a_scenario_file_that_can_be_simulated() {
    let table = help(&["simulate", "--population", "2", "--policy", "nothing", "--seed", "7"]);
    assert!(table.contains("all: 2 hosts\n") && table.contains("regret"), "{table}");
    let json =
        help(&["simulate", "--population", "1", "--policy", "nothing", "--seed", "7", "--json"]);
    assert!(
        json.starts_with(r#"{"schema_version":1,"first_seed":7,"sections":[{"fit":"#),
        "{json}"
    );
    let file = help(&["simulate", "--population-host", "7", "--show"]);
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("host-7.toml");
    std::fs::write(&path, file).expect("it is written");
    let path = path.to_str().expect("it is text");
    let again = help(&["simulate", path, "--policy", "nothing", "--json"]);
    let drawn = help(&["simulate", "--population-host", "7", "--policy", "nothing", "--json"]);
    assert_eq!(again, drawn);
    let table = help(&["simulate", "--population-host", "7", "--policy", "nothing"]);
    assert!(table.contains("needs at most") && table.contains("host-7\n"), "{table}");
    // As in the help's example.
    let example = ["simulate", "--population-host", "10", "--explain", "files-15", "--at", "800"];
    assert!(help(&example).contains("\nfiles-15\n"));
}

#[test]
fn a_scenario_file_that_is_wrong_is_told_with_its_name() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("bad.toml");
    std::fs::write(&path, "about = \"x\"\nsecond = 5\n").expect("it is written");
    let output = run(&["simulate", path.to_str().expect("it is text")]);
    assert_eq!(output.status.code(), Some(1));
    let error = stderr(&output);
    assert!(["bad.toml", "line 2", "second"].iter().all(|part| error.contains(part)), "{error}");
}

#[test]
fn completions_for_the_usual_shells() {
    for (shell, word) in
        [("bash", "complete -F"), ("zsh", "#compdef memtrace"), ("fish", "complete -c memtrace")]
    {
        let script = help(&["completions", shell]);
        assert!(script.contains(word), "{shell}: {script}");
        assert!(script.contains("doctor") && script.contains("interval"), "{shell}");
        assert!(!script.contains("selftest-guest"), "{shell} is told of a command that is none");
    }
}

#[test]
fn manual_pages_of_memtrace_and_its_commands() {
    assert!(help(&["man"]).contains(".TH MEMTRACE 8"));
    assert!(help(&["man", "zabbix", "get"]).contains(".TH MEMTRACE-ZABBIX-GET 8"));
    assert!(help(&["man", "top"]).contains("interval"));
    let error = refusal(&["man", "nonsense"]);
    assert!(error.contains("simulate, config, man, completions"), "{error}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (reader, writer) = std::io::pipe().expect("there is a pipe");
    drop(reader);
    for arguments in [&["completions", "zsh"][..], &["man"], &["--help"]] {
        let writer = writer.try_clone().expect("there is another descriptor");
        let output = memtrace(arguments).stdout(writer).output().expect("memtrace runs");
        assert_eq!(
            (output.status.code(), stderr(&output)),
            (Some(0), String::new()),
            "{arguments:?}"
        );
    }
}

#[test]
fn no_color_leaves_no_escape_codes() {
    for (variable, expected) in [(None, true), (Some("1"), false)] {
        // With this, clap's errors are coloured on pipes too, unless NO_COLOR forbids it.
        let mut command = memtrace(&["top", "--nonsense"]);
        command.env("CLICOLOR_FORCE", "1");
        if let Some(value) = variable {
            command.env("NO_COLOR", value).env_remove("CLICOLOR_FORCE");
        }
        let output = command.output().expect("memtrace runs");
        assert_eq!(stderr(&output).contains('\x1b'), expected, "{variable:?}");
    }
}

/// Runs the program without any privilege, even if the test runs as root.
fn unprivileged(arguments: &[&str]) -> Output {
    const NOBODY: u32 = 65_534;
    // The build directory may be inaccessible to other users.
    let directory = tempfile::tempdir().expect("there is a directory");
    let program = directory.path().join("memtrace");
    // A separate process copies it: a child of another test would inherit a descriptor that is
    // open for writing, and exec would fail with ETXTBSY.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_memtrace")).arg(&program).status();
    assert!(copied.expect("there is cp").success());
    for path in [directory.path(), &program] {
        let all = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, all).expect("it can be opened to all");
    }
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).current_dir("/");
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY);
    }
    command.output().expect("memtrace runs")
}

#[test]
fn without_privileges_top_names_what_is_missing_and_what_to_run() {
    for arguments in [&["top"][..], &["top", "--once"], &["top", "--json"], &[]] {
        let output = unprivileged(arguments);
        assert_eq!(output.status.code(), Some(77), "{arguments:?}: {output:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
        let told = stderr(&output);
        assert!(told.contains("CAP_BPF") && told.contains("sudo "), "{arguments:?}: {told}");
    }
}

#[test]
fn without_privileges_a_check_is_unknown_in_one_line() {
    let output = unprivileged(&["check"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let line = stdout(&output);
    assert!(line.starts_with("MEMTRACE UNKNOWN: ") && line.contains("CAP_BPF"), "{line}");
    assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
}

#[test]
fn a_check_whose_line_cannot_be_written_is_unknown() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let mut check = memtrace(&["check", "--source", "/nowhere/memtrace.prom"]);
    let status = check.stdout(full).status().expect("memtrace runs");
    assert_eq!(status.code(), Some(3));
}

#[test]
fn without_privileges_the_self_test_names_what_is_missing_and_starts_nothing() {
    let output = unprivileged(&["selftest", "--json"]);
    assert_eq!(output.status.code(), Some(77), "{output:?}");
    assert_eq!(stdout(&output), "");
    let told = stderr(&output);
    assert!(told.contains("CAP_BPF") && !told.contains("starting"), "{told}");
}

#[test]
fn the_doctor_is_asked_about_one_vm_and_knows_who_there_is() {
    let output = run(&["doctor", "no such VM", "--no-libvirt"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(4), String::new()), "{output:?}");
    assert!(stderr(&output).contains("no VM \"no such VM\""), "{output:?}");
}

#[test]
fn a_guest_of_the_self_test_refuses_another_parent() {
    let guest = ["__selftest-guest", "--parent=1", "--mib=1", "--stretch=1"];
    let output = run(&guest);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("the parent has exited"), "{output:?}");
}

#[test]
fn without_privileges_the_doctor_still_tells_what_it_can() {
    let output = unprivileged(&["doctor"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let report = stdout(&output);
    assert!(
        report.contains("missing CAP_BPF") && report.ends_with("unusable; see above\n"),
        "{report}"
    );
    let document = stdout(&unprivileged(&["doctor", "--json"]));
    let document: serde_json::Value = serde_json::from_str(&document).expect("it is JSON");
    assert_eq!(document.get("verdict"), Some(&"unusable".into()), "{document}");
    assert_eq!(document.get("schema_version"), Some(&1.into()), "{document}");
    assert!(report.contains("\naudit of "), "{report}");
    assert!(document["audit"]["findings"].is_array(), "{document}");
}

/// Hosts without libvirt run it too: its library is in the helper alone.
#[test]
fn it_does_not_link_libvirt() {
    let linked =
        Command::new("ldd").arg(env!("CARGO_BIN_EXE_memtrace")).output().expect("ldd runs");
    let text = String::from_utf8_lossy(&linked.stdout);
    assert!(text.contains("libc.so"), "{text}");
    assert!(!text.contains("libvirt"), "{text}");
}
