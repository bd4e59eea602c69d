//! /proc/PID/stat and /proc/PID/task/TID/stat; fields numbered as in proc(5).

/// The kernel's `PF_KTHREAD` (include/linux/sched.h), the same since 2.6.
const KERNEL_THREAD: u64 = 0x0020_0000;
/// `PF_EXITING`, likewise.
const EXITING: u64 = 0x4;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessStat {
    /// Name of the command, at most 15 bytes. Untrusted: may hold blanks and brackets.
    pub comm: String,
    pub state: char,
    pub parent: u32,
    /// Process group and session: the ids of the processes that began them.
    pub group: u32,
    pub session: u32,
    pub kernel_thread: bool,
    /// It is being ended: a large one takes seconds to give its memory back.
    pub exiting: bool,
    /// Of all threads, in the stat of a process.
    pub minor_faults: u64,
    pub major_faults: u64,
    /// User and system time, in clock ticks.
    pub cpu_ticks: u64,
    pub threads: u32,
    /// Clock ticks after boot.
    pub start: u64,
    /// Size of the address space in bytes, and pages of it that are resident, as far as
    /// CPUs have handed in what they count. `None`: the line ends before.
    pub size: Option<u64>,
    pub resident_pages: Option<u64>,
}

impl ProcessStat {
    /// `None` when the text isn't of that form.
    pub fn parse(text: &str) -> Option<Self> {
        // The name is in brackets and may hold brackets: it ends at the last one.
        let (before, after) = text.rsplit_once(')')?;
        let (_, comm) = before.split_once('(')?;
        let mut fields = after.split_ascii_whitespace();
        // `after` begins with field 3; `next` skips this many before the one it takes.
        let mut next = |skipped: usize| fields.nth(skipped);
        let state = next(0)?.chars().next()?;
        let parent = next(0)?.parse().ok()?;
        // A process of another PID namespace than that of /proc may have 0 or -1 here.
        let group = next(0)?.parse().unwrap_or(0);
        let session = next(0)?.parse().unwrap_or(0);
        let mut count = |skipped: usize| next(skipped)?.parse::<u64>().ok();
        let flags = count(2)?;
        let (minor_faults, major_faults) = (count(0)?, count(1)?);
        let cpu_ticks = count(1)?.saturating_add(count(0)?);
        Some(Self {
            comm: comm.to_owned(),
            state,
            parent,
            group,
            session,
            kernel_thread: flags & KERNEL_THREAD != 0,
            exiting: flags & EXITING != 0,
            minor_faults,
            major_faults,
            cpu_ticks,
            threads: count(4)?.try_into().ok()?,
            start: count(1)?,
            size: count(0),
            resident_pages: count(0),
        })
    }

    /// Its main thread has ended. Others may still be ending, the last of which frees the memory.
    pub const fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// All of its threads have ended, so its memory is freed.
    pub const fn has_ended(&self) -> bool {
        self.is_zombie() && self.threads <= 1
    }

    /// It was stopped by a signal or a debugger.
    pub(crate) const fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "S 1 7 7 0 -1 4194560 100 0 20 0 300 45 0 0 20 0 5 0 98765 1 2 3";

    #[test]
    fn fields_are_found_behind_any_name() {
        for comm in ["qemu-system-x86", "a b", "((", "x) S 9 (y", ") R 1 2 3", "näme", ""] {
            let stat = ProcessStat::parse(&format!("42 ({comm}) {REST}\n")).unwrap();
            assert_eq!(stat.comm, comm);
            assert_eq!(stat.state, 'S');
            assert_eq!((stat.parent, stat.group, stat.session), (1, 7, 7));
            assert_eq!((stat.minor_faults, stat.major_faults), (100, 20));
            assert_eq!(stat.cpu_ticks, 345);
            assert_eq!(stat.threads, 5);
            assert_eq!(stat.start, 98_765);
            assert_eq!((stat.size, stat.resident_pages), (Some(1), Some(2)));
            assert!(!stat.kernel_thread && !stat.exiting);
        }
    }

    #[test]
    fn kernel_threads_are_identified_by_their_flag() {
        let text = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0";
        assert!(ProcessStat::parse(text).unwrap().kernel_thread);
    }

    #[test]
    fn fields_beyond_the_end_of_the_line_are_unknown() {
        let text = "42 (a) S 1 7 7 0 -1 0 100 0 20 0 300 45 0 0 20 0 5 0 98765 4096";
        let stat = ProcessStat::parse(text).unwrap();
        assert_eq!((stat.size, stat.resident_pages), (Some(4096), None));
    }

    #[test]
    fn a_cut_line_is_no_stat() {
        assert_eq!(ProcessStat::parse("42 (a) S 1 7"), None);
        assert_eq!(ProcessStat::parse("42 a S 1 7"), None);
        assert_eq!(ProcessStat::parse(""), None);
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(text in r"([0-9]{1,3} \(.{0,9}\) )?.*") {
            ProcessStat::parse(&text);
        }

        #[test]
        fn names_survive(comm in ".{0,15}") {
            let stat = ProcessStat::parse(&format!("42 ({comm}) {REST}")).unwrap();
            proptest::prop_assert_eq!(stat.comm, comm);
        }
    }
}
