//! The grammar of QEMU's command line (qemu-options.hx, util/keyval.c): options with one
//! or two dashes, most of them followed by one argument of `key=value` pairs.

use std::collections::BTreeMap;

/// Options that take no argument. All others take exactly one.
const FLAGS: &[&str] = &[
    "S",
    "alt-grab",
    "async-teardown",
    "audio-help",
    "ctrl-grab",
    "curses",
    "daemonize",
    "enable-fips",
    "enable-hax",
    "enable-kvm",
    "enable-sync-profile",
    "full-screen",
    "h",
    "help",
    "jitdump",
    "localtime",
    "mem-prealloc",
    "no-acpi",
    "no-fd-bootchk",
    "no-frame",
    "no-hpet",
    "no-kvm",
    "no-kvm-irqchip",
    "no-kvm-pit",
    "no-kvm-pit-reinjection",
    "no-quit",
    "no-reboot",
    "no-shutdown",
    "no-user-config",
    "nodefaults",
    "nodefconfig",
    "nographic",
    "old-param",
    "one-insn-per-tb",
    "only-migratable",
    "perfmap",
    "portrait",
    "preconfig",
    "rtc-td-hack",
    "s",
    "sdl",
    "semihosting",
    "show-cursor",
    "singlestep",
    "snapshot",
    "tdf",
    "usb",
    "version",
    "win2k-hack",
    "xen-attach",
    "xen-create",
    "xen-domid-restrict",
];

/// The options in their order, each with its argument. `arguments` is without the program.
pub fn options(arguments: &[String]) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = arguments.iter();
    std::iter::from_fn(move || {
        loop {
            // Something without a dash is the image of the first disk.
            let Some(option) = rest.next()?.strip_prefix('-') else { continue };
            let option = option.strip_prefix('-').unwrap_or(option);
            if FLAGS.contains(&option) {
                return Some((option, ""));
            }
            return Some((option, rest.next().map_or("", String::as_str)));
        }
    })
}

/// The key of a list: of the host's nodes that a memory backend is on.
const LIST: &str = "host-nodes";
/// Longest key in objects of JSON, as each has the names of those that it is in. QEMU's have less
/// than 100 bytes.
const LONGEST_KEY: usize = 256;

/// An argument taken apart: `value,key=value,flag` or a JSON object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyed(BTreeMap<String, String>);

impl Keyed {
    /// One key alone.
    pub fn of(key: &str, value: &str) -> Self {
        Self(BTreeMap::from([(key.to_owned(), value.to_owned())]))
    }

    /// `implied` is the key of a first value that has none. A later value of the same
    /// key wins, as in QEMU.
    pub fn parse(argument: &str, implied: &str) -> Self {
        let mut keyed = BTreeMap::<String, String>::new();
        for (index, part) in split(argument).into_iter().enumerate() {
            let (key, value) = match part.split_once('=') {
                Some((key, value)) => (key.to_owned(), value.to_owned()),
                None if index == 0 => (implied.to_owned(), part),
                // `server` is short for `server=on`, and `nowait` for `wait=off`.
                None => match part.strip_prefix("no") {
                    Some(key) => (key.to_owned(), "off".to_owned()),
                    None => (part, "on".to_owned()),
                },
            };
            // A list is said by repeating its key.
            match keyed.get_mut(&key).filter(|_| key == LIST) {
                Some(list) => list.extend([",", value.as_str()]),
                None => drop(keyed.insert(key, value)),
            }
        }
        Self(keyed)
    }

    /// An object of JSON; the keys of objects in it are joined by dots, as QEMU writes them.
    pub fn from_json(argument: &str) -> Self {
        let mut keyed = Self::default();
        if let Ok(serde_json::Value::Object(object)) = serde_json::from_str(argument) {
            keyed.add_json("", object);
        }
        keyed
    }

    /// The parser of JSON bounds the depth.
    fn add_json(&mut self, before: &str, object: serde_json::Map<String, serde_json::Value>) {
        use serde_json::Value;
        for (key, value) in object {
            let key = format!("{before}{key}");
            if key.len() > LONGEST_KEY {
                continue;
            }
            match value {
                Value::String(text) => self.set(&key, &text),
                Value::Bool(on) => self.set(&key, if on { "on" } else { "off" }),
                Value::Number(number) => self.set(&key, &number.to_string()),
                Value::Object(object) => self.add_json(&format!("{key}."), object),
                Value::Array(list) => {
                    let numbers: Vec<String> =
                        list.iter().filter_map(Value::as_u64).map(|one| one.to_string()).collect();
                    self.set(&key, &numbers.join(","));
                }
                Value::Null => {}
            }
        }
    }

    pub fn set(&mut self, key: &str, value: &str) {
        self.0.insert(key.to_owned(), value.to_owned());
    }

    /// Whether the value of `key` begins with `kind`.
    pub fn is_kind(&self, key: &str, kind: &str) -> bool {
        self.get(key).is_some_and(|value| value.starts_with(kind))
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// The nodes of the host, whose key is said again (`host-nodes=1,host-nodes=2`) or has numbers
    /// (`host-nodes.0=1`).
    pub fn host_nodes(&self) -> String {
        let numbered = self.below(LIST);
        let values = numbered.0.values().map(String::as_str).chain(self.get(LIST));
        values.collect::<Vec<&str>>().join(",")
    }

    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub fn is_on(&self, key: &str) -> bool {
        self.get(key).is_some_and(is_on)
    }

    /// Adds those of `later`, which win.
    pub fn take(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    /// Those whose keys begin with `group` and a dot, without it: `smp.cpus` of a machine.
    pub fn below(&self, group: &str) -> Self {
        let inside = |(key, value): (&String, &String)| {
            let key = key.strip_prefix(group)?.strip_prefix('.')?;
            Some((key.to_owned(), value.clone()))
        };
        Self(self.0.iter().filter_map(inside).collect())
    }
}

/// What QEMU takes for yes (qapi/qapi-util.c).
pub fn is_on(value: &str) -> bool {
    matches!(value, "on" | "yes" | "true" | "y")
}

/// A whole number, also in hexadecimal.
pub fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Splits at commas; two of them stand for one that belongs to the value.
fn split(argument: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut characters = argument.chars().peekable();
    while let Some(character) = characters.next() {
        if character != ',' {
            part.push(character);
        } else if characters.next_if_eq(&',').is_some() {
            part.push(',');
        } else {
            parts.push(std::mem::take(&mut part));
        }
    }
    parts.push(part);
    parts
}

/// A size in bytes: a number, perhaps with a fraction or in hexadecimal, with a suffix of `BKMGTPE`
/// (util/cutils.c, `qemu_strtosz`). `plain` is the unit without a suffix.
pub fn size(text: &str, plain: u64) -> Option<u64> {
    if text.starts_with("0x") || text.starts_with("0X") {
        return number(text)?.checked_mul(plain);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..)?.to_ascii_uppercase().as_str() {
        "" => plain,
        "B" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        "P" => 1 << 50,
        "E" => 1 << 60,
        _ => return None,
    };
    if let Ok(whole) = digits.parse::<u64>() {
        return whole.checked_mul(unit);
    }
    let fraction: f64 = digits.parse().ok()?;
    let bytes = fraction * unit as f64;
    // Beyond 2^63 is no memory size, and would not survive the conversion.
    (0.0..9.2e18).contains(&bytes).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &[&str]) -> Vec<String> {
        line.iter().map(|&argument| argument.to_owned()).collect()
    }

    #[test]
    fn values_that_look_like_options_stay_values() {
        let line = arguments(&["disk.img", "-S", "-append", "-name x", "--name", "y", "-m"]);
        assert_eq!(
            options(&line).collect::<Vec<_>>(),
            [("S", ""), ("append", "-name x"), ("name", "y"), ("m", "")]
        );
    }

    #[test]
    fn doubled_commas_belong_to_the_value() {
        let keyed = Keyed::parse("a,,b,process=c,,,server,nowait", "guest");
        assert_eq!(keyed.get("guest"), Some("a,b"));
        assert_eq!(keyed.get("process"), Some("c,"));
        assert!(keyed.is_on("server"));
        assert_eq!(keyed.get("wait"), Some("off"));
    }

    #[test]
    fn json_is_as_good() {
        let text = r#"{"qom-type":"secret","share":true,"size":8,"x":{},"a":{"b":{"c":"d"}}}"#;
        let keyed = Keyed::from_json(text);
        assert_eq!(keyed.get("qom-type"), Some("secret"));
        assert!(keyed.is_on("share"));
        assert_eq!(keyed.get("size"), Some("8"));
        assert!(!keyed.has("x"));
        assert_eq!(keyed.get("a.b.c"), Some("d"));
        assert_eq!(Keyed::from_json("{garbage"), Keyed::default());
    }

    #[test]
    fn sizes() {
        const MIB: u64 = 1 << 20;
        assert_eq!(size("512", MIB), Some(512 * MIB));
        assert_eq!(size("2G", MIB), Some(2048 * MIB));
        assert_eq!(size("1048576k", MIB), Some(1024 * MIB));
        assert_eq!(size("1.5G", MIB), Some(1536 * MIB));
        assert_eq!((size(".5G", MIB), size("0x400", MIB)), (Some(512 * MIB), Some(1024 * MIB)));
        assert_eq!(size("64b", MIB), Some(64));
        for bad in ["", "G", "1X", "-1", "99999999999E", "nan", "inf", "1e300G"] {
            assert_eq!(size(bad, MIB), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(argument in "(?s)[{\"a-z0-9.,=]*.*", line: Vec<String>) {
            Keyed::parse(&argument, "x");
            Keyed::from_json(&argument);
            size(&argument, 1);
            let _ = options(&line).count();
        }

        #[test]
        fn an_escaped_value_comes_back(value in "[^={][^=]*") {
            let keyed = Keyed::parse(&value.replace(',', ",,"), "guest");
            proptest::prop_assert_eq!(keyed.get("guest"), Some(value.as_str()));
        }
    }
}
