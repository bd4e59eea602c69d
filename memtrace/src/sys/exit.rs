//! Exit codes, and the mapping of errors to them.

use std::fmt;
use std::io;
use std::process::ExitCode;

use super::interrupt::Interrupted;
use memtrace_core::text;
use memtrace_core::vm_choice::NoSuchVm;
use memtrace_host::privileges::Denied;

pub const FAILED: u8 = 1;
/// As clap has it for a command line that it refuses.
pub const MISUSED: u8 = 2;
/// Nothing runs that was asked about, as systemctl status has it.
pub const NOT_RUNNING: u8 = 3;
/// There is no such VM, or several are called so.
pub const NO_SUCH_VM: u8 = 4;
/// `EX_NOPERM` of sysexits.h.
pub const DENIED: u8 = 77;
/// `EX_CONFIG` of sysexits.h: starting again won't help until the configuration is changed.
pub const MISCONFIGURED: u8 = 78;

/// Longest error that is shown, in characters.
const LONGEST: usize = 16_384;

/// A command line that is understood and asks for what there isn't.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misused(pub String);

impl std::error::Error for Misused {}

impl fmt::Display for Misused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A configuration that isn't valid: all that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misconfigured(pub String);

impl std::error::Error for Misconfigured {}

impl fmt::Display for Misconfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The exit code of an error, and the text for standard error. A closed pipe is no failure.
pub fn of_error(error: &anyhow::Error) -> (ExitCode, Option<String>) {
    if is_broken_pipe(error) {
        return (ExitCode::SUCCESS, None);
    }
    if let Some(denied) = error.downcast_ref::<Denied>() {
        return (ExitCode::from(DENIED), Some(denied.to_string()));
    }
    let code = code(error);
    // Servers and files have their word in it.
    let told = format!("{error:#}");
    let told = text::cut_lines(&told, LONGEST);
    (ExitCode::from(code), Some(format!("memtrace: {}\n", text::clean_lines(&told))))
}

/// That of the kind of error; else that of a failure.
fn code(error: &anyhow::Error) -> u8 {
    let misused = error.downcast_ref::<Misused>().map(|_| MISUSED);
    let misconfigured = error.downcast_ref::<Misconfigured>().map(|_| MISCONFIGURED);
    let unknown = error.downcast_ref::<NoSuchVm>().map(|_| NO_SUCH_VM);
    let interrupted = error.downcast_ref::<Interrupted>().map(|interrupted| interrupted.code());
    misused.or(misconfigured).or(unknown).or(interrupted).unwrap_or(FAILED)
}

/// Rust ignores SIGPIPE, so that writing fails instead.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn a_broken_pipe_is_success_and_silent() {
        let error = Err::<(), _>(io::Error::from(io::ErrorKind::BrokenPipe))
            .context("cannot write")
            .expect_err("it is an error");
        let (code, text) = of_error(&error);
        assert_eq!((format!("{code:?}"), text), (format!("{:?}", ExitCode::SUCCESS), None));
    }

    #[test]
    fn any_other_error_is_reported_with_its_causes() {
        let (code, text) = of_error(&anyhow!("no such file").context("cannot start"));
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(FAILED)));
        assert_eq!(text.as_deref(), Some("memtrace: cannot start: no such file\n"));
    }

    #[test]
    fn an_error_from_outside_is_harmless_and_bounded() {
        let (_, told) =
            of_error(&anyhow!("the server says \x1b]0;x\x07\nand {}", "x".repeat(99_999)));
        let told = told.expect("it is told");
        assert!(told.starts_with("memtrace: the server says \u{fffd}]0;x\u{fffd}\nand xxx"));
        assert!(told.chars().count() < LONGEST + 20);
    }

    #[test]
    fn a_signal_has_the_shells_code() {
        let (code, text) = of_error(&anyhow::Error::new(Interrupted(2)).context("cannot read"));
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(130)));
        assert_eq!(text.as_deref(), Some("memtrace: cannot read: interrupted by signal 2\n"));
    }

    #[test]
    fn what_is_asked_for_and_is_not_there_is_a_usage_error() {
        let (code, text) = of_error(&anyhow::Error::new(Misused("unknown policy x".into())));
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(MISUSED)));
        assert_eq!(text.as_deref(), Some("memtrace: unknown policy x\n"));
    }

    #[test]
    fn a_configuration_and_a_vm_have_codes_of_their_own_whatever_was_done_with_them() {
        let invalid = anyhow::Error::new(Misconfigured("invalid configuration:\nx".into()));
        let unknown = anyhow::Error::new(NoSuchVm("no VM \"x\"".into()));
        for (error, expected) in [(invalid, MISCONFIGURED), (unknown, NO_SUCH_VM)] {
            let (code, text) = of_error(&error.context("cannot start"));
            assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(expected)));
            assert!(text.is_some_and(|text| text.starts_with("memtrace: cannot start: ")));
        }
    }

    #[test]
    fn a_missing_privilege_has_its_own_code() {
        let denied = Denied::new(memtrace_host::privileges::missing(0), "/usr/bin/memtrace");
        let (code, text) = of_error(&anyhow::Error::new(denied));
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(DENIED)));
        assert!(text.is_some_and(|text| text.contains("sudo")));
    }
}
