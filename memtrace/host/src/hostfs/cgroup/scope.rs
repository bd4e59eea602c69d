//! The scope: the cgroup that holds the VMs, where the policy applies to it instead of the host.

use super::find::{found, locate};
use super::stat::value;
use super::{MemoryCgroup, Version, limits};
use crate::hostfs::vmstat::pairs;
use crate::hostfs::{HostRoot, Keeper, psi, read};
use memtrace_core::sample::ScopeSample;
use memtrace_core::units::{Bytes, Limit};

/// A cgroup by its path below the root of its hierarchy.
///
/// # Errors
/// A message for the operator: no memory controller, no such cgroup, or the root, which has
/// no limit.
pub fn at(root: &HostRoot, path: &str) -> Result<MemoryCgroup, String> {
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return Err("the root cgroup is the whole host: leave scope.cgroup out".to_owned());
    }
    let version = version(root);
    let mount = match version {
        Version::V1 => root.cgroups.memory.as_ref(),
        Version::V2 => root.cgroups.unified.as_ref(),
    };
    let mount = mount.ok_or("no memory controller is mounted")?;
    let directory = locate(mount, path)?;
    let usage = directory.join(version.usage_file());
    std::fs::metadata(&usage).map_err(|error| format!("{}: {error}", usage.display()))?;
    let pressure = (version == Version::V2).then(|| directory.join("memory.pressure"));
    Ok(found(version, directory, mount, path.to_owned(), pressure))
}

/// Of the hierarchy that has the memory controller.
pub fn version(root: &HostRoot) -> Version {
    if root.cgroups.memory.is_some() { Version::V1 } else { Version::V2 }
}

/// Its usage and limits. Unreadable values are missing, and `problem` says why.
pub fn sample(keeper: &Keeper, cgroup: &MemoryCgroup) -> ScopeSample {
    let directory = &cgroup.directory;
    let mut problem = None;
    let usage = keeper.number(&directory.join(cgroup.version.usage_file()));
    let usage = usage.map(Bytes).map_err(|error| problem = Some(format!("usage: {error}"))).ok();
    let stat = keeper.read(&directory.join("memory.stat"), read::SMALL, |text| {
        Stat::parse(text, cgroup.version)
    });
    let stat = stat
        .map_err(|error| {
            problem.get_or_insert_with(|| format!("memory.stat: {error}"));
        })
        .unwrap_or_default();
    let limit = limit(keeper, cgroup, &stat);
    ScopeSample {
        cgroup: cgroup.path.clone(),
        version: cgroup.version.number(),
        usage,
        limit: limit
            .map_err(|error| {
                problem.get_or_insert(format!("limit: {error}"));
            })
            .ok(),
        reclaimable: stat.reclaimable,
        limit_hits: hits(keeper, cgroup),
        psi: cgroup.pressure.as_ref().and_then(|path| psi::kept(keeper, path).ok()),
        problem,
    }
}

/// The tightest limit that applies to it. Above memory.high it is reclaimed from as at memory.max,
/// and allocating tasks are throttled (cgroup-v2.rst).
fn limit(keeper: &Keeper, cgroup: &MemoryCgroup, stat: &Stat) -> std::io::Result<Limit> {
    match (cgroup.version, stat.hierarchical_limit) {
        (Version::V1, Some(bytes)) => Ok(limits::from_number(bytes, Version::V1)),
        (Version::V1, None) => limits::tightest(keeper, cgroup, "memory.limit_in_bytes"),
        (Version::V2, _) => {
            let hard = limits::tightest(keeper, cgroup, "memory.max")?;
            Ok(hard.min(limits::tightest(keeper, cgroup, "memory.high")?))
        }
    }
}

/// Number of reclaims because it was full: at its own limits, not those of its children
/// (memory.events.local, since 5.2).
fn hits(keeper: &Keeper, cgroup: &MemoryCgroup) -> Option<u64> {
    let directory = &cgroup.directory;
    match cgroup.version {
        Version::V1 => keeper.number(&directory.join("memory.failcnt")).ok(),
        Version::V2 => {
            let sum = |text: &str| Some(value(text, "high")?.saturating_add(value(text, "max")?));
            keeper.read(&directory.join("memory.events.local"), read::SMALL, sum).ok()?
        }
    }
}

/// Of the cgroup and all below it.
#[derive(Default)]
pub(crate) struct Stat {
    /// As si_mem_available() (mm/show_mem.c) reckons for MemAvailable, without its
    /// watermark, which a cgroup doesn't have: page cache on the LRU lists, dirty or not,
    /// and slab that can be reclaimed, where that is told. Shared memory is in neither.
    reclaimable: Option<Bytes>,
    hierarchical_limit: Option<u64>,
}

impl Stat {
    pub(crate) fn parse(text: &str, version: Version) -> Self {
        let names = match version {
            Version::V1 => ["total_active_file", "total_inactive_file"],
            Version::V2 => ["active_file", "inactive_file"],
        };
        let (mut files, mut slab, mut hierarchical_limit) = ([None; 2], 0, None);
        for (key, number) in pairs(text) {
            match key {
                "hierarchical_memory_limit" => hierarchical_limit = Some(number),
                "slab_reclaimable" => slab = number,
                _ => {
                    if let Some(index) = names.iter().position(|name| *name == key) {
                        files[index] = Some(number);
                    }
                }
            }
        }
        let reclaimable = match files {
            [Some(active), Some(inactive)] => {
                Some(Bytes(active.saturating_add(inactive).saturating_add(slab)))
            }
            _ => None,
        };
        Self { reclaimable, hierarchical_limit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostfs::fake::FakeHost;
    use memtrace_core::sample::Psi;

    const GIB: u64 = 1 << 30;
    const PRESSURE: &str = "some avg10=1.50 avg60=0.50 avg300=0.12 total=123456\n";

    fn unified() -> FakeHost {
        let host = FakeHost::unified();
        let file = |name: &str, text: &str| host.file(&format!("sys/fs/cgroup/pool/{name}"), text);
        file("memory.current", "3221225472\n");
        file("memory.max", "4294967296\n");
        file("memory.high", "max\n");
        file("memory.stat", "anon 9\nactive_file 100\ninactive_file 50\nslab_reclaimable 7\n");
        file("memory.events.local", "low 0\nhigh 3\nmax 41\noom 0\n");
        file("memory.pressure", PRESSURE);
        host
    }

    fn read(host: &FakeHost) -> ScopeSample {
        sample(&Keeper::default(), &at(&host.root(), "/pool").expect("it is there"))
    }

    #[test]
    fn version_two_tells_all() {
        let host = unified();
        let scope = read(&host);
        assert_eq!(
            (scope.usage, scope.limit),
            (Some(Bytes(3 * GIB)), Some(Limit::At(Bytes(4 * GIB))))
        );
        assert_eq!((scope.reclaimable, scope.limit_hits), (Some(Bytes(157)), Some(44)));
        assert_eq!(scope.psi.map(|Psi { some, .. }| some.avg10), Some(1.5));
        assert_eq!((scope.cgroup.as_str(), scope.problem), ("/pool", None));
        host.file("sys/fs/cgroup/pool/memory.high", "2147483648\n");
        assert_eq!(read(&host).limit, Some(Limit::At(Bytes(2 * GIB))));
    }

    #[test]
    fn version_one_tells_of_the_whole_hierarchy_and_no_pressure() {
        let host =
            FakeHost::new("30 23 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
        let file =
            |name: &str, text: &str| host.file(&format!("sys/fs/cgroup/memory/pool/{name}"), text);
        file("memory.usage_in_bytes", "1000\n");
        file("memory.failcnt", "5\n");
        file(
            "memory.stat",
            "active_file 1\ninactive_file 1\nhierarchical_memory_limit 4000\n\
             total_active_file 100\ntotal_inactive_file 50\n",
        );
        let scope = read(&host);
        assert_eq!((scope.usage, scope.limit), (Some(Bytes(1000)), Some(Limit::At(Bytes(4000)))));
        assert_eq!((scope.reclaimable, scope.limit_hits), (Some(Bytes(150)), Some(5)));
        assert_eq!(scope.psi, None);
    }

    #[test]
    fn unreadable_values_are_missing_with_a_reason() {
        let host = unified();
        host.unreadable("sys/fs/cgroup/pool/memory.stat");
        host.unreadable("sys/fs/cgroup/pool/memory.max");
        let scope = read(&host);
        assert_eq!((scope.reclaimable, scope.limit), (None, None));
        assert!(scope.problem.expect("there is one").starts_with("memory.stat: "));
        assert!(at(&host.root(), "/nowhere").expect_err("it isn't there").contains("No such file"));
        assert!(at(&host.root(), "/").expect_err("it is the host").contains("whole host"));
    }
}
