//! How often the BPF programs of a process ran and how long that took, from the fdinfo of
//! its descriptors (`bpf_prog_show_fdinfo`, kernel/bpf/syscall.c). The kernel counts while
//! kernel.bpf_stats_enabled is 1, and its counting is part of the time.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Sub;

use anyhow::{Context as _, Result};

/// Runs so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    pub count: u64,
    pub nanoseconds: u64,
}

impl Runs {
    /// Nanoseconds a run; `None` for too few runs to say.
    pub fn each(self) -> Option<f64> {
        const FEWEST: u64 = 20;
        (self.count >= FEWEST).then(|| self.nanoseconds as f64 / self.count as f64)
    }
}

impl Sub for Runs {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            count: self.count.saturating_sub(before.count),
            nanoseconds: self.nanoseconds.saturating_sub(before.nanoseconds),
        }
    }
}

/// `BPF_PROG_TYPE_TRACEPOINT`, what bpftrace's `tracepoint` makes (include/uapi/linux/bpf.h).
const TRACEPOINT: u64 = 5;

/// One descriptor, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Descriptor {
    Program {
        id: u64,
        kind: u64,
        runs: Runs,
    },
    /// A program's link to a raw tracepoint.
    Link {
        program: u64,
        tracepoint: String,
    },
}

/// By tracepoint: the programs that a process has on raw tracepoints.
///
/// # Errors
/// When the process is gone.
pub fn raw_tracepoints(pid: u32) -> Result<BTreeMap<String, Runs>> {
    let descriptors = descriptors(pid)?;
    let runs: BTreeMap<u64, Runs> = descriptors
        .iter()
        .filter_map(|descriptor| match descriptor {
            Descriptor::Program { id, runs, .. } => Some((*id, *runs)),
            Descriptor::Link { .. } => None,
        })
        .collect();
    let linked = descriptors.iter().filter_map(|descriptor| match descriptor {
        Descriptor::Link { program, tracepoint } => Some((tracepoint.clone(), *runs.get(program)?)),
        Descriptor::Program { .. } => None,
    });
    Ok(linked.collect())
}

/// The programs that a process has on tracepoints, in the order of their loading.
///
/// # Errors
/// When the process is gone.
pub fn tracepoints(pid: u32) -> Result<Vec<Runs>> {
    let ordered = descriptors(pid)?.into_iter().filter_map(|descriptor| match descriptor {
        Descriptor::Program { kind: TRACEPOINT, runs, .. } => Some(runs),
        _ => None,
    });
    Ok(ordered.collect())
}

fn descriptors(pid: u32) -> Result<Vec<Descriptor>> {
    let folder = format!("/proc/{pid}/fdinfo");
    let mut numbers: Vec<u32> = fs::read_dir(&folder)
        .with_context(|| format!("list {folder}"))?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    let texts = numbers.iter().filter_map(|fd| fs::read_to_string(format!("{folder}/{fd}")).ok());
    Ok(texts.filter_map(|text| parse(&text)).collect())
}

fn parse(fdinfo: &str) -> Option<Descriptor> {
    let field = |key: &str| {
        fdinfo.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
    };
    let number = |key: &str| field(key)?.parse().ok();
    let id = number("prog_id")?;
    if let Some(tracepoint) = field("raw_tracepoint").or_else(|| field("tp_name")) {
        return Some(Descriptor::Link { program: id, tracepoint: tracepoint.to_owned() });
    }
    let runs = Runs { count: number("run_cnt")?, nanoseconds: number("run_time_ns")? };
    Some(Descriptor::Program { id, kind: number("prog_type")?, runs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_and_its_link_are_distinguished() {
        let program = "pos:\t0\nprog_type:\t17\nprog_jited:\t1\nprog_tag:\t00\nmemlock:\t4096\n\
                       prog_id:\t7\nrun_time_ns:\t900\nrun_cnt:\t10\nrecursion_misses:\t0\n";
        let runs = Runs { count: 10, nanoseconds: 900 };
        assert_eq!(parse(program), Some(Descriptor::Program { id: 7, kind: 17, runs }));
        let link = "pos:\t0\nlink_type:\traw_tracepoint\nlink_id:\t3\nprog_tag:\t00\n\
                    prog_id:\t7\nraw_tracepoint:\trss_stat\n";
        let tracepoint = "rss_stat".to_owned();
        assert_eq!(parse(link), Some(Descriptor::Link { program: 7, tracepoint }));
        assert_eq!(parse("pos:\t0\nflags:\t02\n"), None);
    }

    #[test]
    fn a_handful_of_runs_says_nothing() {
        assert_eq!(Runs { count: 3, nanoseconds: 300 }.each(), None);
        assert_eq!(Runs { count: 100, nanoseconds: 4500 }.each(), Some(45.0));
        let grown = Runs { count: 9, nanoseconds: 90 } - Runs { count: 4, nanoseconds: 50 };
        assert_eq!(grown, Runs { count: 5, nanoseconds: 40 });
    }
}
