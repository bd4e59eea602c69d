//! Where things lie: the workspace, cargo's target directory, and our corners of it.

use std::env;
use std::path::{Path, PathBuf};

/// The workspace's root.
pub fn workspace() -> PathBuf {
    // This crate lies two folders below.
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest).to_path_buf()
}

/// Cargo's target directory, as the user may have moved it.
pub fn target() -> PathBuf {
    let root = workspace();
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir))
}

/// The crate of the eBPF programs.
pub fn ebpf_crate() -> PathBuf {
    workspace().join("memtrace-ebpf")
}

/// memtrace's own crate.
pub fn memtrace_crate() -> PathBuf {
    workspace().join("memtrace/host")
}
