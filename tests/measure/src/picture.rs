//! `cargo xtask picture`: the README's picture of the live view, from a real run: the lab's guests
//! under pressure, `memtrace top` in a terminal of its own, and three words on what it says.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use memtrace_lab::binary::{self, Profile};
use memtrace_lab::local::plan::{GUESTS, Manager};
use memtrace_lab::local::{Lab, obstacle};
use memtrace_lab::setup::{self, Scope};
use memtrace_lab::{interrupt, paths, progress, wait};

const FILE: &str = "docs/view.svg";
/// The screen that is drawn.
const SIZE: [&str; 4] = ["-x", "92", "-y", "13"];
/// What fits beside the names.
const COLUMNS: &str = "state,memory,rss,swap,faults,major,swap-in,swap-out,stall,caused,taken";
/// What turns colours round (ECMA-48, SGR).
const REVERSE: &str = "7";
const PRESSURE_WITHIN: Duration = Duration::from_secs(90);
/// The guest that presses, and how much it has to stall, in percent, to be worth a picture.
const PRESSES: &str = "noisy";
const STALLS: f64 = 15.0;
/// What is said of columns, by their headings.
const CALLOUTS: [(&str, &str); 3] =
    [("STALL", "who suffers"), ("CAUSE", "who causes it"), ("TAKEN", "whose pages go")];

#[derive(clap::Args)]
pub struct Arguments {}

/// Sets up, and draws.
///
/// # Errors
/// When something is missing, or there is no pressure in time.
pub fn run(Arguments {}: &Arguments) -> Result<()> {
    interrupt::listen()?;
    let missing = setup::run(Scope::Lab)?;
    ensure!(missing.is_empty(), "there is no picture without what is missing");
    if let Some(reason) = obstacle::to_lab(Manager::Plain) {
        bail!("{reason}");
    }
    let memtrace = binary::build(Profile::Debug)?;
    let mut lab = Lab::up(Manager::Plain, &[])?;
    let screen = lab.work().and_then(|()| {
        // Of the lab's guests alone, whatever else runs here.
        let names = GUESTS.map(|guest| guest.name).join("|");
        let options = format!("--filter '^({names})$' --columns {COLUMNS} --color always");
        let command = format!("{} top {options}", memtrace.display());
        let terminal = Terminal::start(&command)?;
        wait::until("pressure", PRESSURE_WITHIN, || {
            let screen = terminal.screen(false)?;
            let stall = stall(&screen).context("no line of the guest that presses")?;
            ensure!(stall >= STALLS, "it stalls {stall} %");
            terminal.screen(true)
        })
    });
    lab.down()?;
    let path = paths::workspace().join(FILE);
    fs::write(&path, draw(&screen?)?).with_context(|| format!("write {FILE}"))?;
    progress::say(&format!("the picture is {FILE}"));
    Ok(())
}

/// A terminal in which a command runs, until this is dropped.
struct Terminal(String);

impl Terminal {
    fn start(command: &str) -> Result<Self> {
        let socket = format!("memtrace-picture-{}", std::process::id());
        let mut start = Command::new("tmux");
        start.args(["-f", "/dev/null", "-L", &socket, "new-session", "-d"]).args(SIZE).arg(command);
        ensure!(start.status().context("run tmux")?.success(), "tmux doesn't start");
        Ok(Self(socket))
    }

    /// What is on it, with its colours as escape sequences or without.
    fn screen(&self, colours: bool) -> Result<String> {
        let mut capture = Command::new("tmux");
        capture.args(["-L", &self.0, "capture-pane", "-p"]);
        if colours {
            capture.arg("-e");
        }
        let output = capture.output().context("run tmux")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Of this session alone: the socket has the name of this process.
        let _ = Command::new("tmux").args(["-L", &self.0, "kill-server"]).status();
    }
}

/// Percent of the time that the guest stalls which presses.
fn stall(screen: &str) -> Option<f64> {
    let (_, at) = headings(screen)?;
    let end = at.iter().find_map(|(name, end)| (name == "STALL").then_some(*end))?;
    // The selected row has a mark before its name.
    let name = |line: &str| line.trim_start_matches(['>', ' ']).starts_with(PRESSES);
    let row = screen.lines().find(|line| name(line))?;
    let cell: String = row.chars().take(end).collect();
    cell.split_whitespace().next_back()?.trim_end_matches(['%', '~']).parse().ok()
}

/// The number of the line with the headings, and at which column each ends.
fn headings(screen: &str) -> Option<(usize, Vec<(String, usize)>)> {
    let is_head = |line: &str| line.contains("NAME") && line.contains("STALL");
    let (number, line) = screen.lines().enumerate().find(|(_, line)| is_head(line))?;
    let mut ends = Vec::new();
    let mut word = String::new();
    for (column, letter) in line.chars().chain([' ']).enumerate() {
        // The column that the view is sorted by has a mark.
        if letter.is_ascii_graphic() {
            word.push(letter);
        } else if !word.is_empty() {
            ends.push((std::mem::take(&mut word), column));
        }
    }
    Some((number, ends))
}

/// A screen with a line over its headings that says what the columns are.
fn draw(screen: &str) -> Result<String> {
    // What is reversed is drawn by letters of its background, which fonts have in several widths.
    let mut lines: Vec<String> = screen.lines().map(unreversed).collect();
    let bare: String = lines.iter().map(|line| bare(line) + "\n").collect();
    let (number, ends) = headings(&bare).context("no headings on the screen")?;
    let said = callouts(&ends)?;
    for (row, text) in said.into_iter().enumerate() {
        lines.insert(number + row, text);
    }
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    Ok(anstyle_svg::Term::new().render_svg(&lines.join("\n")))
}

/// Without what turns colours round, of sequences as tmux writes them: `ESC[0;1;7m`.
fn unreversed(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (codes, rest) = part.split_once('m').unwrap_or((part, ""));
        let kept: Vec<&str> = codes.split(';').filter(|code| *code != REVERSE).collect();
        if !kept.is_empty() {
            text += &format!("\u{1b}[{}m", kept.join(";"));
        }
        text += rest;
    }
    text
}

/// Without escape sequences.
fn bare(line: &str) -> String {
    let mut text = String::new();
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            letters.by_ref().find(|letter| letter.is_ascii_alphabetic());
        } else {
            text.push(letter);
        }
    }
    text
}

/// A line for each callout, which ends above its column; the rightmost first, so that the way down
/// from each is free.
fn callouts(ends: &[(String, usize)]) -> Result<Vec<String>> {
    let mut places = Vec::new();
    for (heading, words) in CALLOUTS {
        let end = ends.iter().find_map(|(name, end)| (name == heading).then_some(*end));
        places.push((end.with_context(|| format!("no column {heading}"))?, words));
    }
    places.sort_by_key(|(end, _)| std::cmp::Reverse(*end));
    let line = |row: usize| {
        let (end, words) = places[row];
        let label = format!("{words} \u{2510}");
        let mut text = format!("{label:>end$}");
        for (right, _) in places[..row].iter().rev() {
            let gap = right.saturating_sub(text.chars().count());
            text += &format!("{:>gap$}", '\u{2502}');
        }
        format!("\u{1b}[1;36m{text}\u{1b}[0m")
    };
    Ok((0..places.len()).map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCREEN: &str = concat!(
        "memtrace  host\n",
        " NAME    STATE   FLT/s\u{25bc}STALL CAUSE TAKEN\n",
        ">noisy   run     15.8k 38.4% 91.5% 5.8k~\n",
        " victim  run       310  2.2%    0%  560~\n\n\n",
    );

    #[test]
    fn the_stall_of_the_guest_that_presses_is_read_by_its_heading() {
        assert_eq!(stall(SCREEN), Some(38.4));
        assert_eq!(stall("NAME STALL\nvictim 3%\n"), None);
    }

    #[test]
    fn nothing_is_drawn_reversed() {
        let line = "\u{1b}[7m>\u{1b}[0;1;7mnoisy\u{1b}[0;7m \u{1b}[39m5m\u{1b}[37m7";
        let drawn = "\u{1b}[0;1mnoisy\u{1b}[0m \u{1b}[39m5m\u{1b}[37m7";
        assert_eq!(unreversed(line), format!(">{drawn}"));
    }

    #[test]
    fn each_callout_ends_above_its_column() {
        let (number, ends) = headings(SCREEN).unwrap();
        assert_eq!(number, 1);
        let lines: Vec<String> = callouts(&ends).unwrap().iter().map(|line| bare(line)).collect();
        let column = |text: &str, letter: char| text.chars().position(|found| found == letter);
        for (line, (heading, words)) in lines.iter().rev().zip(CALLOUTS) {
            let end = ends.iter().find(|(name, _)| name == heading).unwrap().1;
            assert_eq!(column(line, '┐'), Some(end - 1), "{line}");
            assert!(line.contains(words), "{line}");
        }
        let bars = |line: &str| line.chars().filter(|letter| *letter == '│').count();
        assert_eq!(lines.iter().map(|line| bars(line)).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(callouts(&[]).is_err());
    }

    #[test]
    fn the_picture_in_the_readme_is_of_the_view_as_it_is() {
        let svg = fs::read_to_string(paths::workspace().join(FILE)).unwrap();
        let readme = fs::read_to_string(paths::workspace().join("README.md")).unwrap();
        assert!(readme.contains(FILE));
        for (heading, words) in CALLOUTS {
            assert!(svg.contains(heading) && svg.contains(words), "{heading}");
        }
        for name in ["noisy", "victim", "idle"] {
            assert!(svg.contains(name), "{name}");
        }
    }
}
