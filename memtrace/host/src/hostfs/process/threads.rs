//! The threads of a process, for the one VM that a view asked for.

use std::io;

use super::{ProcessStat, ticks_to_nanos};
use crate::hostfs::{HostRoot, read};
use memtrace_core::sample::ThreadSample;

/// Most threads of one process that are read.
const MAX_THREADS: usize = 4096;

/// By thread id, with names as they are (untrusted). A thread that ends meanwhile is left out.
///
/// # Errors
/// When the process is gone.
pub fn read(root: &HostRoot, pid: u32, ticks_per_second: u64) -> io::Result<Vec<ThreadSample>> {
    let tasks = root.process(pid).join("task");
    let mut threads: Vec<_> = std::fs::read_dir(&tasks)?
        .take(MAX_THREADS)
        .flatten()
        .filter_map(|entry| {
            let tid = entry.file_name().to_str()?.parse().ok()?;
            let text = read::text(&entry.path().join("stat"), read::SMALL).ok()?;
            let stat = ProcessStat::parse(&text)?;
            let cpu_time = ticks_to_nanos(stat.cpu_ticks, ticks_per_second)?;
            Some(ThreadSample {
                tid,
                state: stat.state,
                minor_faults: stat.minor_faults,
                major_faults: stat.major_faults,
                cpu_time,
                name: stat.comm,
            })
        })
        .collect();
    threads.sort_by_key(|thread| thread.tid);
    Ok(threads)
}
