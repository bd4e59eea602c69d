//! The pass over the table of processes: one reading of an iterator instead of system calls for
//! each VM. aya 0.14 has no iterators over a map, so link and iterator are made here.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use aya::maps::Map;
use aya::programs::{Iter, ProgramError};
use aya::{Btf, Ebpf};
use memtrace_ebpf::{ProcessRow, UNTOLD};

use super::load::errno;
use crate::hostfs::process::{Charge, Vitals, nanos_to_ticks};
use memtrace_core::units::{Bytes, Limit};

/// The program, and the kind of iterator that it is for.
const PROGRAM: &str = "process_row";
const KIND: &str = "bpf_map_elem";

// Numbers of include/uapi/linux/bpf.h.
const LINK_CREATE: libc::c_int = 28;
const ITER_CREATE: libc::c_int = 33;
const TRACE_ITER: u32 = 28;

/// Room for the records that one read(2) gives: the kernel's own buffer is as large.
const CHUNK: usize = 32 * 1024;

/// The program and its map, linked.
pub(super) struct Pass {
    link: OwnedFd,
    text: Vec<u8>,
    page_size: Bytes,
    ticks_per_second: u64,
}

/// `link_create` of `union bpf_attr`.
#[repr(C)]
struct LinkCreate {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
    info: u64,
    info_length: u32,
    reserved: u32,
}

/// `iter_create` of `union bpf_attr`.
#[repr(C)]
struct IterCreate {
    link: u32,
    flags: u32,
}

/// `struct bpf_iter_link_info` for a map.
#[repr(C)]
struct MapInfo {
    map: u32,
}

impl Pass {
    /// Loads the program, and links it with the table, which nobody has taken yet.
    ///
    /// # Errors
    /// A message for the operator: why the kernel refuses.
    pub(super) fn open(ebpf: &mut Ebpf, btf: Option<&Btf>) -> Result<Self, String> {
        let btf = btf.ok_or("the kernel's BTF was not read")?;
        let program = ebpf.program_mut(PROGRAM).ok_or("the object has no such program")?;
        let program: &mut Iter =
            program.try_into().map_err(|error: ProgramError| error.to_string())?;
        program.load(KIND, btf).map_err(|error| refusal(&error))?;
        let program = program.fd().map_err(|error| error.to_string())?;
        let program = program.as_fd().try_clone_to_owned().map_err(|error| error.to_string())?;
        let Some(Map::HashMap(table)) = ebpf.map("TGIDS") else {
            return Err("the object has no table of processes".to_owned());
        };
        let link = link(program.as_fd(), table.fd().as_fd());
        Ok(Self {
            link: link.map_err(|error| format!("cannot link an iterator: {error}"))?,
            text: Vec::new(),
            page_size: Bytes(rustix::param::page_size() as u64),
            ticks_per_second: rustix::param::clock_ticks_per_second(),
        })
    }

    /// What is told of each process of the table at this moment, by its id. Who is not in it is
    /// to be read from files.
    ///
    /// # Errors
    /// When the kernel makes no iterator, or its reading fails.
    pub(super) fn run(&mut self) -> io::Result<BTreeMap<u32, Vitals>> {
        let mut iterator = File::from(iterate(self.link.as_fd())?);
        let mut length = 0;
        loop {
            self.text.resize(length + CHUNK, 0);
            let read = iterator.read(self.text.get_mut(length..).unwrap_or_default())?;
            if read == 0 {
                break;
            }
            length += read;
        }
        let records = self.text.get(..length).unwrap_or_default();
        let rows = records.chunks_exact(size_of::<ProcessRow>()).map(row);
        Ok(rows.filter_map(|row| Some((row.tgid, self.vitals(&row)?))).collect())
    }

    /// `None`: the file says it in another way.
    fn vitals(&self, row: &ProcessRow) -> Option<Vitals> {
        vitals(row, self.page_size, self.ticks_per_second)
    }
}

fn vitals(row: &ProcessRow, page_size: Bytes, ticks_per_second: u64) -> Option<Vitals> {
    let bytes = |pages: u64| pages.checked_mul(page_size.0);
    let told = |value: u64| Some(value).filter(|value| *value != UNTOLD);
    let limit = |pages: u64| told(pages).and_then(|pages| limit(pages, page_size));
    Some(Vitals {
        comm: name(&row.comm)?,
        start: nanos_to_ticks(row.start_ns, ticks_per_second)?,
        exiting: false,
        ended: false,
        stopped: false,
        minor_faults: row.minor_faults,
        major_faults: row.major_faults,
        cpu_ticks: nanos_to_ticks(row.cpu_ns, ticks_per_second)?,
        threads: row.threads,
        size: Some(bytes(row.size_pages)?),
        resident_pages: Some(row.resident_pages),
        charge: Some(Charge {
            memory: row.memory_cgroup,
            unified: row.unified_cgroup,
            usage: Bytes(bytes(row.usage_pages)?),
            failures: told(row.failures),
            max_events: told(row.max_events),
            oom_kills: told(row.oom_kills),
            limit: limit(row.limit_pages),
            high: limit(row.high_pages),
            swap_limit: limit(row.swap_limit_pages),
            swap: told(row.swap_pages).and_then(bytes).map(Bytes),
        }),
    })
}

/// A limit as files of version 2 have it, in which `PAGE_COUNTER_MAX` is none.
fn limit(pages: u64, page_size: Bytes) -> Option<Limit> {
    let most = (i64::MAX as u64).checked_div(page_size.0)?;
    Some(if pages < most {
        Limit::At(Bytes(pages.checked_mul(page_size.0)?))
    } else {
        Limit::Unlimited
    })
}

/// The name as `stat` has it, which writes backslashes and ends of lines as escapes.
fn name(comm: &[u8; 16]) -> Option<String> {
    let name = comm.split(|byte| *byte == 0).next().unwrap_or_default();
    let plain = |byte: &u8| (b' '..=b'~').contains(byte) && *byte != b'\\';
    if !name.iter().all(plain) {
        return None;
    }
    String::from_utf8(name.to_vec()).ok()
}

fn row(record: &[u8]) -> ProcessRow {
    assert_eq!(record.len(), size_of::<ProcessRow>(), "one whole record");
    // SAFETY: as many bytes as that, and integers alone in it (pinned by the ABI test), so every
    // bit pattern is a value.
    unsafe { std::ptr::read_unaligned(record.as_ptr().cast()) }
}

fn refusal(error: &ProgramError) -> String {
    match (error, errno(error)) {
        (_, Some(libc::EPERM)) => "not permitted to load an iterator".to_owned(),
        (ProgramError::LoadError { io_error, verifier_log }, _) => {
            tracing::debug!("verifier log of {PROGRAM}: {verifier_log}");
            format!("the verifier rejected {PROGRAM}: {io_error}")
        }
        (error, _) => format!("cannot load {PROGRAM}: {error}"),
    }
}

fn link(program: BorrowedFd<'_>, map: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let info = MapInfo { map: number(map) };
    let attributes = LinkCreate {
        program: number(program),
        target: 0,
        attach_type: TRACE_ITER,
        flags: 0,
        info: (&raw const info) as u64,
        info_length: size_of::<MapInfo>() as u32,
        reserved: 0,
    };
    // SAFETY: what the command takes; `info` lives until it returns.
    unsafe { bpf(LINK_CREATE, &attributes) }
}

fn iterate(link: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: what the command takes.
    unsafe { bpf(ITER_CREATE, &IterCreate { link: number(link), flags: 0 }) }
}

fn number(descriptor: BorrowedFd<'_>) -> u32 {
    descriptor.as_raw_fd().unsigned_abs()
}

/// bpf(2), for commands that return a new descriptor.
///
/// # Safety
/// `attributes` begins as the command's part of `union bpf_attr`, and addresses in it are valid.
unsafe fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: the kernel reads no more than the size that it is told.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>())
    };
    let descriptor = libc::c_int::try_from(result).map_err(io::Error::other)?;
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor, which nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comm(name: &[u8]) -> [u8; 16] {
        let mut comm = [0; 16];
        comm[..name.len()].copy_from_slice(name);
        comm
    }

    #[test]
    fn a_row_is_in_the_units_of_the_files() {
        let row = ProcessRow {
            tgid: 7,
            threads: 3,
            start_ns: 1_239_999_999,
            cpu_ns: 20_000_000,
            minor_faults: 4,
            major_faults: 5,
            size_pages: 6,
            resident_pages: 2,
            memory_cgroup: 70,
            unified_cgroup: 71,
            usage_pages: 9,
            failures: 10,
            max_events: 11,
            oom_kills: UNTOLD,
            limit_pages: 12,
            high_pages: i64::MAX as u64 / 4096,
            swap_limit_pages: UNTOLD,
            swap_pages: 13,
            comm: comm(b"a b) R"),
        };
        let vitals = vitals(&row, Bytes(4096), 100).expect("a plain name");
        assert_eq!((vitals.start, vitals.cpu_ticks), (123, 2));
        assert_eq!((vitals.size, vitals.resident_pages), (Some(6 * 4096), Some(2)));
        let charge = Charge {
            memory: 70,
            unified: 71,
            usage: Bytes(9 * 4096),
            failures: Some(10),
            max_events: Some(11),
            oom_kills: None,
            limit: Some(Limit::At(Bytes(12 * 4096))),
            high: Some(Limit::Unlimited),
            swap_limit: None,
            swap: Some(Bytes(13 * 4096)),
        };
        assert_eq!((vitals.charge, vitals.comm.as_str()), (Some(charge), "a b) R"));
    }

    #[test]
    fn a_name_that_stat_writes_otherwise_is_left_to_it() {
        assert_eq!(name(&comm(b"")).as_deref(), Some(""));
        for other in [&b"a\nb"[..], b"a\\b", b"n\xc3\xa4me", b"\xff", b"\x1b[1m"] {
            assert_eq!(name(&comm(other)), None, "{other:?}");
        }
    }

    #[test]
    fn what_has_no_value_in_the_files_units_is_left_to_them() {
        let row = ProcessRow { usage_pages: u64::MAX, ..ProcessRow::default() };
        assert_eq!(vitals(&row, Bytes(4096), 100), None);
        assert_eq!(vitals(&ProcessRow::default(), Bytes(4096), 0), None);
    }
}
