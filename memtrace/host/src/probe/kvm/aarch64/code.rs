//! The program of the self-test's guest: A64 machine code that writes to one page after the other,
//! round and round, and tells the host after each stretch. Pure, so that it is tested everywhere.
//!
//! Encodings: Arm Architecture Reference Manual for A-profile (DDI 0487), C6.2.

/// Where the guest's memory begins.
pub const BASE: u64 = 0x4000_0000;
/// A write here tells the host that a stretch is walked. There is neither memory nor a device.
pub const PORT: u64 = 0x1000_0000;
/// The first byte that it walks over, from the beginning of its memory: a whole page of any size
/// after the program, which is at the beginning.
pub const START: u64 = 0x10_0000;

/// Registers: the page, and pages left of this stretch.
const AT: u32 = 0;
const LEFT: u32 = 1;
/// The end of memory, and the port.
const END: u32 = 2;
const TELL: u32 = 3;
/// Pages of a stretch, bytes of a page, and the first page.
const STRETCH: u32 = 4;
const PAGE: u32 = 5;
const FIRST: u32 = 6;

/// The program for a guest with `memory` bytes from [`BASE`], `stretch` pages of `page` bytes at a
/// time. It is entered at its first byte, with paging off, and needs no stack.
pub fn program(memory: u64, stretch: u32, page: u64) -> Vec<u8> {
    let mut code = Vec::new();
    load(&mut code, END, BASE.saturating_add(memory));
    load(&mut code, TELL, PORT);
    load(&mut code, STRETCH, u64::from(stretch));
    load(&mut code, PAGE, page);
    load(&mut code, FIRST, BASE.saturating_add(START));
    code.push(copy(LEFT, STRETCH));
    let walk = code.len();
    code.push(copy(AT, FIRST)); // walk:
    let next_page = code.len();
    // Its address is never 0, and another one in each page, so that no page is like another.
    code.push(0xf900_0000 | AT << 5 | AT); // page: str x0, [x0]
    code.push(0x8b00_0000 | PAGE << 16 | AT << 5 | AT); // add x0, x0, x5
    code.push(0xf100_0400 | LEFT << 5 | LEFT); // subs x1, x1, #1
    code.push(branch_if(NOT_EQUAL, 3)); // b.ne next
    code.push(0xb900_0000 | TELL << 5 | LEFT); // str w1, [x3]
    code.push(copy(LEFT, STRETCH));
    code.push(0xeb00_001f | END << 16 | AT << 5); // next: cmp x0, x2
    code.push(branch_if(LOWER, back(code.len(), next_page))); // b.lo page
    code.push(0x1400_0000 | back(code.len(), walk) & 0x03ff_ffff); // b walk
    code.iter().flat_map(|word| word.to_le_bytes()).collect()
}

const NOT_EQUAL: u32 = 1;
const LOWER: u32 = 3;

/// `movz` and three `movk`: all of a register.
fn load(code: &mut Vec<u32>, register: u32, value: u64) {
    for part in 0..4_u32 {
        let bits = (value >> (16 * part)) as u32 & 0xffff;
        let instruction = if part == 0 { 0xd280_0000 } else { 0xf280_0000 };
        code.push(instruction | part << 21 | bits << 5 | register);
    }
}

/// `mov`, which is an `orr` with the register that is 0.
const fn copy(to: u32, from: u32) -> u32 {
    0xaa00_03e0 | from << 16 | to
}

const fn branch_if(condition: u32, words: u32) -> u32 {
    0x5400_0000 | (words & 0x7_ffff) << 5 | condition
}

/// The distance to an earlier place, in words, as a two's complement.
fn back(from: usize, to: usize) -> u32 {
    u32::try_from(from.saturating_sub(to)).unwrap_or(0).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(code: &[u8]) -> Vec<u32> {
        code.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect()
    }

    /// As an assembler makes them.
    #[test]
    fn the_program_is_these_instructions() {
        let code = words(&program(96 << 20, 512, 16384));
        let first_loads = [
            0xd280_0002, // movz x2, #0
            0xf2a8_c002, // movk x2, #0x4600, lsl #16
            0xf2c0_0002,
            0xf2e0_0002,
            0xd280_0003, // movz x3, #0
            0xf2a2_0003, // movk x3, #0x1000, lsl #16
        ];
        assert_eq!(code[..6], first_loads);
        assert_eq!(code[8], 0xd280_4004, "movz x4, #512");
        assert_eq!(code[12], 0xd288_0005, "movz x5, #0x4000");
        let walk = [
            0xaa04_03e1, // mov x1, x4
            0xaa06_03e0, // walk: mov x0, x6
            0xf900_0000, // page: str x0, [x0]
            0x8b05_0000, // add x0, x0, x5
            0xf100_0421, // subs x1, x1, #1
            0x5400_0061, // b.ne next
            0xb900_0061, // str w1, [x3]
            0xaa04_03e1, // mov x1, x4
            0xeb02_001f, // next: cmp x0, x2
            0x54ff_ff23, // b.lo page
            0x17ff_fff7, // b walk
        ];
        assert_eq!(code[20..], walk);
    }

    #[test]
    fn the_program_does_not_walk_over_itself() {
        assert!((program(u64::MAX, u32::MAX, 65536).len() as u64) < START);
        for page in [4096, 16384, 65536] {
            assert_eq!(START % page, 0);
        }
    }
}
