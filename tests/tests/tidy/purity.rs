//! The core is pure: it gets data and gives data. Time is data there as well.

use crate::Finding;
use crate::imports::paths;
use crate::source::Source;

/// What is pure: files, and directories with a slash at their end.
const PURE: [&str; 36] = [
    "memtrace/src/advise/",
    "memtrace/src/alert/kills.rs",
    "memtrace/src/alert/rules.rs",
    "memtrace/src/alert/send/format.rs",
    "memtrace/src/alert/watch.rs",
    "memtrace/src/check/metric.rs",
    "memtrace/src/check/range.rs",
    "memtrace/src/check/report.rs",
    "memtrace/src/columns/",
    "memtrace/src/doctor/audit/",
    "memtrace/src/doctor/report.rs",
    "memtrace/src/export/",
    "memtrace/src/filter.rs",
    "memtrace/src/fleet/",
    "memtrace/src/format.rs",
    "memtrace/src/model/",
    "memtrace/src/policy/",
    "memtrace/src/probe/plan.rs",
    "memtrace/src/prometheus/reply.rs",
    "memtrace/src/report/",
    "memtrace/src/selftest/compare.rs",
    "memtrace/src/selftest/report.rs",
    "memtrace/src/selftest/rows.rs",
    "memtrace/src/selftest/side.rs",
    "memtrace/src/selftest/verdict.rs",
    "memtrace/src/sim/",
    "memtrace/src/simulate/replay/episode.rs",
    "memtrace/src/simulate/replay/run.rs",
    "memtrace/src/simulate/replay/table.rs",
    "memtrace/src/summary.rs",
    "memtrace/src/tally.rs",
    "memtrace/src/text.rs",
    "memtrace/src/tone.rs",
    "memtrace/src/truth/",
    "memtrace/src/tui/",
    "memtrace/src/zabbix/key.rs",
];

/// What among it is the way out, each with its reason.
const SHELL: [(&str, &str); 12] = [
    ("memtrace/src/advise/applying.rs", "asks, and writes the configuration"),
    ("memtrace/src/advise/history/mod.rs", "asks Prometheus"),
    ("memtrace/src/advise/mod.rs", "reads the recording, and prints what it came to"),
    ("memtrace/src/advise/tests.rs", "damages a recording"),
    ("memtrace/src/advise/tests/month.rs", "makes one"),
    ("memtrace/src/fleet/mod.rs", "from what was typed to a view"),
    ("memtrace/src/fleet/tests/http.rs", "stands in for Prometheus"),
    ("memtrace/src/fleet/watch.rs", "asks again and again"),
    ("memtrace/src/report/mod.rs", "reads the recording, and writes what the page came to"),
    ("memtrace/src/report/progress.rs", "tells how far reading has come"),
    ("memtrace/src/tui/terminal.rs", "the one file that owns the terminal"),
    ("memtrace/src/tui/terminal/pages.rs", "a part of it"),
];

/// What pure code does not name: a file, network, clock, thread, process, environment,
/// or whatever leads to one.
const IMPURE: [&str; 24] = [
    "std::env",
    "std::fs",
    "std::io::stdin",
    "std::io::stdout",
    "std::net",
    "std::os",
    "std::process",
    "std::sync::mpsc",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
    "Zoned::now",
    "Timestamp::now",
    "TimeZone::system",
    "aya",
    "libc",
    "rustix",
    "tokio",
    "virt",
    "crate::daemon::spawn",
    "crate::hostfs",
    "crate::vmm",
];

pub fn findings(source: &Source) -> Vec<Finding> {
    if !is_pure(&source.path) {
        return Vec::new();
    }
    let named = paths(source).into_iter();
    let impure = named.filter(|(_, path)| IMPURE.iter().any(|impure| leads_to(path, impure)));
    impure.map(|(line, path)| Finding::new(source, line, format!("{path} in pure code"))).collect()
}

fn is_pure(path: &str) -> bool {
    let in_core = PURE
        .iter()
        .any(|pure| if pure.ends_with('/') { path.starts_with(pure) } else { path == *pure });
    in_core && !SHELL.iter().any(|(shell, _)| path == *shell)
}

/// Whether `path` is `impure`, something in it, or everything around it.
fn leads_to(path: &str, impure: &str) -> bool {
    let glob = path.strip_suffix("::*").is_some_and(|module| impure.starts_with(module));
    let rest = path.strip_prefix(impure);
    glob || rest
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || rest.starts_with("as"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        findings(&Source::new(path, text)).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn impure_names_are_found_in_the_core() {
        let text = "use std::collections::BTreeMap;\n\
                    use std::{fmt, time::{Duration, Instant}};\n\
                    fn a() { std::fs::read(path); }\n\
                    use tokio::sync::watch;\n\
                    use aya as bpf;\n\
                    use std::time::*;\n\
                    let now = Instant::now();\n";
        assert_eq!(lines("memtrace/src/model/rates.rs", text), [2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn what_only_looks_like_it_is_fine() {
        let text = "use aya_log::x;\nuse std::time::Duration;\n// std::fs\nuse std::fmt::Write;\n";
        assert_eq!(lines("memtrace/src/model/rates.rs", text), []);
    }

    #[test]
    fn the_shell_may() {
        let text = "use std::fs;\n";
        for path in ["memtrace/src/daemon.rs", "memtrace/src/tui/terminal.rs"] {
            assert_eq!(lines(path, text), [], "{path}");
        }
        assert_eq!(lines("memtrace/src/tui/state.rs", text), [1]);
    }
}
