//! The limits of a cgroup and of each of its ancestors: all of them hold, each for all that is
//! below.

use std::io;
use std::path::{Path, PathBuf};

use super::{MemoryCgroup, Version, limits, stat, upwards};
use crate::hostfs::{Keeper, read};
use memtrace_core::units::{Bytes, Limit};

/// The limits of one cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// Below the root of its hierarchy.
    pub path: String,
    pub directory: PathBuf,
    /// Beyond it the kernel kills.
    pub hard: Limit,
    /// Beyond it tasks are throttled and reclaimed from; version 1 has none.
    pub high: Limit,
    /// Of swap alone: in version 1, what may be used beyond the limit of memory.
    pub swap: Limit,
    /// Of memory and swap together, in version 1 alone: never below that of memory.
    pub both: Limit,
    /// Private memory of all processes in it and below. `None`: not known.
    pub anon: Option<Bytes>,
}

/// From the cgroup itself upwards.
///
/// # Errors
/// When a limit exists and can't be read.
pub fn read(keeper: &Keeper, cgroup: &MemoryCgroup) -> io::Result<Vec<Level>> {
    let mut levels = Vec::new();
    let paths = Path::new(&cgroup.path).ancestors();
    for (directory, path) in upwards(&cgroup.directory, &cgroup.top).into_iter().zip(paths) {
        let path = path.to_string_lossy().into_owned();
        levels.push(match cgroup.version {
            Version::V1 => version_one(keeper, path, directory, levels.is_empty())?,
            Version::V2 => version_two(keeper, path, directory)?,
        });
        if levels.last().is_some_and(|level| cgroup.version == Version::V1 && level.is_alone()) {
            break;
        }
    }
    Ok(levels)
}

impl Level {
    /// In version 1, before Linux 5.11: what is above doesn't hold for it.
    fn is_alone(&self) -> bool {
        read::number(&self.directory.join("memory.use_hierarchy")).is_ok_and(|on| on == 0)
    }
}

/// `own`: it is the cgroup's own level, and not one above.
fn version_one(keeper: &Keeper, path: String, directory: PathBuf, own: bool) -> io::Result<Level> {
    let file = |name: &str| limits::at(keeper, &directory.join(name), Version::V1);
    let hard = file("memory.limit_in_bytes")?;
    let both = file("memory.memsw.limit_in_bytes")?;
    // Its own alone: it kills rather than swaps.
    let swappiness = read::number(&directory.join("memory.swappiness"));
    let swap = if own && swappiness.is_ok_and(|value| value == 0) {
        Limit::At(Bytes(0))
    } else {
        beyond(both, hard)
    };
    let anon = anon(&directory, "total_rss");
    Ok(Level { path, hard, high: Limit::Unlimited, swap, both, anon, directory })
}

fn version_two(keeper: &Keeper, path: String, directory: PathBuf) -> io::Result<Level> {
    let file = |name: &str| limits::at(keeper, &directory.join(name), Version::V2);
    let (hard, high) = (file("memory.max")?, file("memory.high")?);
    let (swap, anon) = (file("memory.swap.max")?, anon(&directory, "anon"));
    Ok(Level { path, hard, high, swap, both: Limit::Unlimited, anon, directory })
}

/// By the key of `memory.stat` that counts what is below as well.
fn anon(directory: &Path, key: &str) -> Option<Bytes> {
    let text = read::text(&directory.join("memory.stat"), read::SMALL).ok()?;
    stat::value(&text, key).map(Bytes)
}

/// What is left of a limit of both for swap, once memory has all of its own.
fn beyond(both: Limit, memory: Limit) -> Limit {
    match (both, memory) {
        (Limit::At(both), Limit::At(memory)) => Limit::At(both.saturating_sub(memory)),
        // It counts both together, so that memory alone can fill it.
        (Limit::At(_), Limit::Unlimited) => Limit::At(Bytes(0)),
        (Limit::Unlimited, _) => Limit::Unlimited,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostfs::cgroup::scope;
    use crate::hostfs::fake::FakeHost;

    const GIB: u64 = 1 << 30;

    fn levels(host: &FakeHost, path: &str) -> io::Result<Vec<Level>> {
        read(&Keeper::default(), &scope::at(&host.root(), path).expect("it is there"))
    }

    #[test]
    fn version_two_has_three_limits_at_each_level() {
        let host = FakeHost::unified();
        let file = |path: &str, text: &str| host.file(&format!("sys/fs/cgroup/{path}"), text);
        file("pool/memory.max", "8589934592\n");
        file("pool/memory.high", "max\n");
        file("pool/memory.swap.max", "0\n");
        file("pool/a/memory.current", "1\n");
        file("pool/memory.stat", "anon 8192\nfile 4096\n");
        file("pool/a/memory.max", "max\n");
        file("pool/a/memory.high", "4294967296\n");
        let [own, pool, root] = &levels(&host, "/pool/a").unwrap()[..] else { panic!("three") };
        assert_eq!(
            (own.path.as_str(), own.hard, own.swap),
            ("/pool/a", Limit::Unlimited, Limit::Unlimited)
        );
        assert_eq!(own.high, Limit::At(Bytes(4 * GIB)));
        assert_eq!((pool.path.as_str(), pool.hard), ("/pool", Limit::At(Bytes(8 * GIB))));
        assert_eq!((pool.swap, pool.both), (Limit::At(Bytes(0)), Limit::Unlimited));
        assert_eq!((own.anon, pool.anon), (None, Some(Bytes(8192))));
        assert_eq!((root.path.as_str(), root.hard), ("/", Limit::Unlimited));
        host.unreadable("sys/fs/cgroup/pool/memory.max");
        assert!(levels(&host, "/pool/a").is_err());
    }

    #[test]
    fn version_one_limits_memory_and_swap_together() {
        let host =
            FakeHost::new("30 23 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
        let file =
            |path: &str, text: &str| host.file(&format!("sys/fs/cgroup/memory/{path}"), text);
        file("pool/memory.usage_in_bytes", "1\n");
        file("pool/memory.limit_in_bytes", "3221225472\n");
        file("pool/memory.memsw.limit_in_bytes", "4294967296\n");
        file("memory.limit_in_bytes", "9223372036854771712\n");
        file("pool/memory.stat", "rss 4096\ntotal_rss 12288\n");
        let both = levels(&host, "/pool").unwrap();
        assert_eq!((both.len(), both[0].swap), (2, Limit::At(Bytes(GIB))));
        assert_eq!((both[0].both, both[1].both), (Limit::At(Bytes(4 * GIB)), Limit::Unlimited));
        assert_eq!(both[0].anon, Some(Bytes(12288)), "that of cgroups below is in it");
        file("pool/memory.swappiness", "0\n");
        assert_eq!(levels(&host, "/pool").unwrap()[0].swap, Limit::At(Bytes(0)));
        file("pool/memory.use_hierarchy", "0\n");
        assert_eq!(levels(&host, "/pool").unwrap().len(), 1);
        assert_eq!(beyond(Limit::At(Bytes(5)), Limit::Unlimited), Limit::At(Bytes(0)));
    }
}
