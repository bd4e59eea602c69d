//! `memtrace config show`: what holds, with the file and line of each value. Pure.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::config::{Entry, Setting, settings, vms};
use memtrace_core::text::{clean, clean_lines};

/// Version of the JSON schema. Incremented when a field is removed or changes its meaning.
const SCHEMA_VERSION: u32 = 1;

/// Where the comments begin, in columns.
const COMMENTS: usize = 40;

/// As TOML.
pub(super) fn text(set: &[Entry]) -> String {
    let mut text = String::new();
    let mut open = "";
    let all = settings(set);
    for Setting { key, value, place } in &all {
        let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
        if table != open {
            open = table;
            // Writing to a string doesn't fail.
            let _ = writeln!(text, "\n[{table}]");
        }
        match (value, place) {
            (None, _) => text.push_str(&line(&format!("#{name}"), "not set")),
            (Some(value), None) => text.push_str(&line(&format!("{name} = {value}"), "default")),
            (Some(value), Some(place)) => {
                text.push_str(&line(&format!("{name} = {value}"), &from(place)));
            }
        }
    }
    for table in vms(set) {
        text.push_str("\n[[vm]]\n");
        for Entry { key, place, value, .. } in table {
            let name = key.rsplit('.').next().unwrap_or(key);
            text.push_str(&line(&format!("{name} = {value}"), &from(place)));
        }
    }
    text
}

fn line(value: &str, comment: &str) -> String {
    format!("{:<COMMENTS$} # {}\n", clean_lines(value), clean(comment))
}

fn from(place: &crate::config::Place) -> String {
    format!("{}:{}", place.file.display(), place.line)
}

/// As one JSON document.
///
/// # Errors
/// When a value can't be written as JSON.
pub(super) fn json(files: &[PathBuf], set: &[Entry]) -> Result<String> {
    let (mut values, mut tables) = (Vec::new(), Vec::new());
    for Setting { key, value, place } in settings(set) {
        let value = value.map(|value| as_json(&value)).transpose()?;
        let source = match (&value, &place) {
            (None, _) => "unset",
            (_, None) => "default",
            _ => "file",
        };
        let file = place.as_ref().map(|place| &place.file);
        let line = place.as_ref().map(|place| place.line);
        values.push(json!({
            "key": key, "value": value, "source": source, "file": file, "line": line,
        }));
    }
    for table in vms(set) {
        let mut vm = Map::new();
        for Entry { key, place, value, .. } in table {
            let name = key.rsplit('.').next().unwrap_or(key);
            let value = as_json(value)?;
            vm.insert(
                name.to_owned(),
                json!({ "value": value, "file": place.file, "line": place.line }),
            );
        }
        tables.push(vm);
    }
    let document = json!({
        "schema_version": SCHEMA_VERSION, "files": files, "values": values, "vms": tables,
    });
    Ok(format!("{document}\n"))
}

/// A value of TOML.
fn as_json(value: &str) -> Result<Value> {
    let mut table: toml::Table = toml::from_str(&format!("value = {value}"))?;
    let value = table.remove("value").context("there is no value")?;
    Ok(serde_json::to_value(value)?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::config::{Config, Loaded};

    fn loaded(text: &str, beside: &str) -> (Loaded, tempfile::TempDir) {
        let directory = tempfile::tempdir().expect("there is room");
        let (file, folder) =
            (directory.path().join("memtrace.toml"), directory.path().join("memtrace.d"));
        fs::create_dir(&folder).expect("it is made");
        fs::write(&file, text).expect("it is written");
        fs::write(folder.join("10.toml"), beside).expect("it is written");
        (Config::load(&file, true).expect("it is valid"), directory)
    }

    const MAIN: &str = "mode = \"enforce\"\nhook.command = [\n  \"page\", # me\n  \"ä\\u001b\",\n]\n\
                        [policy]\nsoft = 25\nhard = 0x0A\n\
                        [metrics]\nlisten = \":9435\"\n[[vm]]\nname = \"web\"\nminimum = \"1GiB\"\n";
    const BESIDE: &str =
        "policy.soft = 30\n[[vm]]\nmatch = \"^db\"\nlabels = { \"a b\" = \"x\", c = '\"' }\n";

    #[test]
    fn it_is_a_configuration_with_the_same_effect() {
        let main = MAIN.replace("0x0A", "12");
        for (text, beside) in [("", ""), (&*main, ""), (&*main, BESIDE)] {
            let (loaded, _directory) = loaded(text, beside);
            let shown = super::text(&loaded.entries);
            assert_eq!(Config::of_text(Path::new("f"), &shown), Ok(loaded.config), "{shown}");
        }
    }

    #[test]
    fn each_value_has_its_file_and_line() {
        let (loaded, directory) = loaded(&MAIN.replace("0x0A", "12"), BESIDE);
        let shown = super::text(&loaded.entries);
        let place = |name: &str| directory.path().join(name).display().to_string();
        for (begin, end) in [
            ("mode = \"enforce\"", format!("# {}:1", place("memtrace.toml"))),
            ("soft = 30", format!("# {}:1", place("memtrace.d/10.toml"))),
            ("low = 5", "# default".to_owned()),
            ("#cgroup", "# not set".to_owned()),
            ("minimum = \"1GiB\"", format!("# {}:13", place("memtrace.toml"))),
        ] {
            let found = shown.lines().any(|line| line.starts_with(begin) && line.ends_with(&end));
            assert!(found, "{begin} {end}: {shown}");
        }
    }

    #[test]
    fn the_document_has_values_as_json() {
        let (loaded, _directory) = loaded(&MAIN.replace("0x0A", "12"), BESIDE);
        let text = json(&loaded.files, &loaded.entries).expect("it can be written");
        let document: Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(document["files"].as_array().map(Vec::len), Some(2));
        let values = document["values"].as_array().expect("there are some");
        let of = |key: &str| values.iter().find(|one| one["key"] == key).expect("it is there");
        assert_eq!(
            (&of("policy.soft")["value"], &of("policy.soft")["line"]),
            (&30.into(), &1.into())
        );
        assert_eq!(
            (&of("mode")["source"], &of("scope.cgroup")["source"]),
            (&"file".into(), &"unset".into())
        );
        assert_eq!(
            (&of("policy.low")["source"], &of("policy.low")["file"]),
            (&"default".into(), &Value::Null)
        );
        assert_eq!(document["vms"][0]["minimum"]["value"], "1GiB");
        assert_eq!(document["vms"][1]["labels"]["value"]["a b"], "x");
    }
}
