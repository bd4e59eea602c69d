//! The options of a command line and its `-readconfig` files as one list of groups, as QEMU makes
//! of them before it looks at any (system/vl.c, util/qemu-option.c): where a group is one for all,
//! the later value of a key wins; `-set` changes one that is there. Pure.

use std::collections::BTreeMap;

use super::options::Keyed;

/// Most sections that are kept; with 36 memory devices there are less than 200.
pub(super) const MOST: usize = 4096;

/// A group, how its option is called, and the key of its first value.
struct Group {
    option: &'static str,
    name: &'static str,
    implied: &'static str,
    /// Its argument may be an object of JSON.
    json: bool,
    /// All its options are one.
    single: bool,
}

const fn group(option: &'static str, name: &'static str, implied: &'static str) -> Group {
    Group { option, name, implied, json: false, single: false }
}

const fn single(option: &'static str, name: &'static str, implied: &'static str) -> Group {
    Group { single: true, ..group(option, name, implied) }
}

const fn json(option: &'static str, name: &'static str, implied: &'static str) -> Group {
    Group { json: true, ..group(option, name, implied) }
}

const GROUPS: [Group; 12] = [
    single("name", "name", "guest"),
    single("m", "memory", "size"),
    single("smp", "smp-opts", "cpus"),
    single("machine", "machine", "type"),
    single("M", "machine", "type"),
    group("accel", "accel", "accel"),
    json("object", "object", "qom-type"),
    json("device", "device", "driver"),
    json("chardev", "chardev", "backend"),
    json("netdev", "netdev", "type"),
    json("mon", "mon", "chardev"),
    group("smbios", "smbios", "file"),
];

/// The groups in their order, each with what was said in it.
#[derive(Debug, Default)]
pub(super) struct Sections {
    all: Vec<(String, Keyed)>,
    /// Where those are of which there is one alone.
    singles: BTreeMap<String, usize>,
    /// Where the first of each group and id is, for `-set`.
    ids: BTreeMap<(String, String), usize>,
    /// There were more than are kept.
    pub(super) cut: bool,
}

impl Sections {
    /// An option of the command line. Whether it has a group.
    pub(super) fn option(&mut self, option: &str, argument: &str) -> bool {
        match option {
            "set" => self.set(argument),
            // Those are short for an option of the machine; the last one counts.
            "enable-kvm" => self.add("machine", Keyed::of("accel", "kvm")),
            "no-kvm" => self.add("machine", Keyed::of("accel", "tcg")),
            "balloon" => self.balloon(argument),
            "global" => self.add("global", global(argument)),
            _ => {
                let Some(group) = GROUPS.iter().find(|group| group.option == option) else {
                    return false;
                };
                let keyed = if group.json && argument.starts_with('{') {
                    Keyed::from_json(argument)
                } else {
                    Keyed::parse(argument, group.implied)
                };
                self.add(group.name, keyed);
            }
        }
        true
    }

    /// A section of a file, or what an option stands for.
    pub(super) fn add(&mut self, name: &str, keyed: Keyed) {
        let single = GROUPS.iter().any(|group| group.name == name && group.single);
        let known = self.singles.get(name).copied();
        let place = known.unwrap_or(self.all.len());
        if place >= MOST {
            self.cut = true;
            return;
        }
        if single {
            self.singles.insert(name.to_owned(), place);
        }
        if let Some(id) = keyed.get("id") {
            self.ids.entry((name.to_owned(), id.to_owned())).or_insert(place);
        }
        match self.all.get_mut(place) {
            Some((_, known)) => known.take(keyed),
            None => self.all.push((name.to_owned(), keyed)),
        }
    }

    /// `-set GROUP.ID.KEY=VALUE`.
    fn set(&mut self, argument: &str) {
        let parts = || {
            let (place, value) = argument.split_once('=')?;
            let (group, rest) = place.split_once('.')?;
            let (id, key) = rest.split_once('.')?;
            Some((group, id, key, value))
        };
        let Some((group, id, key, value)) = parts() else { return };
        let place = self.ids.get(&(group.to_owned(), id.to_owned()));
        if let Some((_, keyed)) = place.and_then(|&place| self.all.get_mut(place)) {
            keyed.set(key, value);
        }
    }

    /// `-balloon virtio`, before QEMU 4.2.
    fn balloon(&mut self, argument: &str) {
        let mut keyed = Keyed::parse(argument, "driver");
        if keyed.get("driver") == Some("virtio") {
            keyed.set("driver", "virtio-balloon");
            self.add("device", keyed);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Keyed)> {
        self.all.iter().map(|(name, keyed)| (name.as_str(), keyed))
    }

    /// What `-global` says of a driver that is one of `drivers`; the last one counts.
    pub(super) fn global(&self, drivers: &[&str], property: &str) -> Option<&str> {
        let of_drivers = |keyed: &&Keyed| {
            let driver = keyed.get("driver");
            driver.is_some_and(|driver| drivers.contains(&driver))
                && keyed.get("property") == Some(property)
        };
        let globals = self.iter().filter(|(name, _)| *name == "global").map(|(_, keyed)| keyed);
        globals.filter(of_drivers).last()?.get("value")
    }
}

/// `-global DRIVER.PROPERTY=VALUE`, or the three with keys.
fn global(argument: &str) -> Keyed {
    let short = || {
        let (place, value) = argument.split_once('=')?;
        let (driver, property) =
            place.split_once('.').filter(|(driver, _)| !driver.contains(','))?;
        let mut keyed = Keyed::of("driver", driver);
        keyed.set("property", property);
        keyed.set("value", value);
        Some(keyed)
    };
    short().unwrap_or_else(|| Keyed::parse(argument, "driver"))
}
