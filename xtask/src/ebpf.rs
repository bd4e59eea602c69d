//! `cargo xtask ebpf`: the object kept in memtrace/host/ebpf, built from source or checked
//! against it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use memtrace_lab::kept::{self, Record};
use memtrace_lab::setup::{self, Scope};
use memtrace_lab::{compile, interrupt, paths};

#[derive(clap::Args)]
pub struct Arguments {
    /// Change nothing; fail if the kept object isn't what the sources give
    #[arg(long)]
    check: bool,
}

/// Builds the object, then keeps it or compares it with the kept one.
///
/// # Errors
/// When the pair is missing, the build fails, or (with `--check`) the objects differ.
pub fn run(arguments: &Arguments) -> Result<()> {
    interrupt::listen()?;
    setup::run(Scope::Programs)?;
    build(arguments.check)
}

/// The same without the set-up.
///
/// # Errors
/// As [`run`].
pub fn build(only_check: bool) -> Result<()> {
    let pair = compile::Pair::read(&paths::ebpf_crate())?;
    let tools = compile::find_tools(&paths::target(), &pair)?;
    let sources = kept::sources_digest(&paths::ebpf_crate())?;
    let built = compile::build(&paths::workspace(), &tools, &paths::target().join("ebpf"))?;
    let object = fs::read(&built).with_context(|| format!("read {}", built.display()))?;
    let record =
        Record { rustc: pair.rustc, linker: pair.linker, sources, object: kept::digest(&object) };
    if only_check {
        check(&paths::memtrace_crate(), &record, &object)
    } else {
        keep(&paths::memtrace_crate(), &record, &object)
    }
}

fn keep(memtrace: &Path, record: &Record, object: &[u8]) -> Result<()> {
    let path = memtrace.join(kept::OBJECT);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&path, object).with_context(|| format!("write {}", path.display()))?;
    fs::write(memtrace.join(kept::RECORD), render(record)).context("write the record")?;
    println!("{}: {} bytes, sha256 {}", path.display(), object.len(), record.object);
    Ok(())
}

fn check(memtrace: &Path, record: &Record, object: &[u8]) -> Result<()> {
    const RENEW: &str = "run `cargo xtask ebpf` and commit memtrace/host/ebpf";
    let text = fs::read_to_string(memtrace.join(kept::RECORD)).context(RENEW)?;
    let old = Record::parse(&text)?;
    ensure!(
        old.sources == record.sources,
        "memtrace-ebpf changed since the object was built; {RENEW}"
    );
    let bytes = fs::read(memtrace.join(kept::OBJECT)).context(RENEW)?;
    ensure!(
        kept::digest(&bytes) == old.object,
        "the kept object isn't what its record says; {RENEW}"
    );
    ensure!(bytes == object, "the sources give another object than the kept one; {RENEW}");
    println!("the kept eBPF object is what the sources give ({} bytes)", object.len());
    Ok(())
}

/// The record as text that [`Record::parse`] reads back.
fn render(record: &Record) -> String {
    let Record { rustc, linker, sources, object } = record;
    format!(
        "# Written by `cargo xtask ebpf`: what memtrace.bpf.o was built from.\n\
         rustc = \"{rustc}\"\nlinker = \"{linker}\"\n\
         sources = \"{sources}\"\nobject = \"{object}\"\n"
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn record() -> Record {
        Record {
            rustc: "rustc 1".to_owned(),
            linker: "bpf-linker 1".to_owned(),
            sources: "aa".to_owned(),
            object: kept::digest(b"object"),
        }
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        assert_eq!(Record::parse(&render(&record())).unwrap(), record());
    }

    #[test]
    fn a_record_without_a_key_is_refused() {
        let text = render(&record()).replace("object", "thing");
        assert!(Record::parse(&text).unwrap_err().to_string().contains("`object`"));
    }

    #[test]
    fn check_accepts_the_kept_object_and_refuses_another() {
        let folder = tempfile::tempdir().unwrap();
        keep(folder.path(), &record(), b"object").unwrap();
        check(folder.path(), &record(), b"object").unwrap();
        let other = Record { object: kept::digest(b"other"), ..record() };
        assert!(check(folder.path(), &other, b"other").is_err());
        let changed = Record { sources: "bb".to_owned(), ..record() };
        assert!(check(folder.path(), &changed, b"object").is_err());
    }

    #[test]
    fn check_refuses_a_kept_object_that_was_altered() {
        let folder = tempfile::tempdir().unwrap();
        keep(folder.path(), &record(), b"object").unwrap();
        fs::write(folder.path().join(kept::OBJECT), b"altered").unwrap();
        assert!(check(folder.path(), &record(), b"object").is_err());
    }

    #[test]
    fn the_digest_of_the_sources_sees_names_and_contents() {
        let tree = |name: &str, content: &str| {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("src")).unwrap();
            for (file, text) in
                [("Cargo.toml", ""), ("toolchain.toml", ""), (&format!("src/{name}.rs"), content)]
            {
                fs::write(folder.path().join(file), text).unwrap();
            }
            kept::sources_digest(folder.path()).unwrap()
        };
        assert_eq!(tree("a", "x"), tree("a", "x"));
        assert_ne!(tree("a", "x"), tree("b", "x"));
        assert_ne!(tree("a", "x"), tree("a", "y"));
    }
}
