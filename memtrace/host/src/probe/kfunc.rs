//! Kernel functions that programs call. aya 0.14 doesn't resolve such calls: in the object they are
//! calls of helpers that can't exist, and get the functions' ids before it is loaded. Pure.

use memtrace_ebpf::{KFUNC_PLACEHOLDER, KFUNCS};

/// Ids in the kernel's BTF, in the order of [`KFUNCS`].
pub(super) type Ids = [u32; KFUNCS.len()];

/// Size of an instruction.
const INSTRUCTION: usize = 8;
/// `BPF_JMP | BPF_CALL` (include/uapi/linux/bpf.h).
const CALL: u8 = 0x85;
/// `BPF_PSEUDO_KFUNC_CALL`, in the upper half of the byte of the registers.
const KERNEL_FUNCTION: u8 = 2 << 4;

/// Puts the functions' ids into all calls of them in an object, whose sections of programs begin
/// at multiples of an instruction's size. Returns the number of calls of each.
pub(super) fn resolve(object: &mut [u8], ids: &Ids) -> [usize; KFUNCS.len()] {
    let mut calls = [0; KFUNCS.len()];
    for instruction in object.chunks_exact_mut(INSTRUCTION) {
        let [CALL, registers @ 0, 0, 0, number @ ..] = instruction else { continue };
        let Ok(value) = <[u8; 4]>::try_from(&*number) else { continue };
        let place = u32::from_le_bytes(value).wrapping_sub(KFUNC_PLACEHOLDER) as usize;
        if let (Some(id), Some(count)) = (ids.get(place), calls.get_mut(place)) {
            *registers = KERNEL_FUNCTION;
            number.copy_from_slice(&id.to_le_bytes());
            *count += 1;
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: Ids = [0x0102_0304, 7];

    fn call(number: u32) -> [u8; 8] {
        let [a, b, c, d] = number.to_le_bytes();
        [CALL, 0, 0, 0, a, b, c, d]
    }

    #[test]
    fn calls_of_kernel_functions_get_their_ids() {
        let helper = call(127);
        let mut object = [call(KFUNC_PLACEHOLDER), helper, call(KFUNC_PLACEHOLDER + 1)].concat();
        assert_eq!(resolve(&mut object, &IDS), [1, 1]);
        let expected = [[CALL, 0x20, 0, 0, 4, 3, 2, 1], helper, [CALL, 0x20, 0, 0, 7, 0, 0, 0]];
        assert_eq!(object, expected.concat());
        assert_eq!(resolve(&mut object, &IDS), [0, 0], "there is nothing left");
    }

    #[test]
    fn nothing_else_is_touched() {
        let unknown = call(KFUNC_PLACEHOLDER + KFUNCS.len() as u32);
        let mut load = call(KFUNC_PLACEHOLDER);
        load[0] = 0x18;
        let mut registers = call(KFUNC_PLACEHOLDER);
        registers[1] = 1;
        let before = [unknown, load, registers].concat();
        // An end that is no whole instruction.
        let before = [before.as_slice(), &call(KFUNC_PLACEHOLDER)[..7]].concat();
        let mut object = before.clone();
        assert_eq!(resolve(&mut object, &IDS), [0, 0]);
        assert_eq!(object, before);
    }

    /// The number stands for a function only where the linker left it as it was.
    #[test]
    fn the_object_has_a_call_of_each() {
        let mut object = super::super::load::OBJECT.to_vec();
        let calls = resolve(&mut object, &IDS);
        assert!(calls.iter().all(|count| (1..4).contains(count)), "{calls:?}");
    }
}
