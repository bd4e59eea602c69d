//! The program of the self-test's guest: 32-bit machine code that writes to one page after
//! the other, round and round, and tells the host after each stretch. Pure.

/// The port that tells the host that a stretch is walked. The kernel has no device there.
pub const PORT: u8 = 0xf4;
/// Where the program lies in the guest's memory, below what it walks.
pub const ENTRY: u32 = 0x1000;
/// The first address that it walks.
pub const START: u32 = 0x10_0000;
const PAGE: u32 = 4096;

/// The program for a guest with `memory` bytes, `stretch` pages at a time. It needs flat
/// segments from 0, and nothing else: no stack, no tables, no interrupts.
///
/// It is entered at [`ENTRY`], and uses `edi` (the page), `ecx` (pages left of this
/// stretch) and `esi` (the end of memory).
pub fn program(memory: u32, stretch: u32) -> Vec<u8> {
    let mut code = Vec::new();
    code.push(0xb9); // mov ecx, stretch
    code.extend(stretch.to_le_bytes());
    code.push(0xbe); // mov esi, memory
    code.extend(memory.to_le_bytes());
    let walk = code.len();
    code.push(0xbf); // walk: mov edi, START
    code.extend(START.to_le_bytes());
    let page = code.len();
    // Its address is never 0, and another one in each page, so that no page is like another.
    code.extend([0x89, 0x3f]); // page: mov [edi], edi
    code.extend([0x81, 0xc7]); // add edi, PAGE
    code.extend(PAGE.to_le_bytes());
    code.push(0x49); // dec ecx
    code.extend([0x75, 0x07]); // jnz next
    code.extend([0xe6, PORT]); // out PORT, al
    code.push(0xb9); // mov ecx, stretch
    code.extend(stretch.to_le_bytes());
    code.extend([0x39, 0xf7]); // next: cmp edi, esi
    let back = jump_back(code.len(), page);
    code.extend([0x72, back]); // jb page
    let back = jump_back(code.len(), walk);
    code.extend([0xeb, back]); // jmp walk
    code
}

/// The displacement of a two-byte jump at `from` to an earlier place.
fn jump_back(from: usize, to: usize) -> u8 {
    let distance = from.saturating_add(2).saturating_sub(to);
    u8::try_from(distance).map_or(0, u8::wrapping_neg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_these_bytes() {
        let expected = [
            "b9 00 04 00 00", // mov ecx, 1024
            "be 00 00 00 06", // mov esi, 96 MiB
            "bf 00 00 10 00", // walk: mov edi, 1 MiB
            "89 3f",          // page: mov [edi], edi
            "81 c7 00 10 00 00",
            "49",
            "75 07",
            "e6 f4",
            "b9 00 04 00 00",
            "39 f7", // next: cmp edi, esi
            "72 ea", // jb page
            "eb e3", // jmp walk
        ];
        let bytes: Vec<String> =
            program(96 << 20, 1024).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(bytes.join(" "), expected.join(" "));
    }

    /// The jumps, followed by hand: each lands on the first byte of an instruction.
    #[test]
    fn every_jump_lands_on_an_instruction() {
        let code = program(8 << 20, 16);
        let target = |at: usize| {
            let displacement = i64::from(code[at + 1].cast_signed());
            usize::try_from(at as i64 + 2 + displacement).unwrap()
        };
        let at = |wanted: &[u8]| code.windows(wanted.len()).position(|bytes| bytes == wanted);
        let (jnz, jb, jmp) = (at(&[0x75, 0x07]).unwrap(), code.len() - 4, code.len() - 2);
        assert_eq!(code[target(jnz)..][..2], [0x39, 0xf7], "jnz next");
        assert_eq!(code[target(jb)..][..2], [0x89, 0x3f], "jb page");
        assert_eq!(code[target(jmp)..][..5], [0xbf, 0, 0, 0x10, 0], "jmp walk");
    }

    #[test]
    fn the_program_does_not_walk_over_itself() {
        let end = ENTRY as usize + program(u32::MAX, u32::MAX).len();
        assert!(end < START as usize);
    }
}
