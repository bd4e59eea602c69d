//! The schema: valid keys, and the settings that they set.

use std::path::Path;

use super::problem::Problem;
use super::reader::{Read, Reader, Section};
use super::{
    Config, JournalConfig, MetricsConfig, RecordConfig, SamplesConfig, alert, hook, policy, vm,
};
use memtrace_core::interval;
use memtrace_core::reactor::Mode;
use memtrace_core::units::Bytes;

/// Applies one file to `config`, and returns its errors.
pub(super) fn apply(config: &mut Config, file: &Path, text: &str) -> Vec<Problem> {
    read(config, file, text).problems
}

/// Applies one file to `config`, and returns what was read.
pub(super) fn read(config: &mut Config, file: &Path, text: &str) -> Read {
    let reader = Reader::new(file, text);
    root(config, &mut reader.root());
    reader.finish()
}

fn root(config: &mut Config, root: &mut Section<'_, '_>) {
    root.choose(
        "mode",
        &[("observe", Mode::Observe), ("enforce", Mode::Enforce)],
        &mut config.mode,
    );
    let limits = (interval::SHORTEST, interval::LONGEST);
    root.within("interval", limits, "from 100ms to 1min", &mut config.interval);
    root.set("libvirt", &mut config.libvirt);
    root.set("always_hooked", &mut config.always_hooked);
    root.set("give_back", &mut config.give_back);
    let mut scope = root.section("scope");
    let place = scope.optional("cgroup", &mut config.scope);
    if let (Some(place), Some(cgroup)) = (place, &config.scope)
        && !cgroup.starts_with('/')
    {
        scope.problem(place, "cgroup", "must begin with `/`, the root of its hierarchy");
    }
    metrics(&mut config.metrics, &mut root.section("metrics"));
    samples(&mut config.samples, &mut root.section("samples"));
    journal(&mut config.journal, &mut root.section("journal"));
    record(&mut config.record, &mut root.section("record"));
    policy::read(&mut config.rules, &mut root.section("policy"));
    hook::read(&mut config.hook, &mut config.rules.hook, &mut root.section("hook"));
    alert::read(&mut config.alert, &mut root.section("alert"));
    for (place, mut section) in root.tables("vm") {
        config.rules.vms.extend(vm::read(&place, &mut section));
    }
}

fn metrics(metrics: &mut MetricsConfig, section: &mut Section<'_, '_>) {
    section.optional("listen", &mut metrics.listen);
    section.optional("socket_group", &mut metrics.access.group);
    section.set("socket_mode", &mut metrics.access.mode);
}

fn samples(samples: &mut SamplesConfig, section: &mut Section<'_, '_>) {
    section.set("serve", &mut samples.serve);
    section.set("socket", &mut samples.socket);
}

fn journal(journal: &mut JournalConfig, section: &mut Section<'_, '_>) {
    section.set("directory", &mut journal.directory);
    let limits = (Bytes(64 << 10), Bytes(1 << 30));
    section.within("file", limits, "from 64KiB to 1GiB", &mut journal.limits.file);
    section.within("files", (2, 1000), "from 2 to 1000", &mut journal.limits.files);
}

fn record(record: &mut RecordConfig, section: &mut Section<'_, '_>) {
    section.set("use", &mut record.used);
    section.set("directory", &mut record.directory);
    let limits = (Bytes(8 << 20), Bytes(1 << 40));
    section.within("size", limits, "from 8MiB to 1TiB", &mut record.limits.total);
}
