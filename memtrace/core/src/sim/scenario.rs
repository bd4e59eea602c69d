//! Scenarios: a host, its guests, what happens, and what a good policy makes of it. TOML.

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::load::Load;
use super::outcome::Expectation;
use super::size::Size;

/// A story of a host.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Of the file.
    #[serde(skip)]
    pub name: String,
    /// What it is about, a sentence.
    pub about: String,
    /// Length in virtual seconds.
    pub seconds: u64,
    pub host: HostSpec,
    pub vm: Vec<VmSpec>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub event: Vec<Event>,
    /// What memtrace's own policy has to reach.
    #[serde(default, skip_serializing_if = "is_default")]
    pub expect: Expectation,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HostSpec {
    pub memory: Size,
    /// Kernel and processes that can't be reclaimed.
    #[serde(default = "half_a_gib")]
    pub reserved: Size,
    /// The host's own page cache, clean.
    #[serde(default = "half_a_gib")]
    pub cache: Size,
    /// The memory is a cgroup's, at whose limit who allocates reclaims: no kswapd is seen at work.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pool: bool,
    pub swap: SwapSpec,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SwapSpec {
    pub size: Size,
    /// Reads and writes together, per second.
    pub bandwidth: Size,
    /// Of one read on an idle device.
    pub latency_us: u64,
    /// Compressed in memory: what is there takes a third of its size.
    #[serde(default, skip_serializing_if = "is_default")]
    pub zram: bool,
}

/// A guest, or several of the same kind.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VmSpec {
    pub name: String,
    #[serde(default = "one")]
    pub count: u32,
    /// Seconds by which each further one is behind the one before.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stagger: u64,
    pub memory: Size,
    #[serde(default = "two")]
    pub vcpus: u32,
    pub load: Load,
    #[serde(default, skip_serializing_if = "is_default")]
    pub balloon: BalloonKind,
    #[serde(default, skip_serializing_if = "is_default")]
    pub statistics: StatisticsKind,
    #[serde(default, skip_serializing_if = "is_default")]
    pub system: System,
    /// The guest's own swap, on a virtual disk.
    #[serde(default, skip_serializing_if = "is_default")]
    pub own_swap: Size,
    #[serde(default, skip_serializing_if = "is_default")]
    pub own_swap_kind: OwnSwapKind,
    /// Its balloon lets go when the guest is about to kill a process.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deflate_on_oom: bool,
    /// Its kernel tells the host which pages are free, and the host takes them back.
    #[serde(default, skip_serializing_if = "is_default")]
    pub free_page_reporting: bool,
    /// Its programs look at what is available before they allocate more, as a JVM or a
    /// database does that sizes itself, and do without where it isn't enough.
    #[serde(default, skip_serializing_if = "is_default")]
    pub asks_first: bool,
    /// When the guest reboots, in the same process.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reboots: Option<u64>,
    /// A device is passed through, so that all its memory is pinned.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pinned: bool,
    /// When it is started. 0: it has run for long when the scenario begins.
    #[serde(default, skip_serializing_if = "is_default")]
    pub starts: u64,
    /// First and last second of a migration.
    #[serde(default, skip_serializing_if = "is_default")]
    pub migrates: Option<[u64; 2]>,
    /// What it suffers is its own doing, and no measure of a policy: its word costs a liar
    /// his own comfort.
    #[serde(default, skip_serializing_if = "is_default")]
    pub own_fault: bool,
    /// In the balloon at the beginning.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ballooned: Size,
    /// Free in the guest at the beginning, and still held by the host.
    #[serde(default, skip_serializing_if = "is_default")]
    pub dead: DeadSpec,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeadSpec {
    pub resident: Size,
    pub swapped: Size,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BalloonKind {
    #[default]
    Working,
    /// Takes orders and never moves.
    Stuck,
    /// Goes half of each way.
    HalfStuck,
    /// A few MiB a second.
    Slow,
    /// There is no such device.
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StatisticsKind {
    #[default]
    Honest,
    /// Claims to have nothing left, whatever it has.
    ClaimsNeed,
    /// Claims that nearly everything is free, whatever it needs.
    ClaimsPlenty,
    /// Never says anything.
    None,
}

/// Where a guest swaps to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnSwapKind {
    /// A virtual disk.
    #[default]
    Disk,
    /// Its own memory, compressed. Simplified: the size is what it wins, so that of three
    /// pages two leave the guest's memory, and the third stays as if it held all three.
    Zram,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum System {
    #[default]
    Linux,
    /// Counts its balloon as used memory.
    Windows,
}

/// Something that happens to the tool rather than to a guest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// Nobody tells of balloons and guests, and orders fail.
    HypervisorAway { at: u64, lasts: u64 },
    /// A guest's statistics stay as they are.
    StatisticsStop { at: u64, lasts: u64, vm: String },
    /// An operator moves a balloon: the new logical size.
    SetMemory { at: u64, vm: String, to: Size },
}

/// What a file need not say.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

const fn one() -> u32 {
    1
}

const fn two() -> u32 {
    2
}

const fn half_a_gib() -> Size {
    Size::mib(512)
}

/// Longest scenario, and most VMs in one: simulations are bounded.
pub(super) const LONGEST: u64 = 86_400;
const MOST_VMS: u32 = 256;
const MOST_VCPUS: u32 = 1024;

impl Scenario {
    /// # Errors
    /// When the text is no scenario; the message has line and key.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        let scenario: Self = toml::from_str(text)
            .with_context(|| format!("scenario {name} is not valid TOML of a scenario"))?;
        let scenario = Self { name: name.to_owned(), ..scenario };
        scenario.check().with_context(|| format!("scenario {name} is invalid"))?;
        Ok(scenario)
    }

    /// As a file has it.
    ///
    /// # Errors
    /// None: a test writes many.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).with_context(|| format!("scenario {} can't be written", self.name))
    }

    pub(super) fn check(&self) -> Result<()> {
        ensure!((1..=LONGEST).contains(&self.seconds), "seconds must be 1 to {LONGEST}");
        let vms = self.vm.iter().fold(0_u32, |sum, vm| sum.saturating_add(vm.count));
        ensure!((1..=MOST_VMS).contains(&vms), "vm: there must be 1 to {MOST_VMS} VMs");
        for vm in &self.vm {
            let name = &vm.name;
            ensure!(vm.memory >= Size::mib(128), "vm {name}: memory must be at least 128 MiB");
            ensure!(
                (1..=MOST_VCPUS).contains(&vm.vcpus),
                "vm {name}: vcpus must be 1 to {MOST_VCPUS}"
            );
            ensure!(!vm.pinned || vm.starts == 0, "vm {name}: a pinned VM cannot start later");
        }
        for event in &self.event {
            if let Event::StatisticsStop { vm, .. } | Event::SetMemory { vm, .. } = event {
                let known = self.vm.iter().any(|spec| spec.names().any(|name| name == *vm));
                ensure!(known, "event: vm {vm}: this scenario has no such VM");
            }
        }
        Ok(())
    }
}

impl VmSpec {
    /// The name of each of them.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        (1..=self.count).map(|number| match self.count {
            1 => self.name.clone(),
            _ => format!("{}-{number}", self.name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
        about = "one guest"
        seconds = 10
        [host]
        memory = "4 GiB"
        swap = { size = "1 GiB", bandwidth = "100 MiB", latency_us = 200 }
        [[vm]]
        name = "a"
        count = 2
        memory = "1 GiB"
        load = { kind = "steady", needs = { hot = "256 MiB" } }
    "#;

    #[test]
    fn copies_are_numbered() {
        let scenario = Scenario::parse("small", SMALL).expect("it is one");
        let names: Vec<String> = scenario.vm.iter().flat_map(VmSpec::names).collect();
        assert_eq!((scenario.name.as_str(), names.join(" ").as_str()), ("small", "a-1 a-2"));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let scenario = Scenario::parse("small", SMALL).expect("it is one");
        let text = scenario.to_toml().expect("it is written");
        assert!(text.contains("memory = \"4096 MiB\"") && !text.contains("pinned"), "{text}");
        assert_eq!(Scenario::parse("small", &text).expect("it is one"), scenario);
    }

    #[test]
    fn a_mistake_is_named() {
        for (from, to, told) in [
            ("memory = \"1 GiB\"", "memory = \"1 giB\"", "1 giB"),
            ("count = 2", "cuont = 2", "cuont"),
            ("seconds = 10", "seconds = 0", "1 to 86400"),
            ("count = 2", "count = 2000", "256 VMs"),
            ("memory = \"1 GiB\"", "memory = \"1 MiB\"", "vm a: memory must be at least 128 MiB"),
            ("count = 2", "vcpus = 4000000000", "vm a: vcpus must be 1 to 1024"),
            (
                "[[vm]]",
                "[[event]]\nkind = \"set_memory\"\nat = 1\nvm = \"b\"\nto = \"1 GiB\"\n[[vm]]",
                "no such VM",
            ),
        ] {
            let error = Scenario::parse("small", &SMALL.replace(from, to)).expect_err(to);
            assert!(format!("{error:#}").contains(told), "{error:#}");
        }
    }
}
