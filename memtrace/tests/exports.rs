//! `memtrace check`, `metrics`, `fleet`, `zabbix` and `stream` as their callers see them. Nothing
//! here needs privileges.

mod common;

use common::{run, text};

fn help(command: &str) -> String {
    let output = run(&[command, "--help"]);
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout).to_owned()
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
fn help_of_zabbix() {
    insta::assert_snapshot!(help("zabbix"));
}

#[test]
fn an_unavailable_zabbix_item_is_not_supported_with_the_reason() {
    let cases = [
        (&["get", "nonsense"][..], "ZBX_NOTSUPPORTED: unknown metric nonsense"),
        (&["discover", "--source", "/nowhere.prom"], "ZBX_NOTSUPPORTED: cannot read memtrace's"),
        (&["discover", "--from", "/nowhere.prom"], "ZBX_NOTSUPPORTED: cannot read memtrace's"),
    ];
    for (words, told) in cases {
        let output = run(&[&["zabbix"], words].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text(&output.stdout).starts_with(told), "{output:?}");
        // Agents read both.
        assert!(
            output.stderr.is_empty() && text(&output.stdout).lines().count() == 1,
            "{output:?}"
        );
    }
}

#[test]
fn a_check_by_a_running_memtrace_needs_no_measurement() {
    let directory = tempfile::tempdir().expect("there is room");
    let file = directory.path().join("m.prom");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("it is after 1970").as_secs();
    let page = format!(
        "memtrace_sample_timestamp_seconds {now}\nmemtrace_host_memory_bytes 100\n\
         memtrace_host_memory_available_bytes 7\nmemtrace_host_pressure_10s_ratio{{kind=\"some\"}} 0\n\
         memtrace_host_swap_in_bytes_per_second 0\nmemtrace_host_swap_used_bytes 0\n"
    );
    std::fs::write(&file, page).expect("it is written");
    let output = run(&["check", "--source", &file.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let line = text(&output.stdout);
    assert!(line.starts_with("MEMTRACE WARNING: host: available 7.0 % (OK: 10:) | "), "{line}");
    let missing = run(&["check", "--source", "/nowhere.prom"]);
    assert_eq!(missing.status.code(), Some(3), "{missing:?}");
}

#[test]
fn help_of_fleet() {
    insta::assert_snapshot!(help("fleet"));
}

#[test]
fn the_page_of_the_metrics_is_what_it_prints() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md"));
    assert!(text(&run(&["metrics", "--describe"]).stdout) == page);
}

#[test]
fn the_explained_example_is_what_it_prints() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/explain.md"));
    let words = ["simulate", "night-batch", "--explain", "web", "--at", "395"];
    assert!(page.contains(&format!("memtrace {}\n", words.join(" "))));
    let printed = run(&words);
    assert!(page.contains(&format!("```text\n{}```\n", text(&printed.stdout))), "{printed:?}");
}

#[test]
fn the_page_of_the_stream_is_what_it_prints() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/stream.md"));
    assert!(text(&run(&["stream", "--describe"]).stdout) == page);
}

#[test]
fn the_schema_of_the_stream_is_json() {
    let printed = run(&["stream", "--describe", "--json"]);
    let schema: serde_json::Value =
        serde_json::from_str(text(&printed.stdout)).expect("it is JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(
        schema["properties"]["wall"]["description"],
        "When the kernel's counters were read."
    );
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
        assert!(text(&output.stdout).starts_with("MEMTRACE UNKNOWN: "), "{output:?}");
        assert_eq!(text(&output.stdout).lines().count(), 1, "{output:?}");
    }
    // Elsewhere clap's code stays.
    assert_eq!(run(&["stream", "--nonsense"]).status.code(), Some(2));
}
