//! What is seen of recordings of each version of the format: a later memtrace goes on reading
//! them. A field that they don't have must have a default (`#[serde(default)]`) that means "not
//! known".

use std::path::Path;

use memtrace_store::recording::{OLDEST, VERSION};
use memtrace_store::tape::Tape;
use memtrace_view::export::plain::{self, PlainOptions};
use memtrace_view::words;

#[test]
fn each_version_is_read_as_ever() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("store/src/recording/tests/kept");
    for version in OLDEST..=VERSION {
        let file = folder.join(format!("v{version}.mtrec"));
        let mut tape = Tape::open(&file).expect("it can be read");
        let mut told = String::new();
        for shown in &mut tape {
            let decided = shown.decided();
            told += &plain::frame(&shown.snapshot, &decided, &PlainOptions::default());
            let entries = shown.reaction.iter().flat_map(|reaction| &reaction.entries);
            for entry in entries {
                let because = words::because(&entry.decision);
                told += &format!("{:?}: {:?}: {because}\n", entry.name, entry.fate);
            }
            told.push('\n');
        }
        assert_eq!(tape.losses(), []);
        insta::assert_snapshot!("kept", told, &format!("version {version}"));
    }
}
