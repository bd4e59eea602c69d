//! Saying what is being done: a line when something starts, a sign of life while it
//! takes long, its time at the end, and the end of its log when it fails.

use std::fs::{self, File};
use std::io::{IsTerminal as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::{paths, wait};

/// How often a log (no terminal) gets a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);
/// How many lines of a failed command's log are shown.
const TAIL: usize = 25;

/// Says something in one line.
pub fn say(text: &str) {
    eprintln!("» {text}");
}

/// Runs a command to its end with its output in a log, saying what it is for.
///
/// # Errors
/// When it can't start, fails (the error holds the log's end), exceeds `limit`, or the
/// user interrupts.
pub fn run(what: &str, command: &mut Command, limit: Duration) -> Result<()> {
    let folder = paths::target().join("log");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let name: String =
        what.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let path = folder.join(format!("{}.log", name.chars().take(60).collect::<String>()));
    let log = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    say(&format!("{what} ..."));
    let started = Instant::now();
    let mut child = command.spawn().with_context(|| format!("run {command:?}"))?;
    let mut line = Line::new(what);
    let ended = wait::answer(what, limit, || {
        line.tick(started.elapsed());
        Ok(child.try_wait()?)
    });
    let status = match ended {
        Ok(status) => status,
        Err(why) => {
            child.kill()?;
            child.wait()?;
            return Err(why).with_context(|| format!("{what}; its log: {}", path.display()));
        }
    };
    line.end();
    if !status.success() {
        let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n");
        bail!("{what}: {status}; {} ends with:\n{tail}", path.display());
    }
    say(&format!("{what}: done in {:.1} s", started.elapsed().as_secs_f64()));
    Ok(())
}

/// A line that shows the seconds pass.
struct Line<'a> {
    what: &'a str,
    terminal: bool,
    last: Duration,
}

impl<'a> Line<'a> {
    fn new(what: &'a str) -> Self {
        Self { what, terminal: std::io::stderr().is_terminal(), last: Duration::ZERO }
    }

    fn tick(&mut self, elapsed: Duration) {
        let pace = if self.terminal { Duration::from_secs(1) } else { SIGN_OF_LIFE };
        if elapsed.saturating_sub(self.last) < pace {
            return;
        }
        self.last = elapsed;
        if self.terminal {
            eprint!("\r  {} ... {} s", self.what, elapsed.as_secs());
            // Only a sign of life: a broken terminal is not this function's business.
            let _ = std::io::stderr().flush();
        } else {
            say(&format!("{} ... {} s", self.what, elapsed.as_secs()));
        }
    }

    fn end(&self) {
        if self.terminal && self.last > Duration::ZERO {
            eprint!("\r\x1b[K");
        }
    }
}
