//! Runs that the kernel left out. A raw tracepoint's program doesn't nest on a CPU: when
//! it was preempted there and fires again, the kernel skips it and counts the miss.

use std::os::fd::{AsFd, AsRawFd};

use aya::Ebpf;

/// Missed runs of all loaded programs, from their `/proc/self/fdinfo` (the line is there
/// since 5.12).
pub fn total(ebpf: &Ebpf) -> Option<u64> {
    ebpf.programs()
        .filter_map(|(_, program)| {
            let fd = program.fd().ok()?.as_fd().as_raw_fd();
            let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
            parse(&text)
        })
        .reduce(u64::saturating_add)
}

fn parse(fdinfo: &str) -> Option<u64> {
    fdinfo.lines().find_map(|line| line.strip_prefix("recursion_misses:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_line_is_found_among_the_others() {
        assert_eq!(
            parse("pos:\t0\nprog_type:\t17\nrun_cnt:\t0\nrecursion_misses:\t12\n"),
            Some(12)
        );
    }

    #[test]
    fn older_kernels_do_not_tell() {
        assert_eq!(parse("pos:\t0\nprog_type:\t17\n"), None);
        assert_eq!(parse("recursion_misses:\tmany\n"), None);
    }
}
