//! What to check by the metrics of a running memtrace. Pure.

use anyhow::Result;

use super::args::CheckArguments;
use super::metric::{Metric, Value};
use super::report::CheckReport;
use super::thresholds;
use crate::command::scraped;
use memtrace_core::model::Measured;
use memtrace_core::text::clean;
use memtrace_view::export::metrics::parse::Sample;
use memtrace_view::export::metrics::table::VM_LABELS;

const MIB: f64 = 1_048_576.0;
/// Which numbers of the host and of VMs are approximate.
const APPROXIMATE: (&str, &str) = ("memtrace_host_approximate", "memtrace_vm_approximate");

/// A number by the metric that has it, without `memtrace_`; `kind`: of its samples.
struct Read<'a> {
    samples: &'a [Sample],
    /// The identity of the VM; `None`: the host's.
    vm: Option<&'a str>,
}

impl Read<'_> {
    fn of(&self, name: &str, kind: Option<&str>) -> Option<f64> {
        let is_it = |sample: &&Sample| {
            let label = |name: &str| sample.labels.get(name).map(String::as_str);
            sample.name.strip_prefix("memtrace_") == Some(name)
                && (self.vm.is_none() || label(VM_LABELS[1]) == self.vm)
                && (kind.is_none() || label("kind") == kind)
        };
        self.samples.iter().find(is_it).map(|sample| sample.value)
    }

    fn value(&self, metric: Metric, name: &str, kind: Option<&str>, unit: f64) -> Value {
        let is_approximate = self.is_approximate(name);
        worth(metric, name, self.of(name, kind).map(|number| number / unit), is_approximate)
    }

    /// Whether the memtrace that measured it says so.
    fn is_approximate(&self, name: &str) -> bool {
        let whose = if self.vm.is_some() { APPROXIMATE.1 } else { APPROXIMATE.0 };
        self.samples.iter().any(|sample| {
            let label = |name: &str| sample.labels.get(name).map(String::as_str);
            sample.name == whose
                && (self.vm.is_none() || label(VM_LABELS[1]) == self.vm)
                && label("metric").and_then(|it| it.strip_prefix("memtrace_")) == Some(name)
        })
    }

    /// In per cent.
    fn share(&self, metric: Metric, part: &str, whole: &str) -> Value {
        let share = self.of(part, None).zip(self.of(whole, None));
        let share = share.filter(|(_, whole)| *whole > 0.0);
        let is_approximate = self.is_approximate(part) || self.is_approximate(whole);
        worth(metric, part, share.map(|(part, whole)| part * 100.0 / whole), is_approximate)
    }
}

/// The metrics don't tell why a number is approximate.
fn worth(metric: Metric, name: &str, number: Option<f64>, is_approximate: bool) -> Value {
    let number = number.filter(|number| number.is_finite());
    let measured: Measured<f64> = match number {
        Some(number) if is_approximate => {
            Measured::approximate(number, "as the memtrace that measured it says")
        }
        Some(number) => Measured::exact(number),
        None => Measured::absent(format!("no sample of memtrace_{name}")),
    };
    Value { metric, number, quality: measured.quality }
}

fn of_host(samples: &[Sample]) -> Vec<Value> {
    let host = Read { samples, vm: None };
    vec![
        host.share(Metric::Available, "host_memory_available_bytes", "host_memory_bytes"),
        host.value(Metric::PsiSome, "host_pressure_10s_ratio", Some("some"), 0.01),
        host.value(Metric::SwapIn, "host_swap_in_bytes_per_second", None, MIB),
        host.value(Metric::SwapUsed, "host_swap_used_bytes", None, MIB),
    ]
}

fn of_vm(samples: &[Sample], id: &str) -> Vec<Value> {
    let vm = Read { samples, vm: Some(id) };
    vec![
        vm.value(Metric::Stalled, "vm_stalled_ratio", None, 0.01),
        vm.value(Metric::SwapIn, "vm_swap_in_bytes_per_second", None, MIB),
        vm.value(Metric::SwapUsed, "vm_swap_bytes", None, MIB),
        vm.value(Metric::PsiSome, "vm_pressure_10s_ratio", Some("some"), 0.01),
        vm.share(Metric::GuestAvailable, "vm_guest_available_bytes", "vm_guest_memory_bytes"),
    ]
}

/// # Errors
/// When there is no such VM, or a threshold is of no metric of what is checked.
pub(super) fn report(samples: &[Sample], arguments: &CheckArguments) -> Result<CheckReport> {
    let (subject, values) = match &arguments.vm {
        None => {
            let info = samples.iter().find(|sample| sample.name == "memtrace_host_info");
            let name = info.and_then(|info| info.labels.get("hostname"));
            let name = clean(name.map(String::as_str).unwrap_or_default());
            (format!("host {name}").trim_end().to_owned(), of_host(samples))
        }
        Some(typed) => {
            let (id, name) = scraped::vm(samples, typed)?;
            let called = scraped::labels(samples).get(&*id).and_then(|labels| labels.title());
            (format!("VM {}", called.unwrap_or(name)), of_vm(samples, &id))
        }
    };
    let thresholds = thresholds(&values, arguments)?;
    Ok(CheckReport::new(subject, values, &thresholds))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clap::Parser;

    use super::*;
    use crate::command::check::metric;
    use crate::command::{Arguments, Command};
    use memtrace_core::fixture;
    use memtrace_core::model::Snapshot;
    use memtrace_core::signal::Quality;
    use memtrace_core::units::Bytes;
    use memtrace_view::export::metrics::parse::samples;
    use memtrace_view::export::metrics::{Form, Scene, text};

    fn arguments(typed: &[&str]) -> CheckArguments {
        let typed = ["memtrace", "check"].into_iter().chain(typed.iter().copied());
        match Arguments::parse_from(typed).command {
            Some(Command::Check(arguments)) => arguments,
            other => panic!("not check: {other:?}"),
        }
    }

    fn page() -> Vec<Sample> {
        page_of(fixture::demo())
    }

    fn page_of(snapshot: Arc<Snapshot>) -> Vec<Sample> {
        let scene = Scene::new(snapshot, fixture::observed(), Bytes(4096), fixture::WALL);
        samples(&text(scene, Form::Classic).expect("it is written")).collect()
    }

    #[test]
    fn numbers_and_qualities_are_those_that_are_measured() {
        let mut snapshot = Snapshot::clone(&fixture::demo());
        snapshot.host.swap_in.quality = Quality::approximate("of 12 pages");
        snapshot.vms[1].swap_in.quality = Quality::approximate("of 12 pages");
        snapshot.vms[0].guest_total = Measured::approximate(Bytes(1 << 30), "stale");
        let (all, snapshot) = (page_of(Arc::new(snapshot.clone())), snapshot);
        let same = |told: Vec<Value>, measured: Vec<Value>| {
            assert_eq!(told.len(), measured.len());
            for (told, measured) in told.iter().zip(measured) {
                assert_eq!(told.metric, measured.metric);
                let both = told.number.zip(measured.number);
                let close = both.map_or(told.number == measured.number, |(one, other)| {
                    (one - other).abs() < 1e-6
                });
                assert!(close, "{told:?} {measured:?}");
                assert_eq!(told.quality.word(), measured.quality.word(), "{told:?} {measured:?}");
            }
        };
        same(of_host(&all), metric::of_host(&snapshot.host));
        for vm in &snapshot.vms {
            let (id, _) = scraped::vm(&all, &vm.name).expect("it is there");
            same(of_vm(&all, &id), metric::of_vm(vm));
        }
    }

    #[test]
    fn what_has_no_sample_is_unknown_and_a_vm_that_is_not_there_is_told() {
        let mut all = page();
        all.retain(|sample| sample.name != "memtrace_host_swap_in_bytes_per_second");
        let line = report(&all, &arguments(&[])).expect("it is checked").line();
        assert!(line.contains("swap_in unknown (no sample of memtrace_host_swap_in_bytes_per_"));
        let error = report(&all, &arguments(&["nobody"])).expect_err("there is none");
        assert!(error.to_string().starts_with("no VM \"nobody\"; VMs: "), "{error}");
    }
}
