//! Fuzz targets: each feeds bytes to the parsers of one kind of input that others write, and holds
//! what must be true of the result. `cargo xtask fuzz` runs them; `tests/corpus.rs` replays the
//! kept inputs on stable Rust.

mod files;
mod guests;
mod kernel;
mod typed;

pub use files::{journal, recording, recording_frames};
pub use guests::{domain, labels, qemu, qmp};
pub use kernel::{btf, host_files};
pub use typed::{configuration, exposition, prometheus, texts};

/// What takes longer than all else in a target (files, a regular expression's compilation) is tried
/// with inputs whose length is a multiple of this, so that more of the rest are tried.
const DEAR: usize = 4;

/// A target: panics if a property is violated.
pub type Target = fn(&[u8]);

/// All targets by name, which is that of the folder with its inputs.
pub const TARGETS: [(&str, Target); 13] = [
    ("btf", btf),
    ("configuration", configuration),
    ("domain", domain),
    ("exposition", exposition),
    ("host_files", host_files),
    ("journal", journal),
    ("labels", labels),
    ("prometheus", prometheus),
    ("qemu", qemu),
    ("qmp", qmp),
    ("recording", recording),
    ("recording_frames", recording_frames),
    ("texts", texts),
];

/// The parts of an input, which a byte 0 separates: `COUNT` of them, the last with the rest.
fn parts<const COUNT: usize>(data: &[u8]) -> [String; COUNT] {
    let mut parts = data.splitn(COUNT, |byte| *byte == 0).map(lossy);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A text for the operator is of bounded length, and no control character of it reaches a terminal.
fn assert_displayable(text: &str) {
    assert!(text.chars().count() <= 1024, "{} characters", text.chars().count());
    assert!(!text.chars().any(char::is_control), "{text:?}");
}
