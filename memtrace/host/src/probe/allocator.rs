//! The C library's allocator, as far as it matters to a process whose memory is locked.

/// Largest block that is taken from the heap, in bytes.
const LARGEST: i32 = 1 << 20;

/// Has larger blocks go back to the kernel once they are freed. glibc raises that limit by itself
/// with each such block (mallopt(3), `M_MMAP_THRESHOLD`), so that buffers as large as the kernel's
/// BTF, which are used once, are in the heap and stay there.
pub(super) fn return_large_blocks() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it changes a number of the allocator's, under its lock.
    let taken = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST) };
    #[cfg(target_env = "gnu")]
    if taken == 0 {
        tracing::debug!("the allocator keeps its limit of large blocks");
    }
}
