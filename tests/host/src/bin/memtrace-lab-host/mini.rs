//! A guest of a few bytes: a multiboot kernel without a file system, a driver or a clock.
//! qemu's loader puts it at 1 MiB and starts it in flat 32-bit protected mode, paging and
//! interrupts off (the multiboot specification, 3.2 "Machine state"). It is there in a
//! second, where Linux takes ten.

use memtrace_lab_host::scenario::Work;

/// Where the image lies; the memory that it walks over begins far above.
const LOAD: u32 = 0x0010_0000;
const FIRST_MIB: u32 = 16;
const MIB: u32 = 1 << 20;
const HEADER_BYTES: u32 = 32;
const MAGIC: u32 = 0x1BAD_B002;
/// The header says itself where everything goes.
const WITH_ADDRESSES: u32 = 1 << 16;

/// The kernel for `work`; `None` where that needs Linux.
pub fn image(work: Work) -> Option<Vec<u8>> {
    let code = match work {
        Work::Walk(mib) => [&LISTEN[..], &walk(mib), &AGAIN].concat(),
        Work::WalkDeaf(mib) => [&DEAF[..], &walk(mib), &AGAIN].concat(),
        Work::Once(mib) => [&LISTEN[..], &walk(mib), &HALT].concat(),
        Work::Halt => HALT.to_vec(),
        Work::Linux(_) => return None,
    };
    let end = LOAD + HEADER_BYTES + u32::try_from(code.len()).ok()?;
    let header = [
        MAGIC,
        WITH_ADDRESSES,
        // All three add up to 0.
        0_u32.wrapping_sub(MAGIC).wrapping_sub(WITH_ADDRESSES),
        // The header's own address, the image's beginning and end, the end of what is to
        // be zeroed, and the entry.
        LOAD,
        LOAD,
        end,
        end,
        LOAD + HEADER_BYTES,
    ];
    let header = header.iter().flat_map(|word| word.to_le_bytes());
    Some(header.chain(code).collect())
}

/// Whether the CPU of a guest with `image` is where its code is, by what qemu's monitor tells
/// of its registers. `None`: that doesn't say.
pub fn is_in(image: &[u8], registers: &str) -> Option<bool> {
    let place = ["EIP=", "RIP="].iter().find_map(|name| registers.split(name).nth(1))?;
    let digits: String = place.chars().take_while(char::is_ascii_hexdigit).collect();
    let place = u64::from_str_radix(&digits, 16).ok()?;
    let begin = u64::from(LOAD);
    Some((begin + u64::from(HEADER_BYTES)..begin + image.len() as u64).contains(&place))
}

/// Masks both interrupt controllers, and turns interrupts on: none comes, but KVM may halt
/// a CPU that could take one, which is what asynchronous page faults need.
const LISTEN: [u8; 7] = [
    0xB0, 0xFF, // mov al, 0xff
    0xE6, 0x21, // out 0x21, al
    0xE6, 0xA1, // out 0xa1, al
    0xFB, // sti
];
/// The same length with interrupts off.
const DEAF: [u8; 7] = [0xB0, 0xFF, 0xE6, 0x21, 0xE6, 0xA1, 0xFA /* cli */];

/// Bytes of [`walk`].
const WALK_BYTES: usize = 25;

/// Writes a number that is never 0 to each page, once.
fn walk(mib: u32) -> [u8; WALK_BYTES] {
    let (from, to) = ((FIRST_MIB * MIB).to_le_bytes(), ((FIRST_MIB + mib) * MIB).to_le_bytes());
    let mut code = [
        0xBF, 0, 0, 0, 0, // mov edi, from
        // next:
        0x43, // inc ebx
        0x83, 0xCB, 0x01, // or ebx, 1
        0x89, 0x1F, // mov [edi], ebx
        0x81, 0xC7, 0x00, 0x10, 0x00, 0x00, // add edi, 4096
        0x81, 0xFF, 0, 0, 0, 0, // cmp edi, to
        0x72, 0xEC, // jb next
    ];
    code[1..5].copy_from_slice(&from);
    code[19..23].copy_from_slice(&to);
    code
}

/// After a walk: starts it again.
const AGAIN: [u8; 2] = [
    0xEB, 0xE5, // jmp back over itself and the walk, 27 bytes
];
const HALT: [u8; 4] = [
    0xFA, // cli
    0xF4, // hlt
    0xEB, 0xFC, // jmp cli
];

#[cfg(test)]
mod tests {
    use super::*;

    fn word(image: &[u8], place: usize) -> u32 {
        u32::from_le_bytes(image[place * 4..place * 4 + 4].try_into().unwrap())
    }

    #[test]
    fn the_header_is_one_that_a_multiboot_loader_takes() {
        let image = image(Work::Walk(96)).unwrap();
        assert_eq!(word(&image, 0), MAGIC);
        let sum = (0..3).map(|place| word(&image, place)).fold(0, u32::wrapping_add);
        assert_eq!(sum, 0);
        assert_eq!(word(&image, 5), LOAD + u32::try_from(image.len()).unwrap());
        assert_eq!(word(&image, 7), LOAD + HEADER_BYTES);
    }

    #[test]
    fn jumps_lead_to_where_they_should() {
        let code = walk(1);
        // A jump counts from behind itself.
        assert_eq!(WALK_BYTES as i32 + i32::from(code[24].cast_signed()), 5, "to inc ebx");
        let whole = WALK_BYTES + AGAIN.len();
        assert_eq!(whole as i32 + i32::from(AGAIN[1].cast_signed()), 0, "to the beginning");
        assert_eq!(HALT.len() as i32 + i32::from(HALT[3].cast_signed()), 0);
    }

    #[test]
    fn a_cpu_that_left_the_code_is_detected() {
        let image = image(Work::Walk(96)).unwrap();
        let at = |place: u32| is_in(&image, &format!("ESP=00006f08\r\nEIP={place:08x} EFL=00"));
        let (begin, end) = (LOAD + HEADER_BYTES, LOAD + image.len() as u32);
        assert_eq!([begin, end - 1].map(at), [Some(true); 2]);
        assert_eq!([0, begin - 1, end, 0xFFFF_FFF0].map(at), [Some(false); 4]);
        assert_eq!(is_in(&image, "RIP=0000000000100020 RFL=00"), Some(true));
        assert_eq!(is_in(&image, "the monitor is silent"), None);
    }

    #[test]
    fn linux_is_no_guest_of_a_few_bytes() {
        assert_eq!(image(Work::Linux("idle")), None);
        assert!(image(Work::Halt).unwrap().len() < 100);
    }
}
