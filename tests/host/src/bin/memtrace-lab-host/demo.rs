//! The demo: guests of which one takes from the others, and memtrace's live view on the
//! first serial port, until it is quit.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use memtrace_lab_host::scenario::{
    FREE, Group, IDLE, IDLE_GROUP, MAX, NOISY, Plan, Scenario, Work,
};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::cgroup::Groups;
use crate::guest::Guest;
use crate::prepare;
use crate::report::Report;
use crate::swap;

/// The terminal of the demo's user.
const TERMINAL: &str = "/dev/ttyS0";
/// What the live view calls it.
const HOSTNAME: &str = "memtrace-demo";
const ORDER: &str = "memtrace.demo=";

/// The Linux guest boots while the others are at work, and then tells of its memory.
const DEMO: Scenario = Scenario {
    name: "demo",
    about: "a noisy guest, one that suffers, and an idle one",
    guests: &[
        Plan { mib: 224, work: Work::Walk(192), ..NOISY },
        Plan { name: "victim", mib: 80, work: Work::Walk(48), cgroup: Some("victim"), ..NOISY },
        Plan { mib: 192, work: Work::Linux("idle"), ..IDLE },
    ],
    groups: &[FREE, Group { name: "victim", limits: &[] }, IDLE_GROUP],
    parent: &[("memory.max", 300)],
    timed: false,
    ..MAX
};

/// The size of the terminal, if the kernel's command line (`line`) asks for the demo:
/// `memtrace.demo=COLUMNSxROWS`, with `,plain` where colours aren't wanted.
pub fn wanted(line: &str) -> Option<View> {
    let order = line.split_whitespace().find_map(|word| word.strip_prefix(ORDER))?;
    let (size, plain) = order.split_once(',').map_or((order, false), |(size, _)| (size, true));
    let (columns, rows) = size.split_once('x')?;
    Some(View { columns: columns.parse().ok()?, rows: rows.parse().ok()?, plain })
}

/// How the live view is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    pub columns: u16,
    pub rows: u16,
    /// Without colours.
    pub plain: bool,
}

/// Starts the guests and shows them.
///
/// # Errors
/// When anything of it fails.
pub fn run(view: View, report: &mut Report) -> Result<()> {
    rustix::system::sethostname(HOSTNAME.as_bytes()).context("set the host's name")?;
    prepare::load_modules()?;
    report.say("kernel", &prepare::kernel()?)?;
    let scenario = &DEMO;
    let _swap = swap::On::new(scenario.swap)?;
    // Before the guests, so that it outlives them.
    let _groups = Groups::make(scenario)?;
    let mut guests = Vec::new();
    for (number, plan) in scenario.guests.iter().enumerate() {
        guests.push(Guest::start(plan, &format!("6d656d74-7261-4365-8c64-62000000000{number}"))?);
        report.say("guest", &plan.name)?;
    }
    report.say("view", &())?;
    show(view)
}

fn show(view: View) -> Result<()> {
    let terminal = OpenOptions::new().read(true).write(true).open(TERMINAL).context(TERMINAL)?;
    let View { columns, rows, plain } = view;
    tcsetwinsize(&terminal, Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 })?;
    let mut command = Command::new("/bin/memtrace");
    if plain {
        command.env("NO_COLOR", "1");
    }
    let status = command
        .arg("top")
        .env("TERM", "xterm-256color")
        .stdin(terminal.try_clone()?)
        .stdout(terminal)
        .stderr(Stdio::inherit())
        .status()
        .context("run memtrace")?;
    ensure!(status.success(), "memtrace top: {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_stands_on_the_command_line() {
        let view = View { columns: 140, rows: 40, plain: false };
        assert_eq!(wanted("quiet memtrace.demo=140x40 psi=1"), Some(view));
        assert_eq!(wanted("memtrace.demo=140x40,plain"), Some(View { plain: true, ..view }));
        assert_eq!(wanted("memtrace.scenarios=max"), None);
        assert_eq!(wanted("memtrace.demo=x"), None);
    }
}
