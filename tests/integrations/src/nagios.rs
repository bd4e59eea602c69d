//! `memtrace check` under the real plugin interface: `negate` of the monitoring plugins runs it,
//! makes another exit code of the one that it gets, and hands its line on.

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use memtrace_lab::setup::programs::Program;

use super::scene::Scene;

/// What is asked; what memtrace says and negate makes of it; and whether numbers come after that.
struct Case {
    words: &'static [&'static str],
    word: &'static str,
    negated: i32,
    data: bool,
}

/// So that one threshold alone decides.
const OTHERS_OFF: [&str; 8] =
    ["-w", "psi_some=", "-c", "psi_some=", "-w", "swap_in=", "-c", "swap_in="];

const CASES: [Case; 4] = [
    Case { words: &["-w", "available=0:"], word: "OK", negated: 2, data: true },
    Case { words: &["-w", "available=100:"], word: "WARNING", negated: 1, data: true },
    Case { words: &["-c", "available=100:"], word: "CRITICAL", negated: 0, data: true },
    Case { words: &["no-such-vm"], word: "UNKNOWN", negated: 3, data: false },
];

/// Each exit code is what negate makes of it, and the line is memtrace's own.
///
/// # Errors
/// When that isn't so.
pub fn passed_on(scene: &mut Scene<'_>) -> Result<()> {
    for Case { words, word, negated, data } in &CASES {
        let mut command = Program::Negate.command()?;
        // It asks for the path of the plugin.
        command.arg(scene.memtrace).args(["check", "--interval", "0.5"]).args(*words);
        if *data {
            command.args(OTHERS_OFF);
        }
        let output = command.stdin(Stdio::null()).output().context("run negate")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        ensure!(code == Some(*negated), "{word}: negate ends with {code:?}: {text}{said}");
        ensure!(text.starts_with(&format!("MEMTRACE {word}: ")), "{word}: {text}");
        ensure!(text.lines().count() == 1, "{word}: more than a line: {text}");
        let has_data = text.split_once(" | ").is_some_and(|(_, data)| data.contains("available="));
        ensure!(has_data == *data, "{word}: {text}");
    }
    Ok(())
}
