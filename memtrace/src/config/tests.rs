//! Valid and invalid files: `tests/broken/`, with their errors in a golden file.

use std::fs;

use memtrace_core::settings::VmSettings;

use super::*;

fn apply(text: &str) -> (Config, Vec<String>) {
    let mut config = Config::default();
    let problems = schema::apply(&mut config, Path::new("f"), text);
    (config, problems.iter().map(Problem::to_string).collect())
}

#[test]
fn the_default_file_sets_nothing_and_tells_the_defaults() {
    let mut config = Config::default();
    let read = schema::read(&mut config, Path::new("f"), DEFAULTS);
    assert_eq!((config, read.problems, read.entries), (Config::default(), vec![], vec![]));
    // Each of them, where another value would show: none is that of another key.
    let text = origin::tests::spelled_out();
    let read = schema::read(&mut Config::default(), Path::new("f"), &text);
    assert!(read.entries.len() > 100, "{}", read.entries.len());
    assert_eq!(apply(&text), (Config::default(), Vec::new()));
    assert_eq!(apply(""), (Config::default(), Vec::new()));
}

#[test]
fn the_default_file_has_every_key_and_its_examples_are_right() {
    let text = origin::uncommented(DEFAULTS, |_| true);
    let mut config = Config::default();
    let read = schema::read(&mut config, Path::new("f"), &text);
    assert_eq!(read.problems, []);
    let missing: Vec<String> =
        read.known.into_iter().filter(|(_, used)| !used).map(|(key, _)| key).collect();
    assert_eq!(missing, [""; 0], "config/memtrace.toml doesn't tell of them");
    assert_eq!(config.scope.as_deref(), Some("/machine.slice"));
    let of = |name| VmSettings::of(&config.rules.vms, name, None);
    assert_eq!(of("db-7").weight, Some(2000));
    assert_eq!(of("web-1").minimum, Some(memtrace_core::units::Bytes(1 << 30)));
}

#[test]
fn all_errors_are_reported_with_their_place_and_a_suggestion() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/tests/broken");
    let mut files: Vec<_> =
        fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 5);
    let mut told = String::new();
    for file in files {
        let (text, good) = crate::command::config::check::report(&file, true);
        assert!(!good, "{}", file.display());
        let name = format!("{}/", directory.display());
        told += &format!("{}\n", text.replace(&name, ""));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn files_beside_it_are_read_in_the_order_of_their_names_and_the_later_wins() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("memtrace.toml");
    let beside = |name: &str, text: &str| {
        fs::create_dir_all(directory.path().join("memtrace.d")).unwrap();
        fs::write(directory.path().join("memtrace.d").join(name), text).unwrap();
    };
    assert_eq!(Config::load(&file, false).unwrap().config, Config::default());
    let missing = Config::load(&file, true).unwrap_err();
    assert!(missing[0].to_string().contains("memtrace.toml: No such file"), "{missing:?}");
    fs::write(&file, "mode = \"enforce\"\n[journal]\nfiles = 5\n").unwrap();
    beside("20-b.toml", "[journal]\nfiles = 7\n[[vm]]\nname = \"a\"\nweight = 7\n");
    beside(
        "10-a.toml",
        "[journal]\nfiles = 6\nfile = \"1MiB\"\n[[vm]]\nname = \"a\"\nweight = 6\n",
    );
    beside(".30-hidden.toml", "nonsense");
    beside("40-c.toml.rpmnew", "nonsense");
    let loaded = Config::load(&file, true).unwrap();
    assert_eq!(loaded.files.len(), 3);
    let Config { mode, journal, .. } = &loaded.config;
    assert_eq!((*mode, journal.limits.files, journal.limits.file.0), (Mode::Enforce, 7, 1 << 20));
    assert_eq!(VmSettings::of(&loaded.config.rules.vms, "a", None).weight, Some(7));
    beside("50-d.toml", "mdoe = 1\n");
    let problems = Config::load(&file, true).unwrap_err();
    let text = problems[0].to_string();
    assert!(text.ends_with("50-d.toml:1:1: mdoe: unknown key; did you mean `mode`?"), "{text}");
}

#[test]
fn a_file_that_is_no_text_too_long_or_a_device_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("memtrace.toml");
    fs::write(&file, [0xff, 0xfe]).unwrap();
    assert!(Config::load(&file, true).unwrap_err()[0].text.contains("UTF-8"));
    fs::File::create(&file).and_then(|file| file.set_len((1 << 20) + 1)).unwrap();
    for (file, told) in [(&*file, "longer than 1 MiB"), (Path::new("/dev/zero"), "but a device")] {
        let refused = Config::load(file, true).unwrap_err();
        assert!(refused[0].text.contains(told), "{refused:?}");
    }
    let empty = Config::load(Path::new("/dev/null"), true).expect("it is an empty file");
    assert_eq!(empty.config, Config::default());
}

proptest::proptest! {
    #[test]
    fn nothing_panics(text in "(\\[?\\[(vm|scope|journal)\\]?\\]\n|(mode|files|name|match) = (\"[a-z(]{0,3}\"|3|\\[|\\{ )\n|.|\n){0,20}") {
        apply(&text);
    }
}

#[test]
fn a_long_file_of_errors_is_read_in_linear_time_and_few_of_them_are_told() {
    for (begin, error) in
        [("", "]\n"), ("", "] "), ("vm = [", "{ x = 1 },"), ("", "[[vm]]\nx = 1\n")]
    {
        let count = (1 << 18) / error.len();
        let text = format!("{begin}{}", error.repeat(count));
        let problems = Config::of_text(Path::new("f"), &text).expect_err("it is invalid");
        assert!(problems.len() <= 101, "{}", problems.len());
        let last = problems.last().map(ToString::to_string).unwrap_or_default();
        assert!(problems.len() < 101 || last.contains(" other errors from here on"), "{last}");
    }
}
