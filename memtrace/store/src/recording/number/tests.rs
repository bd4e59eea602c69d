//! Numbers written and read, and what they cost.

use proptest::prelude::*;

use super::super::range::{Packer, Unpacker};
use super::*;

/// What is read again, and how many bytes it took.
fn again(values: &[i128]) -> (Vec<i128>, usize) {
    let (mut field, mut slot) = (Field::default(), Slot::default());
    let (mut packer, mut recent) = (Packer::default(), Recent::default());
    for value in values {
        let step = value - slot.value;
        let done = field.step(&mut packer, (&mut slot, &mut recent), step);
        done.expect("it can be written");
    }
    let (coded, _) = packer.finish();
    let length = coded.len();
    let mut unpacker = Unpacker::new(coded, 0, length).expect("it is whole");
    let (mut field, mut slot) = (Field::default(), Slot::default());
    let mut recent = Recent::default();
    let read = values
        .iter()
        .map(|_| field.step(&mut unpacker, (&mut slot, &mut recent), 0).map(|()| slot.value));
    (read.map_while(|value| value).collect(), length)
}

#[test]
fn what_grows_steadily_costs_little() {
    let steady: Vec<i128> = (1..1000).map(|n| n * 1_000_003_000 + n % 7).collect();
    let (read, length) = again(&steady);
    assert_eq!(read, steady);
    assert!(length < 900, "{length}");
    let pages: Vec<i128> = (1..1000).map(|n| n * n % 97 * 4096).collect();
    let (read, length) = again(&pages);
    assert_eq!(read, pages);
    assert!(length < 1300, "{length}");
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        values in prop::collection::vec((any::<i64>(), any::<u64>(), 0_usize..8, 0_u32..64), 0..60),
    ) {
        let values: Vec<i128> = values
            .iter()
            .flat_map(|(signed, unsigned, unit, shift)| {
                let small = i128::from(signed >> shift);
                let round = i128::from(signed >> 40) * UNITS[*unit];
                [i128::from(*signed), i128::from(*unsigned), small, round, small]
            })
            .collect();
        prop_assert_eq!(again(&values).0, values);
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let length = bytes.len();
        let mut unpacker = Unpacker::new(bytes, 0, length).expect("it is whole");
        let (mut field, mut slot) = (Field::default(), Slot::default());
        let mut recent = Recent::default();
        for _ in 0..200 {
            if field.step(&mut unpacker, (&mut slot, &mut recent), 0).is_none() {
                break;
            }
        }
    }
}
