//! Programs that do nothing, on raw tracepoints as memtrace's are: the cost of the tracepoints
//! alone.

use std::io::Read as _;

use anyhow::{Context as _, Result};
use aya::programs::RawTracePoint;
use object::write::{Object, StandardSegment, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

/// `r0 = 0; exit` (Documentation/bpf/standardization/instruction-set.rst); opcode and registers
/// are a byte each, and all else is 0, so that it is the same in either byte order.
const NOTHING: [u8; 16] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];

/// Attaches one to each, says so, and waits until its output is closed.
///
/// # Errors
/// When the kernel lacks one of them, or refuses.
pub fn attach(tracepoints: &[&str]) -> Result<()> {
    let mut ebpf = aya::Ebpf::load(&image(tracepoints)?).context("load empty programs")?;
    for tracepoint in tracepoints {
        let program = ebpf.program_mut(tracepoint).context("a program that is in the image")?;
        let program: &mut RawTracePoint = program.try_into()?;
        program.load().with_context(|| format!("load the program of {tracepoint}"))?;
        program.attach(tracepoint).with_context(|| format!("attach to {tracepoint}"))?;
    }
    println!("attached");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// An object file with a program for each.
fn image(tracepoints: &[&str]) -> Result<Vec<u8>> {
    let order = if cfg!(target_endian = "big") { Endianness::Big } else { Endianness::Little };
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, order);
    let no_segment = object.segment_name(StandardSegment::Data).to_vec();
    for tracepoint in tracepoints {
        let name = format!("raw_tp/{tracepoint}").into_bytes();
        let section = object.add_section(no_segment.clone(), name, SectionKind::Text);
        let value = object.append_section_data(section, &NOTHING, 8);
        object.add_symbol(Symbol {
            name: tracepoint.as_bytes().to_vec(),
            value,
            size: NOTHING.len() as u64,
            kind: SymbolKind::Text,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Section(section),
            flags: SymbolFlags::None,
        });
    }
    Ok(object.write()?)
}
