//! Chooses the eBPF object that memtrace embeds, and names it in `MEMTRACE_BPF_OBJECT`.
//!
//! The object kept in the repository serves as long as it was built from the sources
//! that lie beside it (or none do, as in a packaged crate): stable Rust is then enough.
//! Changed sources are built with the pinned pair of nightly and bpf-linker.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

mod compile;
mod kept;

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=build");
    if env::var_os("CARGO_FEATURE_FULL").is_none() {
        return Ok(());
    }
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("no manifest dir")?);
    let out = PathBuf::from(env::var_os("OUT_DIR").context("no OUT_DIR")?);
    let ebpf_crate = manifest.join("../../memtrace-ebpf");
    println!("cargo::rerun-if-changed=ebpf");
    let object = if ebpf_crate.join("src/main.rs").is_file() {
        for part in ["src", "Cargo.toml", "toolchain.toml"] {
            println!("cargo::rerun-if-changed={}", ebpf_crate.join(part).display());
        }
        match kept_object(&manifest, Some(&kept::sources_digest(&ebpf_crate)?)) {
            Ok(object) => object,
            Err(why) => build_object(&manifest, &ebpf_crate, &out)
                .with_context(|| format!("the kept eBPF object can't serve: {why:#}"))?,
        }
    } else {
        kept_object(&manifest, None)?
    };
    println!("cargo::rustc-env=MEMTRACE_BPF_OBJECT={}", object.display());
    Ok(())
}

/// The kept object, if it is what its record says, from the sources that we have.
fn kept_object(manifest: &Path, sources: Option<&str>) -> Result<PathBuf> {
    let record = manifest.join(kept::RECORD);
    let text = fs::read_to_string(&record).with_context(|| format!("read {}", record.display()))?;
    let record = kept::Record::parse(&text)?;
    if let Some(sources) = sources {
        ensure!(record.sources == sources, "memtrace-ebpf has changed since it was built");
    }
    let object = manifest.join(kept::OBJECT);
    let bytes = fs::read(&object).with_context(|| format!("read {}", object.display()))?;
    ensure!(kept::digest(&bytes) == record.object, "it is not what its record describes");
    Ok(object)
}

fn build_object(manifest: &Path, ebpf_crate: &Path, out: &Path) -> Result<PathBuf> {
    let workspace = manifest.ancestors().nth(2).context("this crate lies in no workspace")?;
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace.join("target"), |dir| workspace.join(dir));
    let tools = compile::find_tools(&target, &compile::Pair::read(ebpf_crate)?)
        .context("run `cargo xtask ebpf` (it fetches what is missing and renews the object)")?;
    // Not under OUT_DIR, of which there is one for each profile and set of features:
    // core need be built only once.
    let built = compile::build(workspace, &tools, &target.join("ebpf"))?;
    let object = out.join("memtrace.bpf.o");
    fs::copy(&built, &object).with_context(|| format!("copy {}", built.display()))?;
    Ok(object)
}
