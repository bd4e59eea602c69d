//! The demo where this machine itself doesn't allow it: the live view runs in a host of its
//! own, with real KVM guests inside, and its screen and keyboard are our terminal.

use std::io::{IsTerminal as _, Write as _, stdin, stdout};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::setup::{self, Scope};
use crate::vm::{self, KernelReport, Programs};
use crate::{interrupt, progress};

/// A kernel with everything in it that memtrace can use.
const KERNEL: &str = "6.12";
/// The scenario that a check runs: what the check at level 1 looks at as well.
const CHECKED: &[&str] = &["pool"];
/// Limit on a demo.
const LIMIT: Duration = Duration::from_secs(4 * 60 * 60);
/// Ends what a view has switched on: bracketed paste, the other screen, colours, and the
/// hidden cursor (xterm's control sequences).
const GIVE_BACK: &[u8] = b"\x1b[?2004l\x1b[?1049l\x1b[0m\x1b[?25h";

/// Shows the live view, or checks, in a host of its own.
///
/// # Errors
/// When something is missing or fails, or a row of the check is wrong.
pub fn run(check: bool) -> Result<()> {
    let missing = setup::run(Scope::Nested)?;
    ensure!(missing.is_empty(), "the demo can't run without what is missing");
    let programs = Programs::build(vm::Architecture::Amd64)?;
    if check {
        let outcome = vm::kernel(KERNEL, &programs, CHECKED, false)?;
        println!("\n{outcome}");
        ensure!(outcome.good(), "some of it is wrong");
        return Ok(());
    }
    let terminal = Terminal::take()?;
    let order = format!("memtrace.demo={}", terminal.order());
    progress::say(&format!("booting kernel {KERNEL} in a VM; Ctrl-C ends it"));
    let wiring = vm::Wiring {
        architecture: vm::Architecture::Amd64,
        console: vm::Console::Terminal,
        order: order.as_str(),
        disk: None,
        cpus: vm::CPUS,
    };
    let (mut host, _folder) = vm::boot(KERNEL, &programs, wiring, LIMIT)?;
    let mut outcome = KernelReport::default();
    while let Some(line) = host.next_line()? {
        match outcome.take(&line).as_deref() {
            Some("view") => progress::say("opening the live view; q quits it"),
            Some(step) => progress::say(step),
            None => {}
        }
    }
    drop(terminal);
    if let Some(why) = &outcome.failed {
        bail!("{why}");
    }
    ensure!(outcome.complete(), "the host ended early:\n{}", host.tail("report"));
    Ok(())
}

/// Our terminal as it was; given back when this is dropped.
struct Terminal {
    before: Termios,
    columns: u16,
    rows: u16,
}

impl Terminal {
    fn take() -> Result<Self> {
        ensure!(
            stdin().is_terminal() && stdout().is_terminal(),
            "the live view needs a terminal; --check does without"
        );
        let size = tcgetwinsize(stdout()).context("the terminal's size")?;
        let before = tcgetattr(stdin()).context("the terminal's settings")?;
        Ok(Self { before, columns: size.ws_col, rows: size.ws_row })
    }

    /// As the host's PID 1 wants to hear it. A terminal may not know its size.
    fn order(&self) -> String {
        let (columns, rows) = match (self.columns, self.rows) {
            (0, _) | (_, 0) => (80, 24),
            size => size,
        };
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        format!("{columns}x{rows}{}", if colours { "" } else { ",plain" })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A host that was ended can't do it itself; whatever fails, there is no better way.
        let _ = stdout().write_all(GIVE_BACK);
        let _ = stdout().flush();
        if tcsetattr(stdin(), OptionalActions::Now, &self.before).is_err() && !interrupt::asked() {
            progress::say("the terminal may need `reset`");
        }
    }
}
