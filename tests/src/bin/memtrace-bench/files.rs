//! What the kernel takes to make the files that are read of each VM.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use memtrace_measure::measured::FileCost;

use crate::herd::Herd;
use crate::scale::cpu_ns;

const OF_PROCESS: &[&str] = &["stat", "status", "cgroup"];
/// Of both versions; those that are there are measured.
const OF_CGROUP: &[&str] = &[
    "memory.stat",
    "memory.usage_in_bytes",
    "memory.failcnt",
    "memory.oom_control",
    "memory.current",
    "memory.max",
    "memory.high",
    "memory.swap.current",
    "memory.events",
    "memory.pressure",
];
const ROUNDS: u64 = 5;

/// The files of all members, each kept open as memtrace keeps them. So many processes
/// lie between two readings of one that it has left the caches, as it has between ticks.
pub fn costs(herd: &Herd) -> Result<Vec<FileCost>> {
    let process = |pid: u32| PathBuf::from(format!("/proc/{pid}"));
    let of_process =
        OF_PROCESS.iter().map(|name| cost(name, herd.members().map(|(pid, _)| process(pid))));
    let of_cgroup = OF_CGROUP
        .iter()
        .map(|name| cost(name, herd.members().map(|(_, cgroup)| cgroup.to_owned())));
    of_process.chain(of_cgroup).filter_map(Result::transpose).collect()
}

/// `None`: there is no such file.
fn cost(name: &str, folders: impl Iterator<Item = PathBuf>) -> Result<Option<FileCost>> {
    let open = |folder: PathBuf| File::open(Path::new(&folder).join(name)).ok();
    let Some(files) = folders.map(open).collect::<Option<Vec<File>>>() else { return Ok(None) };
    let mut room = [0; 8 * 1024];
    let mut read =
        |files: &[File]| files.iter().try_for_each(|file| file.read_at(&mut room, 0).map(drop));
    // The first reading makes room for the text in the kernel.
    read(&files)?;
    let begun = cpu_ns();
    for _ in 0..ROUNDS {
        read(&files)?;
    }
    let readings = ROUNDS * files.len().max(1) as u64;
    Ok(Some(FileCost { file: name.to_owned(), ns: (cpu_ns() - begun) / readings }))
}
