//! Reading the running kernel: its layout as user space found it in BTF, and safe-to-use
//! readers of kernel memory. Knows nothing of VMs.

use aya_ebpf::helpers::{bpf_get_current_task, bpf_probe_read_kernel};
use memtrace_ebpf::{KernelLayout, MISSING};

use crate::rows::{add_shared, host};

/// Filled in by user space before the programs are loaded; the verifier then treats
/// each field as a constant.
#[unsafe(no_mangle)]
pub(crate) static LAYOUT: KernelLayout = KernelLayout::UNKNOWN;

/// Reads one field of the layout. Volatile, or the compiler would use the value that
/// it sees here instead of the one that user space puts there.
macro_rules! layout {
    ($field:ident) => {{
        // SAFETY: a field of a static that lives as long as the program.
        unsafe { core::ptr::read_volatile(&raw const $crate::kernel::LAYOUT.$field) }
    }};
}
pub(crate) use layout;

/// Reads a `T` at `offset` bytes into the kernel object at `base`; counts a failure.
/// A field that this kernel doesn't have is `None` and no failure.
#[inline(always)]
pub fn read<T: Copy>(base: u64, offset: u32) -> Option<T> {
    if offset == MISSING {
        return None;
    }
    let address = base.wrapping_add(u64::from(offset)) as *const T;
    // SAFETY: bpf_probe_read_kernel checks the address itself and fails cleanly.
    match unsafe { bpf_probe_read_kernel(address) } {
        Ok(value) => Some(value),
        Err(_) => {
            if let Some(host) = host() {
                add_shared!(host, failed_reads, 1);
            }
            None
        }
    }
}

/// Reads a pointer; NULL is `None`, as is a failure.
#[inline(always)]
pub fn read_pointer(base: u64, offset: u32) -> Option<u64> {
    match read::<u64>(base, offset) {
        Some(0) | None => None,
        pointer => pointer,
    }
}

/// `current`, as an address.
#[inline(always)]
pub fn current_task() -> u64 {
    // SAFETY: no arguments, always succeeds.
    unsafe { bpf_get_current_task() }
}

/// `current->flags`, 0 when it could not be read.
#[inline(always)]
pub fn current_flags() -> u32 {
    read::<u32>(current_task(), layout!(task_flags)).unwrap_or(0)
}

/// `folio_nr_pages` of include/linux/mm.h; `compound_nr` before folios.
#[inline(always)]
pub fn pages_of_folio(folio: u64) -> Option<u64> {
    let flags = read::<u64>(folio, layout!(folio_flags))?;
    if flags.checked_shr(layout!(page_head_bit))? & 1 == 0 {
        return Some(1);
    }
    read::<u32>(folio, layout!(folio_nr_pages)).map(u64::from)
}
