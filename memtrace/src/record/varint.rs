//! Numbers of any size in as few bytes as they need: LEB128, and for signed ones the sign
//! in the lowest bit. Reading trusts nothing.

/// A number of 128 bits takes no more bytes.
const LONGEST: usize = 19;
/// What differences of memtrace's quantities are often whole multiples of: a page, a clock
/// tick of 10 ms and a second (both in nanoseconds).
const UNITS: [i128; 4] = [1, 4096, 10_000_000, 1_000_000_000];

pub(super) fn write(out: &mut Vec<u8>, mut value: u128) {
    loop {
        // The mask leaves what fits.
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

pub(super) fn write_length(out: &mut Vec<u8>, length: usize) {
    write(out, length as u128);
}

/// `before`: what was written last, without its unit, as one event moves several counters
/// by as much. Numbers here have less than 68 bits, so that the rest has room.
pub(super) fn write_signed(out: &mut Vec<u8>, value: i128, before: &mut i128) {
    let divides = |unit: &i128| value % unit == 0;
    let index = UNITS.iter().rposition(divides).filter(|_| value != 0).unwrap_or(0);
    let scaled = value / UNITS[index];
    let unit = (index as u128) << 1;
    if scaled == *before {
        return write(out, unit | 1);
    }
    *before = scaled;
    let zigzag = ((scaled << 1) ^ (scaled >> 127)) as u128;
    write(out, zigzag << 3 | unit);
}

/// What is left to read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn number(&mut self) -> Option<u128> {
        let mut value = 0;
        for index in 0..LONGEST {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u128::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    pub(super) fn signed(&mut self, before: &mut i128) -> Option<i128> {
        let number = self.number()?;
        let unit = UNITS.get((number >> 1 & 3) as usize)?;
        if number & 1 == 0 {
            let zigzag = (number >> 3) as i128;
            *before = (zigzag >> 1) ^ -(zigzag & 1);
        }
        before.checked_mul(*unit)
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(value in -(1_i128 << 67)..(1_i128 << 67), unit in 0_usize..4) {
            let (mut wrote, mut read) = (0, 0);
            for value in [value, value, value % (1 << 30) * UNITS[unit], 0, i128::from(u64::MAX)] {
                let mut bytes = Vec::new();
                write_signed(&mut bytes, value, &mut wrote);
                let mut cursor = Cursor(&bytes);
                prop_assert_eq!(cursor.signed(&mut read), Some(value));
                prop_assert!(cursor.0.is_empty());
            }
        }

        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..40), length in any::<usize>()) {
            let mut cursor = Cursor(&bytes);
            let mut before = 0;
            while cursor.signed(&mut before).is_some() {}
            prop_assert!(Cursor(&bytes).take(length).is_none_or(|taken| taken.len() == length));
        }
    }
}
