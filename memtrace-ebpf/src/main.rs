//! memtrace's eBPF programs: raw tracepoints, which load on kernels without kprobes,
//! fentry or mounted tracefs, and a second tier of fentry and fexit programs (`deep`,
//! `shmem`, `swap_wait`) that nothing else needs. One file a signal; user space decides
//! from BTF which of them fit the running kernel, and attaches those.
#![no_std]
#![no_main]
// The atomic add of `rows`.
#![feature(asm_experimental_arch)]

mod attribution;
mod deep;
mod fault;
mod kernel;
mod lifecycle;
mod maps;
mod oom;
mod pass;
mod pressure;
mod processes;
mod reclaim;
mod rows;
mod shmem;
mod stalls;
mod swap;
mod swap_wait;

/// The kernel lends `bpf_probe_read_kernel` and others to GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Never reached: the verifier would refuse a program that can get here.
    loop {}
}
