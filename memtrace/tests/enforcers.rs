//! Two memtraces never act on the same host at once: neither with state directories of their own,
//! nor where each has a /run of its own. Their scope is a cgroup that isn't there, so that none
//! touches a VM. Needs BPF, root and a lock that nobody holds; without them each test says so and
//! counts as skipped.

#[expect(dead_code, reason = "others run it to its end")]
mod common;
mod trials;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use memtrace_host::probe::Hooking;
use tempfile::TempDir;
use trials::Test;

const TESTS: [(&str, Test); 3] = [
    ("one_with_another_state_directory_does_not_act", beside),
    ("one_in_another_mount_namespace_is_seen", elsewhere),
    ("a_file_that_others_can_read_is_no_lock", anybodys),
];
const LOCK: &str = "/run/memtrace/enforce.lock";

fn main() -> ExitCode {
    // They would see each other.
    trials::run(TESTS, "memtraces that act", obstacle(), Some(1))
}

/// Why it can't run here, if it can't.
fn obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("this is another user than root".into());
    }
    let namespace = Command::new("unshare").args(["--mount", "true"]).status();
    if !namespace.is_ok_and(|status| status.success()) {
        return Some("unshare makes no mount namespace".into());
    }
    if Path::new(LOCK).exists() {
        let free = Command::new("flock").args(["--nonblock", LOCK, "true"]).status();
        if !free.is_ok_and(|status| status.success()) {
            return Some(format!("another process holds {LOCK}"));
        }
    }
    let opened = memtrace_host::probe::open(Path::new("/sys"), false, Hooking::Always);
    opened.err().map(|error| format!("{error:#}"))
}

/// The arguments of one that acts, with a state directory of this name in the folder.
fn acting(folder: &TempDir, state: &str) -> Result<Command> {
    let at = |name: &str| folder.path().join(name);
    let configured = at("memtrace.toml");
    let samples = at(&format!("{state}.sock"));
    let text = format!(
        "[scope]\ncgroup = \"/memtrace-none\"\n[samples]\nsocket = \"{}\"\n",
        samples.display()
    );
    fs::write(&configured, text)?;
    let mut command = common::memtrace(&["mitigate", "--enforce", "--json", "--no-libvirt"]);
    command.arg("--config").arg(configured).arg("--state-dir").arg(at(state));
    Ok(command)
}

/// One that is killed when this is dropped.
struct Started {
    child: Child,
    /// It acts: it has thought once, and not ended before.
    acts: bool,
}

impl Started {
    fn new(mut command: Command) -> Result<Self> {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut started = Self { child, acts: false };
        let output = started.child.stdout.take().context("its output")?;
        // One that is refused ends without a line.
        started.acts = BufReader::new(output).read_line(&mut String::new())? > 0;
        Ok(started)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Our own child, which may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A second one ends, and names the first. Once that is gone it acts.
fn is_alone(first: Started, folder: &TempDir) -> Result<()> {
    ensure!(first.acts, "the first one ends");
    let mut second = Started::new(acting(folder, "second")?)?;
    ensure!(!second.acts, "both act");
    let (mut told, expected) =
        (String::new(), format!("process {} holds {LOCK}", first.child.id()));
    second.child.stderr.take().context("its errors")?.read_to_string(&mut told)?;
    ensure!(told.contains(&expected), "{told}");
    drop(first);
    ensure!(Started::new(acting(folder, "second")?)?.acts, "it doesn't act once it is alone");
    Ok(())
}

fn beside() -> Result<()> {
    let folder = tempfile::tempdir()?;
    is_alone(Started::new(acting(&folder, "first")?)?, &folder)
}

fn elsewhere() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut first = Command::new("unshare");
    let memtrace = acting(&folder, "first")?;
    first.args(["--mount", "sh", "-c", "mount -t tmpfs none /run && exec \"$0\" \"$@\""]);
    first.arg(memtrace.get_program()).args(memtrace.get_args());
    is_alone(Started::new(first)?, &folder)
}

/// Which any user could hold.
fn anybodys() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let script = "mount -t tmpfs none /run && mkdir /run/memtrace && : > \"$0\" && \
                  chmod 644 \"$0\" && exec flock --no-fork \"$0\" sh -c 'echo held; exec cat'";
    let mut holder = Command::new("unshare");
    holder.args(["--mount", "sh", "-c", script, LOCK]).stdin(Stdio::piped());
    let holder = Started::new(holder)?;
    ensure!(holder.acts, "it holds none");
    ensure!(Started::new(acting(&folder, "first")?)?.acts, "it doesn't act");
    Ok(())
}
