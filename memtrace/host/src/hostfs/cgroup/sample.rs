//! Reads all counters of a memory cgroup.

use std::io;
use std::path::Path;

use super::stat::{self, Stat};
use super::{MemoryCgroup, Version, limits};
use crate::hostfs::process::Charge;
use crate::hostfs::{Keeper, psi, read};
use memtrace_core::sample::{CgroupSample, Psi};
use memtrace_core::units::{Bytes, Limit};

/// What it charges now. `None`: that can't be read; version 2's root has no such file.
pub fn usage(keeper: &Keeper, cgroup: &MemoryCgroup) -> Option<Bytes> {
    keeper.number(&cgroup.directory.join(cgroup.version.usage_file())).ok().map(Bytes)
}

/// `keeper` holds the files from one sample to the next. Who is in it is left out. What
/// can't be read is missing, and `problem` says why. `told`: what is known without files.
///
/// Usage is read first: while it is the same, so was all that came after it.
pub fn sample(keeper: &Keeper, cgroup: &MemoryCgroup, told: Option<Charge>) -> CgroupSample {
    let usage = told.map(|told| told.usage);
    let told = told.unwrap_or_default();
    let mut files = Files { keeper, directory: &cgroup.directory, problem: None };
    let mut sample = match cgroup.version {
        Version::V1 => version_one(cgroup, &mut files, usage, told),
        Version::V2 => version_two(cgroup, &mut files, usage, told),
    };
    sample.psi = pressure(keeper, cgroup);
    sample.version = cgroup.version.number();
    sample.path = cgroup.path.clone();
    sample.problem = match files.problem {
        _ if cgroup.is_root() => Some("the VM is in the root cgroup, like other processes".into()),
        Some(_) if !cgroup.directory.is_dir() => Some("the cgroup is gone".into()),
        problem => problem,
    };
    sample
}

fn version_one(
    cgroup: &MemoryCgroup,
    files: &mut Files<'_>,
    usage: Option<Bytes>,
    told: Charge,
) -> CgroupSample {
    let usage = usage.or_else(|| files.number(Version::V1.usage_file()));
    let Stat { memory, swap, hierarchical_limit } =
        files.read("memory.stat", stat::parse).unwrap_or_default();
    // The kernel knows whether limits of ancestors hold (memory.use_hierarchy).
    let limit = hierarchical_limit
        .map(|bytes| limits::from_number(bytes, Version::V1))
        .or_else(|| files.limit(cgroup, "memory.limit_in_bytes"));
    CgroupSample {
        usage,
        limit,
        swap,
        stat: memory,
        limit_hits: told.failures.or_else(|| Some(files.number("memory.failcnt")?.0)),
        oom_kills: told.oom_kills.or_else(|| files.optional("memory.oom_control", "oom_kill")),
        ..CgroupSample::default()
    }
}

fn version_two(
    cgroup: &MemoryCgroup,
    files: &mut Files<'_>,
    usage: Option<Bytes>,
    told: Charge,
) -> CgroupSample {
    if cgroup.is_root() {
        return CgroupSample {
            limit: Some(Limit::Unlimited),
            high: Some(Limit::Unlimited),
            ..CgroupSample::default()
        };
    }
    let usage = usage.or_else(|| files.number(Version::V2.usage_file()));
    let stat = files.read("memory.stat", stat::parse).unwrap_or_default();
    let (limit_hits, oom_kills) = match (told.max_events, told.oom_kills) {
        told @ (Some(_), Some(_)) => told,
        _ => files.read("memory.events", events).unwrap_or_default(),
    };
    CgroupSample {
        usage,
        limit: told.limit.or_else(|| files.limit(cgroup, "memory.max")),
        high: told.high.or_else(|| files.limit(cgroup, "memory.high")),
        // Missing where the kernel is built or started without swap accounting.
        swap: told.swap.or_else(|| {
            let file = cgroup.directory.join("memory.swap.current");
            files.keeper.number(&file).ok().map(Bytes)
        }),
        swap_limit: told.swap_limit.or_else(|| files.limit(cgroup, "memory.swap.max")),
        stat: stat.memory,
        limit_hits,
        oom_kills,
        ..CgroupSample::default()
    }
}

/// Limit hits and OOM kills in memory.events.
pub(crate) fn events(text: &str) -> (Option<u64>, Option<u64>) {
    (stat::value(text, "max"), stat::value(text, "oom_kill"))
}

/// The root's pressure is the whole host's, so it says nothing about one cgroup.
fn pressure(keeper: &Keeper, cgroup: &MemoryCgroup) -> Option<Psi> {
    if cgroup.is_root() {
        return None;
    }
    psi::kept(keeper, cgroup.pressure.as_ref()?).ok()
}

/// The files of one cgroup, and the first thing that went wrong with them.
struct Files<'a> {
    keeper: &'a Keeper,
    directory: &'a Path,
    problem: Option<String>,
}

impl Files<'_> {
    fn read<T>(&mut self, file: &str, parse: impl FnOnce(&str) -> T) -> Option<T> {
        let parsed = self.keeper.read(&self.directory.join(file), read::SMALL, parse);
        self.check(file, parsed)
    }

    fn number(&mut self, file: &str) -> Option<Bytes> {
        let number = self.keeper.number(&self.directory.join(file));
        self.check(file, number).map(Bytes)
    }

    fn limit(&mut self, cgroup: &MemoryCgroup, file: &str) -> Option<Limit> {
        let limit = limits::tightest(self.keeper, cgroup, file);
        self.check(file, limit)
    }

    /// A value that not every kernel has.
    fn optional(&self, file: &str, key: &str) -> Option<u64> {
        let value = |text: &str| stat::value(text, key);
        self.keeper.read(&self.directory.join(file), read::SMALL, value).ok()?
    }

    fn check<T>(&mut self, file: &str, result: io::Result<T>) -> Option<T> {
        result
            .map_err(|error| self.problem.get_or_insert_with(|| format!("{file}: {error}")).len())
            .ok()
    }
}
