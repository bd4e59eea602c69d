//! The kept eBPF object and its record: what it was built from, and with what.
//!
//! Shared by memtrace's build script and `cargo xtask ebpf`, so it knows neither cargo
//! nor the toolchain: text and digests only.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

/// Where the kept object lies, from memtrace's crate root.
pub const OBJECT: &str = "ebpf/memtrace.bpf.o";
/// Where its record lies, from memtrace's crate root.
pub const RECORD: &str = "ebpf/memtrace.bpf.toml";

/// What is known of an object: the pair that built it, and digests (SHA-256, hex) of
/// its sources and of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub rustc: String,
    pub linker: String,
    pub sources: String,
    pub object: String,
}

impl Record {
    /// Reads a record's text.
    ///
    /// # Errors
    /// When a line is no `key = "value"`, or a key is missing.
    pub fn parse(text: &str) -> Result<Self> {
        let pairs = parse_flat(text)?;
        Ok(Self {
            rustc: take(&pairs, "rustc")?,
            linker: take(&pairs, "linker")?,
            sources: take(&pairs, "sources")?,
            object: take(&pairs, "object")?,
        })
    }
}

/// `key = "value"` lines; `#` starts a comment line. The common ground of TOML and of
/// a parser small enough for a build script.
///
/// # Errors
/// When a line has another shape.
pub fn parse_flat(text: &str) -> Result<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let pair = line.split_once('=').and_then(|(key, value)| {
            Some((key.trim(), value.trim().strip_prefix('"')?.strip_suffix('"')?))
        });
        let Some((key, value)) = pair else { bail!("no `key = \"value\"` line: {line}") };
        pairs.insert(key.to_owned(), value.to_owned());
    }
    Ok(pairs)
}

/// The value of `key`.
///
/// # Errors
/// When there is none.
pub fn take(pairs: &BTreeMap<String, String>, key: &str) -> Result<String> {
    pairs.get(key).cloned().with_context(|| format!("`{key}` is missing"))
}

/// SHA-256 of bytes, in hex.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// One digest over everything of the eBPF crate that decides what the object holds:
/// its manifest, the pinned pair and all files under `src`, with their names.
///
/// # Errors
/// When a file can't be read.
pub fn sources_digest(ebpf_crate: &Path) -> Result<String> {
    let mut files = vec![PathBuf::from("Cargo.toml"), PathBuf::from("toolchain.toml")];
    list(ebpf_crate, Path::new("src"), &mut files)?;
    files.sort();
    let mut hasher = Sha256::new();
    for file in files {
        let path = ebpf_crate.join(&file);
        let content = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let name = file.to_string_lossy();
        // Lengths in front, so that no two trees give the same stream.
        hasher.update((name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update((content.len() as u64).to_le_bytes());
        hasher.update(&content);
    }
    Ok(hex(&hasher.finalize()))
}

fn list(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let path = root.join(folder);
    for entry in fs::read_dir(&path).with_context(|| format!("list {}", path.display()))? {
        let entry = entry?;
        let inner = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            list(root, &inner, files)?;
        } else if inner.extension().is_some_and(|e| e == "rs") {
            files.push(inner);
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
