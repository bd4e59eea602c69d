//! Which keys of a line are printed, for readers of a few.

use serde_json::Value;

use super::node::SchemaNode;
use super::schema;

/// Keys that are in each line, without which the others mean nothing.
const ALWAYS: [&str; 3] = ["schema_version", "wall", "interval"];

/// The way to a key: through lists to that key of each item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPath(Vec<String>);

impl KeyPath {
    /// Reads `vms.name` and the like.
    ///
    /// # Errors
    /// When no line has such a key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let schema = schema();
        let mut node = SchemaNode::root(&schema);
        let mut path = Vec::new();
        for name in text.split('.') {
            let key = within(node).keys().into_iter().find(|key| key.name == name);
            let Some(key) = key else {
                return Err(format!(
                    "there is no key {name:?} here; `memtrace stream --describe` lists all"
                ));
            };
            path.push(name.to_owned());
            node = key.node;
        }
        Ok(Self(path))
    }

    /// Reads one that may be left out.
    ///
    /// # Errors
    /// As [`Self::parse`], and for a key that is in each line.
    pub fn parse_dispensable(text: &str) -> Result<Self, String> {
        let path = Self::parse(text)?;
        match path.0.first() {
            Some(first) if ALWAYS.contains(&first.as_str()) => {
                Err(format!("{first} is in each line"))
            }
            _ => Ok(path),
        }
    }
}

/// What has the keys: the items of a list.
fn within(node: SchemaNode<'_>) -> SchemaNode<'_> {
    let node = node.present();
    node.items().map_or(node, within)
}

/// The keys that are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Empty: all.
    pub only: Vec<KeyPath>,
    pub without: Vec<KeyPath>,
}

impl Selection {
    /// Whether these are all keys.
    pub const fn is_all(&self) -> bool {
        self.only.is_empty() && self.without.is_empty()
    }

    /// Takes the others out of a line.
    pub(in crate::export) fn apply(&self, line: &mut Value) {
        if !self.only.is_empty() {
            let always = ALWAYS.map(|name| vec![name.to_owned()]);
            let paths = self.only.iter().map(|path| &path.0).chain(&always);
            keep(line, &paths.map(Vec::as_slice).collect::<Vec<_>>());
        }
        for path in &self.without {
            remove(line, &path.0);
        }
    }
}

/// Keeps what is at the end of one of these paths.
fn keep(value: &mut Value, paths: &[&[String]]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| keep(item, paths)),
        Value::Object(object) if paths.iter().all(|path| !path.is_empty()) => {
            object.retain(|name, value| {
                let through = paths.iter().filter_map(|path| path.split_first());
                let through = through.filter(|(head, _)| *head == name);
                let rests: Vec<&[String]> = through.map(|(_, rest)| rest).collect();
                keep(value, &rests);
                !rests.is_empty()
            });
        }
        _ => {}
    }
}

fn remove(value: &mut Value, path: &[String]) {
    let Some((name, rest)) = path.split_first() else { return };
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| remove(item, path)),
        Value::Object(object) if rest.is_empty() => {
            object.remove(name);
        }
        Value::Object(object) => {
            if let Some(value) = object.get_mut(name) {
                remove(value, rest);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Sort;
    use crate::export::json;
    use memtrace_core::fixture;

    fn paths(texts: &[&str]) -> Vec<KeyPath> {
        texts.iter().map(|text| KeyPath::parse(text).expect("there is such a key")).collect()
    }

    fn line(only: &[&str], without: &[&str]) -> String {
        let keys = Selection { only: paths(only), without: paths(without) };
        let (snapshot, decided) = (fixture::demo(), fixture::observed());
        json::selected(&snapshot, &decided, Sort::default(), None, &keys).expect("it is written")
    }

    #[test]
    fn a_line_has_the_keys_that_were_asked_for_and_those_that_each_has() {
        let of_each = "\"interval\":1000000000,\"schema_version\":1";
        let few = line(&["host.hostname", "vms.name", "vms.stalled"], &["vms.stalled.quality"]);
        let vms = [("noisy", "38.4"), ("victim", "2.25"), ("idle", "0.0")]
            .map(|(name, share)| {
                format!("{{\"name\":\"{name}\",\"stalled\":{{\"value\":{share}}}}}")
            })
            .join(",");
        let wall = fixture::WALL.0;
        let host = "\"host\":{\"hostname\":\"kvm-7\"}";
        assert_eq!(few, format!("{{{host},{of_each},\"vms\":[{vms}],\"wall\":{wall}}}\n"));
        let one = line(&["undecided"], &[]);
        assert_eq!(one, format!("{{{of_each},\"undecided\":null,\"wall\":{wall}}}\n"));
    }

    #[test]
    fn what_is_left_out_is_missing_alone() {
        let all: Value = serde_json::from_str(&line(&[], &[])).expect("it is JSON");
        let thoughtless = line(&[], &["reaction.decisions.thoughts", "signals"]);
        let mut rest: Value = serde_json::from_str(&thoughtless).expect("it is JSON");
        assert!(rest["signals"].is_null() && rest["reaction"]["decisions"]["thoughts"].is_null());
        rest["signals"] = all["signals"].clone();
        rest["reaction"]["decisions"]["thoughts"] =
            all["reaction"]["decisions"]["thoughts"].clone();
        assert_eq!(rest, all);
        assert!(
            all["reaction"]["decisions"]["thoughts"].is_array(),
            "there is something to leave out"
        );
        let both = line(&["vms"], &["vms"]);
        assert!(both.starts_with("{\"interval\":") && !both.contains("vms"), "{both}");
    }

    #[test]
    fn each_key_of_a_line_can_be_asked_for_and_no_other() {
        let all: Value = serde_json::from_str(&line(&[], &[])).expect("it is JSON");
        let object = all.as_object().expect("it is one");
        for name in object.keys() {
            let few: Value = serde_json::from_str(&line(&[name], &[])).expect("it is JSON");
            assert_eq!(few[name], all[name], "{name}");
            assert!(few.as_object().expect("it is one").len() <= 4, "{name}");
        }
        for wrong in ["", "vm", "vms.", "vms.nam", "vms.name.x", "host..hostname", "vms.0.name"] {
            assert!(KeyPath::parse(wrong).is_err(), "{wrong}");
        }
        assert!(KeyPath::parse_dispensable("wall").is_err_and(|told| told.contains("each line")));
        assert!(KeyPath::parse_dispensable("vms.stalled.quality").is_ok());
    }
}
