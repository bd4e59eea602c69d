//! Required privileges, those that this process lacks with the message, and those that it goes on
//! with once the programs are attached.

use std::ffi::OsString;
use std::fmt;

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use crate::hostfs::HostRoot;
use crate::hostfs::process::status;

/// A capability (capabilities(7)), by its number in linux/capability.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    DacOverride = 1,
    DacReadSearch = 2,
    SysPtrace = 19,
    SysAdmin = 21,
    Perfmon = 38,
    Bpf = 39,
}

/// The needed capabilities, in the order of the message.
pub(crate) const NEEDED: [Capability; 4] =
    [Capability::Bpf, Capability::Perfmon, Capability::SysPtrace, Capability::DacReadSearch];

impl Capability {
    pub const fn name(self) -> &'static str {
        match self {
            Self::DacOverride => "CAP_DAC_OVERRIDE",
            Self::DacReadSearch => "CAP_DAC_READ_SEARCH",
            Self::SysPtrace => "CAP_SYS_PTRACE",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::Perfmon => "CAP_PERFMON",
            Self::Bpf => "CAP_BPF",
        }
    }

    const fn purpose(self) -> &'static str {
        match self {
            Self::Bpf => "load eBPF programs",
            Self::Perfmon => "attach them to tracepoints",
            Self::SysPtrace => "detect VM processes (/proc/PID/fd)",
            Self::DacOverride | Self::DacReadSearch => "read /proc files of other users' VMs",
            Self::SysAdmin => "administer the system",
        }
    }

    /// The wider capability that includes it.
    const fn wider(self) -> Option<Self> {
        match self {
            // linux/capability.h: bpf_capable() and perfmon_capable() accept CAP_SYS_ADMIN.
            Self::Bpf | Self::Perfmon => Some(Self::SysAdmin),
            Self::DacReadSearch => Some(Self::DacOverride),
            _ => None,
        }
    }

    const fn is_in(self, set: u64) -> bool {
        set >> (self as u32) & 1 == 1
    }
}

/// The effective capabilities of this process, as a bit set. `None`: not in /proc/self/status.
pub fn effective(root: &HostRoot) -> Option<u64> {
    let set = status::field(&root.proc.join("self"), "CapEff").ok()?;
    u64::from_str_radix(&set, 16).ok()
}

/// What of [`NEEDED`] is in `effective` neither itself nor as something wider.
pub fn missing(effective: u64) -> Vec<Capability> {
    let has = |capability: Capability| {
        capability.is_in(effective)
            || capability.wider().is_some_and(|wider| wider.is_in(effective))
    };
    NEEDED.into_iter().filter(|capability| !has(*capability)).collect()
}

/// Fails with [`Denied`] when a capability is missing. Unknown capabilities are assumed present.
///
/// # Errors
/// [`Denied`], for [`memtrace::sys::exit::of_error`].
pub fn require(root: &HostRoot) -> Result<(), Denied> {
    let missing = effective(root).map(missing).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(|path| path.to_str()).unwrap_or("memtrace");
    Err(Denied { typed: typed(std::env::args_os().skip(1)), ..Denied::new(missing, program) })
}

/// What was asked of memtrace, to be typed again. Its command alone where a shell would read the
/// rest otherwise.
fn typed(arguments: impl Iterator<Item = OsString>) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte);
    let words: Vec<_> = arguments.map(|word| word.to_string_lossy().into_owned()).collect();
    let all = words.iter().all(|word| !word.is_empty() && word.bytes().all(plain));
    let command = || words.iter().find(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()));
    match (all && !words.is_empty(), command()) {
        (true, _) => words.join(" "),
        (false, Some(command)) => command.clone(),
        (false, None) => TOP.to_owned(),
    }
}

/// What a memtrace whose programs are attached goes on with. Other users' processes (SYS_PTRACE,
/// DAC_READ_SEARCH); the sockets of their VMs, and cgroups that are theirs (DAC_OVERRIDE); users'
/// libvirt daemons, which are asked as these users (SETUID, SETGID, KILL); the programs' maps,
/// which before 5.19 the kernel lets nobody else read (BPF), and a module's tracepoints that come
/// later (PERFMON); memory that is locked already, which may grow no more without it (IPC_LOCK).
const KEPT: CapabilitySet = CapabilitySet::SYS_PTRACE
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::BPF)
    .union(CapabilitySet::PERFMON)
    .union(CapabilitySet::IPC_LOCK);

/// Gives up what neither reading nor acting takes, for this thread and all that it starts from now
/// on; a thread that runs already keeps what it has. The bounding set stays, so that what root
/// executes has root's privileges.
pub fn keep_few() {
    retain(kept_of);
}

/// Gives up all, for a thread that uses nothing but what is open already.
pub fn keep_none() {
    retain(|_| CapabilitySet::empty());
}

/// What of these is kept.
fn kept_of(permitted: CapabilitySet) -> CapabilitySet {
    let tracing = CapabilitySet::BPF | CapabilitySet::PERFMON;
    // It serves where there is no more than that.
    let wider =
        if permitted.contains(tracing) { CapabilitySet::empty() } else { CapabilitySet::SYS_ADMIN };
    permitted & (KEPT | wider)
}

fn retain(kept_of: impl FnOnce(CapabilitySet) -> CapabilitySet) {
    let done = capabilities(None).and_then(|sets| {
        let kept = kept_of(sets.permitted);
        let (effective, permitted) = (sets.effective & kept, sets.permitted & kept);
        set_capabilities(None, CapabilitySets { effective, permitted, ..sets })
    });
    if let Err(error) = done {
        tracing::warn!("privileges that aren't needed any more can't be given up: {error}");
    }
}

/// What memtrace does where nothing is asked of it.
const TOP: &str = "top";

/// The message about missing privileges: which, what for, and the command to run.
#[derive(Clone, Debug)]
pub struct Denied {
    missing: Vec<Capability>,
    program: String,
    /// What is to be done, as typed after the program.
    typed: String,
    /// What would do as well.
    or: Option<String>,
}

impl Denied {
    /// `program` is the path to memtrace, for the commands.
    pub fn new(missing: Vec<Capability>, program: &str) -> Self {
        Self { missing, program: program.into(), typed: TOP.to_owned(), or: None }
    }

    /// With something else that would do, as the end of a sentence with "or".
    #[must_use]
    pub fn or(self, other: String) -> Self {
        Self { or: Some(other), ..self }
    }

    /// What is missing, for one line.
    pub fn missing(&self) -> String {
        let names: Vec<&str> = self.missing.iter().map(|missing| missing.name()).collect();
        names.join(", ")
    }

    /// What else would do.
    pub fn instead(&self) -> Option<&str> {
        self.or.as_deref()
    }

    fn setcap(&self) -> String {
        NEEDED.map(|capability| capability.name().to_lowercase()).join(",")
    }
}

impl std::error::Error for Denied {}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "memtrace: missing privileges:")?;
        for capability in &self.missing {
            writeln!(f, "  {:<20} to {}", capability.name(), capability.purpose())?;
        }
        writeln!(f, "Run it as root:")?;
        writeln!(f, "  sudo {} {}", self.program, self.typed)?;
        writeln!(f, "or grant the capabilities to the program once:")?;
        writeln!(f, "  sudo setcap {}+ep {}", self.setcap(), self.program)?;
        self.or.iter().try_for_each(|other| writeln!(f, "or {other}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostfs::fake::FakeHost;

    fn set(capabilities: &[Capability]) -> u64 {
        capabilities.iter().fold(0, |set, capability| set | 1 << (*capability as u32))
    }

    #[test]
    fn an_unprivileged_user_lacks_all_and_root_lacks_nothing() {
        assert_eq!(missing(0), NEEDED);
        assert_eq!(missing(u64::MAX), []);
    }

    #[test]
    fn each_needed_capability_is_missed_by_itself() {
        for absent in NEEDED {
            let others: Vec<_> = NEEDED.into_iter().filter(|each| *each != absent).collect();
            assert_eq!(missing(set(&others)), [absent]);
        }
    }

    #[test]
    fn a_wider_capability_serves_too() {
        let wide = [Capability::SysAdmin, Capability::DacOverride, Capability::SysPtrace];
        assert_eq!(missing(set(&wide)), []);
    }

    #[test]
    fn a_wider_capability_is_kept_where_nothing_else_serves() {
        let all = CapabilitySet::all();
        assert_eq!(kept_of(all), KEPT);
        assert!(!kept_of(all).intersects(CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_MODULE));
        let old = CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_PTRACE | CapabilitySet::NET_ADMIN;
        assert_eq!(kept_of(old), CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_PTRACE);
        let few = CapabilitySet::from_bits_retain(set(&NEEDED));
        assert_eq!(kept_of(few), few, "what memtrace asks for is kept");
    }

    #[test]
    fn a_thread_gives_up_what_it_has_and_what_it_starts_has_no_more() {
        let before = capabilities(None).expect("they are told");
        let told = || capabilities(None).expect("they are told");
        let thread = std::thread::spawn(move || {
            keep_few();
            let few = told();
            let inherited = std::thread::spawn(told).join().expect("no panic");
            keep_none();
            (few, inherited, told())
        });
        let (few, inherited, none) = thread.join().expect("no panic");
        let kept = kept_of(before.permitted);
        assert_eq!((few.permitted, few.effective), (kept, before.effective & kept));
        assert_eq!((none.permitted.bits(), none.effective.bits()), (0, 0));
        assert_eq!(inherited, few);
        assert_eq!(capabilities(None).expect("they are told"), before, "of that thread alone");
    }

    #[test]
    fn effective_capabilities_come_from_the_status_of_the_process() {
        let host = FakeHost::unified();
        assert_eq!(effective(&host.root()), None);
        host.file("proc/self/status", "Name:\tmemtrace\nCapEff:\t000001c000080004\n");
        assert_eq!(effective(&host.root()), Some(0x1c0_0008_0004));
        assert!(require(&host.root()).is_ok());
        host.file("proc/self/status", "CapEff:\t0000000000000000\n");
        assert!(require(&host.root()).is_err());
        host.file("proc/self/status", "CapEff:\tnonsense\n");
        assert_eq!(effective(&host.root()), None);
    }

    #[test]
    fn the_message_names_what_is_missing_and_what_to_run() {
        let missing = missing(set(&[Capability::SysPtrace, Capability::DacReadSearch]));
        insta::assert_snapshot!(Denied::new(missing, "/usr/bin/memtrace"), @r"
        memtrace: missing privileges:
          CAP_BPF              to load eBPF programs
          CAP_PERFMON          to attach them to tracepoints
        Run it as root:
          sudo /usr/bin/memtrace top
        or grant the capabilities to the program once:
          sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search+ep /usr/bin/memtrace
        ");
    }

    #[test]
    fn what_was_typed_is_to_be_typed_again() {
        let told = |words: &[&str]| typed(words.iter().map(OsString::from));
        assert_eq!(told(&["record", "--for", "24h", "/tmp/x"]), "record --for 24h /tmp/x");
        assert_eq!(told(&["-v", "mitigate"]), "-v mitigate");
        assert_eq!(told(&["check", "web", "-w", "available=@1:~"]), "check", "a shell reads ~");
        assert_eq!(told(&["check", "it's"]), "check");
        assert_eq!(told(&["check", ""]), "check");
        assert_eq!(told(&[]), "top", "the live view is what it does without a command");
        let denied = Denied { typed: told(&["check"]), ..Denied::new(missing(0), "memtrace") };
        assert!(denied.missing().starts_with("CAP_BPF, CAP_PERFMON, "), "{}", denied.missing());
        assert!(denied.to_string().contains("\n  sudo memtrace check\n"), "{denied}");
    }

    #[test]
    fn the_message_ends_with_what_would_do_as_well() {
        let told = Denied::new(missing(0), "memtrace").or("be somebody else".to_owned());
        assert!(told.to_string().ends_with("+ep memtrace\nor be somebody else\n"), "{told}");
    }
}
