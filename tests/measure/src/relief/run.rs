//! One run as the host told it. Pure.

use memtrace_lab_host::series::Point;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What memtrace does in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Observe,
    Enforce,
}

impl Mode {
    pub fn word(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// A run, complete or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub mode: Mode,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// The day that it was made on.
    #[serde(default)]
    pub date: Option<String>,
    pub points: Vec<Point>,
    /// Entries of memtrace's reactor as they came, each with the second.
    pub decisions: Vec<Value>,
    /// What memtrace said beside its documents.
    pub messages: String,
    pub failed: Option<String>,
    pub complete: bool,
}

#[derive(Deserialize)]
struct Line {
    step: String,
    value: Value,
}

impl Run {
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            kernel: None,
            date: None,
            points: Vec::new(),
            decisions: Vec::new(),
            messages: String::new(),
            failed: None,
            complete: false,
        }
    }

    /// Whether it failed because a guest did not boot, or went without a word of its kernel's:
    /// one that runs out of memory would have said so.
    pub fn is_the_machines_fault(&self) -> bool {
        self.failed.as_ref().is_some_and(|reason| {
            let silent = reason.trim_end().ends_with("its console:");
            reason.contains("doesn't boot") || reason.contains("has ended") && silent
        })
    }

    /// Takes a line of the report in; what to tell of it while the run goes on, if anything.
    pub fn take(&mut self, line: &str) -> Option<String> {
        let Line { step, value } = serde_json::from_str(line).ok()?;
        let text = value.as_str().unwrap_or_default().to_owned();
        match step.as_str() {
            "kernel" => self.kernel = Some(text),
            "again" => return Some(format!("a guest is started again: {text}")),
            "messages" => self.messages = text,
            "failed" => self.failed = Some(text),
            "end" => self.complete = true,
            "decision" => self.decisions.push(value),
            "point" => return self.point(value),
            _ => return None,
        }
        None
    }

    /// Tells when a phase begins.
    fn point(&mut self, value: Value) -> Option<String> {
        match serde_json::from_value::<Point>(value) {
            Ok(point) => {
                let is_new = self.points.last().is_none_or(|last| last.phase != point.phase);
                let told = is_new.then(|| format!("{:.0} s: {}", point.at, point.phase));
                self.points.push(point);
                told
            }
            Err(error) => {
                self.failed = Some(format!("a point can't be read: {error}"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_read_line_by_line_and_tells_its_phases() {
        let mut run = Run::new(Mode::Enforce);
        let point = |at: f64, phase: &str| {
            let point = Point { at, phase: phase.to_owned(), ..Point::default() };
            serde_json::json!({ "step": "point", "value": point }).to_string()
        };
        assert_eq!(run.take(r#"{"step":"kernel","value":"6.12.1"}"#), None);
        assert_eq!(run.take(&point(1.0, "before")).as_deref(), Some("1 s: before"));
        assert_eq!(run.take(&point(2.0, "before")), None);
        assert_eq!(run.take(&point(3.0, "load")).as_deref(), Some("3 s: load"));
        assert_eq!(run.take("[    1.2] a kernel's word"), None);
        assert!(!run.complete);
        run.take(r#"{"step":"end","value":null}"#);
        assert_eq!((run.kernel.as_deref(), run.points.len()), (Some("6.12.1"), 3));
        assert!(run.complete && run.failed.is_none());
    }

    #[test]
    fn a_guest_that_went_without_a_word_is_the_machines_fault_and_an_oom_is_not() {
        let failed = |reason: &str| {
            let mut run = Run::new(Mode::Enforce);
            run.failed = Some(reason.to_owned());
            run.is_the_machines_fault()
        };
        assert!(failed("web doesn't boot; qemu: ; its console: : web is gone"));
        assert!(failed("web has ended, exit status: 0; qemu: ; its console: "));
        let oom = "web has ended, exit status: 0; qemu: ; its console: Out of memory: Killed";
        assert!(!failed(oom) && !failed("memtrace ended"));
        assert!(!Run::new(Mode::Observe).is_the_machines_fault());
    }

    #[test]
    fn a_point_of_another_shape_fails_the_run() {
        let mut run = Run::new(Mode::Observe);
        run.take(r#"{"step":"point","value":{"at":"soon"}}"#);
        assert!(run.failed.is_some_and(|reason| reason.contains("can't be read")));
    }
}
