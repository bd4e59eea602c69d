//! The kernel: BTF and files.

use memtrace_host::parsers::{self, Btf};

use crate::lossy;

/// Of either name there may be a struct, an enum or a tracepoint in it.
const NAMES: [&str; 4] = ["task_struct", "mem_cgroup", "e", "s"];

/// Type information, in this machine's byte order.
pub fn btf(data: &[u8]) {
    let Ok(btf) = Btf::parse(data.to_vec()) else { return };
    for name in NAMES {
        btf.size(name);
        btf.enumerator(name, "a");
        btf.tracepoint(name);
        for path in ["mm", "css.cgroup", "a", "a.b.c"] {
            btf.offset(name, path);
        }
    }
    btf.functions(&["do_swap_page", "f"]);
}

/// A file below /proc, /sys or a cgroup, whichever.
pub fn host_files(data: &[u8]) {
    parsers::host_files(&lossy(data));
}
