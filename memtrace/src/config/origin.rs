//! Where values come from: what files set, and what the commented default file says of the rest.

use std::path::Path;

use super::entry::Entry;
use super::problem::Place;
use super::schema;

/// The default configuration: every key with its default, commented out.
pub const DEFAULTS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/memtrace.toml"));

/// Ends the line of a key that has no default, but an example.
const EXAMPLE: &str = "# no default";

/// The first line of the examples that are no defaults: settings of single VMs.
const EXAMPLES: &str = "#[[vm]]";

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Dotted.
    pub key: String,
    /// TOML. `None`: it isn't set, and has no default.
    pub value: Option<String>,
    /// `None`: it is the default.
    pub place: Option<Place>,
}

/// Every key in the order of the default file, by what these files set.
pub fn settings(set: &[Entry]) -> Vec<Setting> {
    let lines: Vec<&str> = DEFAULTS.lines().collect();
    let of_default = |default: Entry| {
        let own = set.iter().rfind(|entry| entry.table.is_none() && entry.key == default.key);
        let line = lines.get(default.place.line.saturating_sub(1)).copied().unwrap_or_default();
        let value = (!line.ends_with(EXAMPLE)).then_some(default.value);
        Setting {
            key: default.key,
            value: own.map(|entry| entry.value.clone()).or(value),
            place: own.map(|entry| entry.place.clone()),
        }
    };
    defaults().into_iter().map(of_default).collect()
}

/// The tables of single VMs, in the order in which they count.
pub fn vms(set: &[Entry]) -> Vec<&[Entry]> {
    let same =
        |one: &Entry, other: &Entry| one.table == other.table && one.place.file == other.place.file;
    set.chunk_by(same).filter(|table| table.iter().any(|entry| entry.table.is_some())).collect()
}

/// The values of the default file, examples of keys without a default included.
fn defaults() -> Vec<Entry> {
    let end = DEFAULTS.find(EXAMPLES).unwrap_or(DEFAULTS.len());
    let text = uncommented(DEFAULTS.get(..end).unwrap_or_default(), |_| true);
    let mut entries = schema::read(&mut super::Config::default(), Path::new(""), &text).entries;
    entries.sort_by_key(|entry| entry.place.line);
    entries
}

/// A commented file with those of its settings that are `wanted`: `#key = value` and `#[table]`,
/// without a blank as in sentences.
pub(super) fn uncommented(text: &str, wanted: impl Fn(&str) -> bool) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(setting)
            if setting.starts_with(|c: char| c.is_ascii_lowercase() || c == '[')
                && wanted(setting) =>
        {
            format!("{setting}\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The default file with all defaults set, and no examples.
    pub(in crate::config) fn spelled_out() -> String {
        let end = DEFAULTS.find(EXAMPLES).expect("it has examples");
        uncommented(&DEFAULTS[..end], |line| !line.ends_with(EXAMPLE))
    }

    fn entries(text: &str) -> Vec<Entry> {
        let read = schema::read(&mut super::super::Config::default(), Path::new("f"), text);
        assert_eq!(read.problems, []);
        read.entries
    }

    #[test]
    fn a_value_is_that_of_the_last_file_or_the_default() {
        let set = entries("[policy]\nsoft = 25\n\n[hook]\ncommand = [\n  \"page\", # me\n]\n");
        let all = settings(&set);
        let of = |key: &str| all.iter().find(|one| one.key == key).expect("there is such a key");
        assert_eq!(of("mode").value.as_deref(), Some("\"observe\""));
        assert_eq!((of("mode").place.as_ref(), of("scope.cgroup").value.as_ref()), (None, None));
        assert_eq!(of("policy.soft").value.as_deref(), Some("25"));
        assert_eq!(of("policy.soft").place.as_ref().map(ToString::to_string), Some("f:2:1".into()));
        assert_eq!(of("hook.command").value.as_deref(), Some("[\n  \"page\", # me\n]"));
        let again = entries("[policy]\nsoft = 30\n");
        let all = settings(&[set, again].concat());
        assert!(all.iter().any(|one| one.value.as_deref() == Some("30")));
        let order: Vec<&str> = all.iter().map(|one| &*one.key).take(3).collect();
        assert_eq!(order, ["mode", "interval", "libvirt"]);
    }

    #[test]
    fn tables_of_vms_stay_apart() {
        let set = entries(
            "mode = \"observe\"\n[[vm]]\nname = \"a\"\nweight = 7\n\n[[vm]]\nname = \"b\"\n\
             labels = { team = \"x\" }\n",
        );
        let told: Vec<Vec<(&str, &str)>> = vms(&set)
            .into_iter()
            .map(|table| table.iter().map(|one| (&*one.key, &*one.value)).collect())
            .collect();
        let a = [("vm.name", "\"a\""), ("vm.weight", "7")];
        let b = [("vm.name", "\"b\""), ("vm.labels", "{ \"team\" = \"x\" }")];
        assert_eq!(told, [a, b]);
    }
}
