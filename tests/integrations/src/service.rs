//! A program in the background, of which only its end is ours: asked first, then forced, when
//! this goes out of scope. The kernel ends it if we are killed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use memtrace_lab::local::process::Process;
use memtrace_lab::wait;

/// Grace time before SIGKILL.
const END: Duration = Duration::from_secs(5);
/// How much of what it said is told when it fails.
const TAIL: usize = 8;

pub struct Service {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts a command with its output in `folder`.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(name: &str, command: &Command, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let mut bound = Command::new("setpriv");
        bound.args(["--pdeathsig", "TERM", "--"]).arg(command.get_program());
        bound.args(command.get_args());
        let child = bound
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("run {name}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks until there is an answer; an error is retried.
    ///
    /// # Errors
    /// When there is none in time, with the last reason, or the program has ended.
    pub fn wait<T>(
        &mut self,
        what: &str,
        patience: Duration,
        mut ask: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        let found = wait::until(what, patience, || match self.check() {
            Ok(()) => ask().map(Ok),
            // Not asked again.
            Err(ended) => Ok(Err(ended)),
        });
        found.with_context(|| format!("{} said: {}", self.name, self.last_words()))?
    }

    /// # Errors
    /// When it has ended; with its last words.
    pub fn check(&mut self) -> Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "{} ended by itself: {}", self.name, self.last_words());
        Ok(())
    }

    /// As `kill -9` does.
    ///
    /// # Errors
    /// When it can't be waited for.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    pub fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Once it is reaped its pid may be reused.
        if let Ok(None) = self.child.try_wait()
            && let Ok(pid) = self.child.id().try_into()
            && let Ok(process) = Process::of(pid)
            && let Err(error) = process.end(END)
        {
            eprintln!("error: {}: {error:#}", self.name);
        }
        let _ = self.child.wait();
    }
}

/// The same command, begun by others that hand over to it.
pub fn behind<'a>(before: impl IntoIterator<Item = &'a str>, command: &'a Command) -> Command {
    let mut words = before.into_iter().map(OsStr::new).chain([command.get_program()]);
    let mut whole = Command::new(words.next().unwrap_or(command.get_program()));
    whole.args(words).args(command.get_args());
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_behind_others_keeps_its_words() {
        let mut command = Command::new("memtrace");
        command.args(["top", "--once"]);
        let whole = behind(["nsenter", "--net=/x"], &command);
        assert_eq!(format!("{whole:?}"), r#""nsenter" "--net=/x" "memtrace" "top" "--once""#);
    }

    #[test]
    fn a_service_that_ends_by_itself_is_reported_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo it hurts; exit 3"]);
        let mut service = Service::start("short", &command, folder.path()).unwrap();
        let never = || -> Result<()> { anyhow::bail!("not yet") };
        let error = service.wait("nothing", Duration::from_secs(20), never).unwrap_err();
        assert_eq!(error.to_string(), "short ended by itself: it hurts");
    }

    #[test]
    fn a_service_goes_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sleep");
        command.arg("60");
        let mut service = Service::start("long", &command, folder.path()).unwrap();
        service.check().unwrap();
        let process = Process::of(service.pid().try_into().unwrap()).unwrap();
        drop(service);
        assert!(!process.alive());
    }
}
