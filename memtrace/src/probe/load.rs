//! Loads the programs of a plan and attaches them. What fails switches its own signal
//! off and nothing else.

use anyhow::{Context, Result, bail};
use aya::maps::MapError;
use aya::programs::{ProgramError, RawTracePoint};
use aya::{Ebpf, EbpfLoader};
use memtrace_ebpf::KernelLayout;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::limits::Limits;
use super::plan::Hook;

/// The programs, built from `memtrace-ebpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("MEMTRACE_BPF_OBJECT"));

/// Loads the object with this layout: maps are made, programs wait for [`attach`].
///
/// # Errors
/// Without the privilege for BPF, or on a kernel without what the maps need.
pub fn load(layout: KernelLayout, log: bool, limits: &Limits) -> Result<Ebpf> {
    // Up to 5.10 BPF memory counts against RLIMIT_MEMLOCK. Later it counts against the
    // cgroup, and without CAP_SYS_RESOURCE raising the limit fails, which is then fine.
    let unlimited = Rlimit { current: None, maximum: None };
    if let Err(error) = setrlimit(Resource::Memlock, unlimited) {
        tracing::debug!("RLIMIT_MEMLOCK stays as it is: {error}");
    }
    let log_level = if log { u8::MAX } else { 0 };
    let mut loader = EbpfLoader::new();
    limits.apply(&mut loader);
    loader
        .override_global("LAYOUT", &layout, true)
        // The log's own global is there only if a program logs.
        .override_global("AYA_LOG_LEVEL", &log_level, false)
        .load(OBJECT)
        .context("cannot load the eBPF programs")
}

/// Loads one program into the kernel, if that wasn't done yet, and attaches it.
///
/// # Errors
/// With words for the operator: why this hook can't be had.
pub fn attach(ebpf: &mut Ebpf, hook: &Hook) -> Result<(), Refusal> {
    let refuse = |reason: String| Refusal { reason, absent: false };
    let program: &mut RawTracePoint = ebpf
        .program_mut(hook.program)
        .ok_or_else(|| refuse(format!("the object has no program {}", hook.program)))?
        .try_into()
        .map_err(|error: ProgramError| refuse(error.to_string()))?;
    match program.load() {
        Ok(()) | Err(ProgramError::AlreadyLoaded) => {}
        Err(error) => return Err(refuse(describe(hook, &error))),
    }
    match program.attach(hook.tracepoint_name()) {
        Ok(_link) => Ok(()),
        Err(error) => match errno(&error) {
            Some(libc::ENOENT) => {
                let reason = match hook.module {
                    true => format!("{} is not there (is the kvm module loaded?)", hook.tracepoint),
                    false => format!("this kernel has no tracepoint {}", hook.tracepoint),
                };
                Err(Refusal { reason, absent: true })
            }
            _ => Err(refuse(describe(hook, &error))),
        },
    }
}

/// Why a hook can't be had.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub reason: String,
    /// The tracepoint isn't there; it may come with a module.
    pub absent: bool,
}

/// The error number at the bottom of aya's error, if there is one.
fn errno(error: &ProgramError) -> Option<i32> {
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
    match (error, errno(error)) {
        (_, Some(libc::EPERM)) => format!("not permitted to attach to {}", hook.tracepoint),
        (ProgramError::LoadError { io_error, verifier_log }, _) => {
            let log = verifier_log.to_string();
            let last =
                log.lines().rev().find(|line| !line.is_empty() && !line.starts_with("processed"));
            format!("the kernel refused {}: {io_error}: {}", hook.program, last.unwrap_or("no log"))
        }
        (error, _) => format!("cannot attach to {}: {error}", hook.tracepoint),
    }
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

/// It is as well if there was nothing to remove.
pub fn ignore_missing(result: Result<(), MapError>) -> Result<()> {
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
