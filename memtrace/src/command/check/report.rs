//! The result, as one line with performance data (monitoring plugin guidelines) or as JSON. Pure.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::metric::{Metric, Value};
use super::range::Range;
use memtrace_core::text::clean;

/// Version of the JSON schema. Incremented when a field is removed or changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// A plugin's status, and its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    Ok = 0,
    Warning = 1,
    Critical = 2,
    Unknown = 3,
}

impl Status {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Critical and warning take precedence over unknown.
    const fn rank(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Unknown => 1,
            Self::Warning => 2,
            Self::Critical => 3,
        }
    }
}

/// By metric, its thresholds: warning and critical.
pub type Thresholds = BTreeMap<Metric, [Option<Range>; 2]>;

/// The result.
#[derive(Clone, Debug)]
pub struct CheckReport {
    /// `host kvm-7`, `VM web`.
    subject: String,
    checked: Vec<Checked>,
    /// Whose numbers they are, where another memtrace took them.
    pub from: Option<String>,
}

#[derive(Clone, Debug)]
struct Checked {
    value: Value,
    thresholds: [Option<Range>; 2],
    status: Status,
}

impl CheckReport {
    pub fn new(subject: String, values: Vec<Value>, thresholds: &Thresholds) -> Self {
        let check = |value: Value| {
            let thresholds = thresholds.get(&value.metric).copied().unwrap_or_default();
            Checked { status: judge(value.number, thresholds), value, thresholds }
        };
        Self { subject, checked: values.into_iter().map(check).collect(), from: None }
    }

    pub fn status(&self) -> Status {
        let all = self.checked.iter().map(|checked| checked.status);
        all.max_by_key(|status| status.rank()).unwrap_or(Status::Unknown)
    }

    /// One line: violated thresholds, or else all values; and the performance data.
    pub fn line(&self) -> String {
        let told = |checked: &&Checked| self.status() == Status::Ok || checked.status != Status::Ok;
        let words: Vec<String> = self.checked.iter().filter(told).map(Checked::words).collect();
        let data: Vec<String> = self.checked.iter().map(Checked::data).collect();
        let text = format!("{}: {}", self.subject, words.join(", "));
        format!("{} | {}\n", headline(self.status(), &text), data.join(" "))
    }

    /// The same as one line of JSON.
    pub fn json(&self) -> String {
        let metrics: Vec<Json> = self.checked.iter().map(Checked::json).collect();
        let document = json!({
            "schema_version": SCHEMA_VERSION,
            "status": self.status().word().to_lowercase(),
            "code": self.status() as u8,
            "subject": self.subject,
            "from": self.from,
            "metrics": metrics,
        });
        format!("{document}\n")
    }
}

/// `MEMTRACE OK: ...` in one line. Names are untrusted: a `|` would begin the performance data.
pub fn headline(status: Status, text: &str) -> String {
    format!("MEMTRACE {}: {}", status.word(), clean(text).replace('|', "/"))
}

fn judge(number: Option<f64>, [warning, critical]: [Option<Range>; 2]) -> Status {
    let broken = |range: Option<Range>| {
        range.is_some_and(|range| number.is_some_and(|number| range.is_broken_by(number)))
    };
    match number {
        None if warning.or(critical).is_some() => Status::Unknown,
        _ if broken(critical) => Status::Critical,
        _ if broken(warning) => Status::Warning,
        _ => Status::Ok,
    }
}

impl Checked {
    fn words(&self) -> String {
        let (metric, unit) = (self.value.metric, self.value.metric.unit());
        let Some(number) = self.value.number else {
            let reason = self.value.quality.reason().unwrap_or("no value in this sample");
            return format!("{} unknown ({reason})", metric.name());
        };
        let broken = match (self.status, self.thresholds) {
            (Status::Critical, [_, range]) | (Status::Warning, [range, _]) => range,
            _ => None,
        };
        let fine = broken.map_or_else(String::new, |range| format!(" (OK: {range})"));
        format!("{} {number:.1} {unit}{fine}", metric.name())
    }

    fn data(&self) -> String {
        let metric = self.value.metric;
        let [warning, critical] = self.thresholds.map(written);
        let value = self
            .value
            .number
            .map_or_else(|| "U".to_owned(), |number| format!("{number:.3}{}", metric.symbol()));
        let most = metric.most().map_or_else(String::new, |most| most.to_string());
        format!("{}={value};{warning};{critical};0;{most}", metric.name())
    }

    fn json(&self) -> Json {
        let metric = self.value.metric;
        let [warning, critical] = self.thresholds.map(|range| range.map(|range| range.to_string()));
        json!({
            "name": metric.name(),
            "unit": metric.unit(),
            "value": self.value.number,
            "quality": self.value.quality.word(),
            "reason": self.value.quality.reason(),
            "warning": warning,
            "critical": critical,
            "status": self.status.word().to_lowercase(),
        })
    }
}

fn written(range: Option<Range>) -> String {
    range.map_or_else(String::new, |range| range.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::check::metric::{of_host, of_vm};
    use memtrace_core::fixture;
    use memtrace_core::model::Measured;
    use memtrace_core::model::snapshot::VmView;

    fn defaults(of_vm: bool) -> Thresholds {
        Metric::ALL.into_iter().map(|metric| (metric, metric.defaults(of_vm))).collect()
    }

    #[test]
    fn a_host_that_swaps_is_critical_and_says_by_what() {
        let values = of_host(&fixture::demo().host);
        let report = CheckReport::new("host kvm-7".to_owned(), values, &defaults(false));
        assert_eq!(report.status(), Status::Critical);
        assert_eq!(
            report.line(),
            "MEMTRACE CRITICAL: host kvm-7: psi_some 12.5 % (OK: 10), swap_in 20.0 MiB/s (OK: \
             10) | available=18.750%;10:;5:;0;100 psi_some=12.500%;10;40;0;100 \
             swap_in=20.000;1;10;0; swap_used=940.000MB;;;0;\n"
        );
    }

    #[test]
    fn a_healthy_vm_is_reported_with_its_numbers() {
        let report =
            CheckReport::new("VM web".into(), of_vm(&fixture::vm("web", 7)), &defaults(true));
        assert_eq!(report.status(), Status::Ok);
        assert!(report.line().starts_with("MEMTRACE OK: VM web: stalled 0.0 %, swap_in 0.0 MiB/s"));
        let json: Json = serde_json::from_str(&report.json()).expect("it is JSON");
        assert_eq!((&json["status"], &json["code"]), (&"ok".into(), &0.into()));
        assert_eq!(json["metrics"][0]["critical"], "50");
        assert_eq!(json["schema_version"], 1);
    }

    #[test]
    fn unknown_values_are_neither_zero_nor_ok() {
        let mut vm = fixture::vm("web", 7);
        vm.stalled = Measured::absent("the kernel side does not run");
        let report =
            |vm: &VmView| CheckReport::new("VM web".to_owned(), of_vm(vm), &defaults(true));
        assert_eq!(report(&vm).status(), Status::Unknown);
        let line = report(&vm).line();
        assert!(
            line.contains("stalled unknown (the kernel side does not run) | stalled=U;"),
            "{line}"
        );
        let json: Json = serde_json::from_str(&report(&vm).json()).expect("it is JSON");
        assert!(json["metrics"][0]["value"].is_null());
        // A known violation is reported although another value is unknown.
        vm.swap_in = Measured::exact(memtrace_core::units::ByteRate(2e6));
        assert_eq!(report(&vm).status(), Status::Warning);
        // A value without thresholds may be unknown.
        let free = CheckReport::new("VM web".to_owned(), of_vm(&vm), &Thresholds::new());
        assert_eq!(free.status(), Status::Ok);
    }

    #[test]
    fn it_is_one_line_whatever_a_vm_is_called() {
        let subject = "VM a|b\nOK\u{1b}[0m".to_owned();
        let report = CheckReport::new(subject, of_vm(&fixture::vm("web", 7)), &defaults(true));
        let line = report.line();
        assert_eq!(line.matches('|').count(), 1, "{line}");
        assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
        assert!(!line.contains('\u{1b}'));
    }

    #[test]
    fn nothing_to_check_is_unknown() {
        let report = CheckReport::new("x".to_owned(), Vec::new(), &Thresholds::new());
        assert_eq!(report.status(), Status::Unknown);
    }
}
