//! Loads the programs of a plan and attaches them. What fails switches its own signal
//! off and nothing else.

use anyhow::{Context, Result, bail};
use aya::maps::MapError;
use aya::programs::raw_trace_point::RawTracePointLinkId;
use aya::programs::{FEntry, FExit, Program, ProgramError, RawTracePoint};
use aya::{Btf, Ebpf, EbpfLoader};
use memtrace_ebpf::KernelLayout;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::kfunc;
use super::limits::Limits;
use super::plan::{Hook, HookKind};

/// The programs, built from `memtrace-ebpf`.
pub(super) static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("MEMTRACE_BPF_OBJECT"));

/// Not in any header of user space: the kernel can't attach to such a function.
const ENOTSUPP: i32 = 524;

/// Loads the object with this layout: maps are made, programs wait for [`attach`]. `btf`:
/// the kernel's types, if it has any. `functions`: those of the kernel that programs call.
///
/// # Errors
/// Without the privilege for BPF, or on a kernel without what the maps need.
pub fn load(
    layout: KernelLayout,
    btf: Option<&Btf>,
    functions: Option<&kfunc::Ids>,
    log: bool,
    limits: &Limits,
) -> Result<Ebpf> {
    // Up to 5.10 BPF memory counts against RLIMIT_MEMLOCK. Later it counts against the
    // cgroup, and without CAP_SYS_RESOURCE raising the limit fails, which is then fine.
    let unlimited = Rlimit { current: None, maximum: None };
    if let Err(error) = setrlimit(Resource::Memlock, unlimited) {
        tracing::debug!("RLIMIT_MEMLOCK stays as it is: {error}");
    }
    let log_level = if log { u8::MAX } else { 0 };
    // The loader reads it where it lies, by addresses that are multiples of this.
    const ALIGNMENT: usize = 8;
    let mut object = vec![0; OBJECT.len() + ALIGNMENT];
    let begin = object.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
    object.truncate(begin + OBJECT.len());
    if let Some(copy) = object.get_mut(begin..) {
        copy.copy_from_slice(OBJECT);
        if let Some(ids) = functions {
            kfunc::resolve(copy, ids);
        }
    }
    let mut loader = EbpfLoader::new();
    limits.apply(&mut loader);
    loader
        .btf(btf)
        .override_global("LAYOUT", &layout, true)
        // The log's own global is there only if a program logs.
        .override_global("AYA_LOG_LEVEL", &log_level, false)
        .load(object.get(begin..).unwrap_or_default())
        .context("cannot load the eBPF programs")
}

/// Loads one program into the kernel, if that wasn't done yet, and attaches it. Returns the link
/// of a raw tracepoint, by which it can be detached.
///
/// # Errors
/// A message for the operator: why this hook isn't available.
pub fn attach(
    ebpf: &mut Ebpf,
    hook: &Hook,
    btf: Option<&Btf>,
) -> Result<Option<RawTracePointLinkId>, Refusal> {
    let refuse = |reason: String| Refusal { reason, absent: false };
    let program = ebpf
        .program_mut(hook.program)
        .ok_or_else(|| refuse(format!("the object has no program {}", hook.program)))?;
    let result = match (hook.kind, program, btf) {
        (HookKind::RawTracepoint, Program::RawTracePoint(program), _) => {
            loaded(program.load()).and_then(|()| program.attach(hook.target_name()).map(Some))
        }
        (HookKind::Entry, Program::FEntry(program), Some(btf)) => {
            at_begin(program, hook, btf).map(|()| None)
        }
        (HookKind::Exit, Program::FExit(program), Some(btf)) => {
            at_end(program, hook, btf).map(|()| None)
        }
        (_, _, None) => return Err(refuse("the kernel's BTF was not read".to_owned())),
        _ => return Err(refuse(format!("{} has another program type", hook.program))),
    };
    result.map_err(|error| match (hook.kind, errno(&error)) {
        (HookKind::RawTracepoint, Some(libc::ENOENT)) => {
            let reason = match hook.module {
                true => format!("no tracepoint {} (is the kvm module loaded?)", hook.target),
                false => format!("this kernel has no tracepoint {}", hook.target),
            };
            Refusal { reason, absent: true }
        }
        _ => refuse(describe(hook, &error)),
    })
}

/// Detaches what [`attach`] attached; the program stays loaded.
///
/// # Errors
/// When the link is not the program's.
pub fn detach(ebpf: &mut Ebpf, hook: &Hook, link: RawTracePointLinkId) -> Result<()> {
    let program = ebpf.program_mut(hook.program).context("no such program")?;
    let program: &mut RawTracePoint = program.try_into()?;
    program.detach(link).with_context(|| format!("cannot detach from {}", hook.target))
}

fn at_begin(program: &mut FEntry, hook: &Hook, btf: &Btf) -> Result<(), ProgramError> {
    loaded(program.load(hook.target, btf))?;
    program.attach().map(drop)
}

fn at_end(program: &mut FExit, hook: &Hook, btf: &Btf) -> Result<(), ProgramError> {
    loaded(program.load(hook.target, btf))?;
    program.attach().map(drop)
}

fn loaded(result: Result<(), ProgramError>) -> Result<(), ProgramError> {
    match result {
        Err(ProgramError::AlreadyLoaded) => Ok(()),
        result => result,
    }
}

/// Why a hook isn't available.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub reason: String,
    /// The tracepoint isn't there; it may come with a module.
    pub absent: bool,
}

/// The error number at the bottom of aya's error, if there is one.
pub(super) fn errno(error: &ProgramError) -> Option<i32> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return io.raw_os_error();
        }
        source = error.source();
    }
    None
}

fn describe(hook: &Hook, error: &ProgramError) -> String {
    let target = hook.target;
    match (error, errno(error)) {
        (_, Some(libc::EPERM)) if hook.kind != HookKind::RawTracepoint => {
            "this kernel refuses fentry programs (not permitted)".to_owned()
        }
        (_, Some(libc::EPERM)) => format!("not permitted to attach to {target}"),
        // Ftrace's direct calls, which function entries take, came to arm64 with 6.4.
        (_, Some(ENOTSUPP)) if cfg!(target_arch = "aarch64") => {
            format!("this kernel can't attach to {target} (arm64 kernels can from 6.4 on)")
        }
        (_, Some(ENOTSUPP)) => {
            format!("this kernel can't attach to {target} (too many arguments?)")
        }
        (ProgramError::LoadError { io_error, verifier_log }, _) => {
            let log = verifier_log.to_string();
            tracing::debug!("verifier log of {}: {log}", hook.program);
            let last = verdict(&log).unwrap_or("no log");
            format!("the verifier rejected {}: {io_error}: {last}", hook.program)
        }
        (error, _) => format!("cannot attach to {target}: {error}"),
    }
}

/// The line of the verifier's log that says what is wrong: the last before its statistics.
fn verdict(log: &str) -> Option<&str> {
    const STATISTICS: [&str; 3] = ["processed ", "stack depth ", "verification time "];
    let is_statistics = |line: &&str| STATISTICS.iter().any(|start| line.starts_with(start));
    log.lines().rev().find(|line| !line.trim().is_empty() && !is_statistics(line))
}

/// Takes a map out of the object, typed.
pub fn map<T>(ebpf: &mut Ebpf, name: &str) -> Result<T>
where
    T: TryFrom<aya::maps::Map, Error = aya::maps::MapError>,
{
    match ebpf.take_map(name) {
        Some(map) => T::try_from(map).with_context(|| format!("map {name}")),
        None => bail!("the object has no map {name}"),
    }
}

/// Ignores that there was nothing to remove.
pub(crate) fn ignore_missing(result: Result<(), MapError>) -> Result<()> {
    match result {
        Err(MapError::KeyNotFound | MapError::ElementNotFound) => Ok(()),
        Err(MapError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(libc::ENOENT) =>
        {
            Ok(())
        }
        result => Ok(result?),
    }
}

#[cfg(test)]
mod tests {
    use super::verdict;

    #[test]
    fn the_verdict_stands_before_the_statistics() {
        let log = "0: (b7) r0 = 1\nR1 invalid mem access 'scalar'\nverification time 42 usec\n\
                   stack depth 40\nprocessed 9 insns (limit 1000000)\n\n";
        assert_eq!(verdict(log), Some("R1 invalid mem access 'scalar'"));
        assert_eq!(verdict("stack depth 40\n"), None);
    }
}
