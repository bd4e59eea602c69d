//! Numbers of any size in as few whole bytes as they need (LEB128), and those of the format's
//! first version, in units and with the sign in the lowest bits. Reading trusts nothing.

/// A number of 128 bits takes no more bytes.
const LONGEST: usize = 19;
/// What differences were told in: a page, a clock tick of 10 ms and a second (both in
/// nanoseconds).
const UNITS: [i128; 4] = [1, 4096, 10_000_000, 1_000_000_000];

pub(super) fn write_length(out: &mut Vec<u8>, length: usize) {
    let mut value = length;
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

    /// `before`: what was read last, without its unit, as one event moves several counters by as
    /// much.
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
        fn a_length_is_read_as_it_was_written(length in any::<usize>(), shift in 0_u32..64) {
            let mut bytes = Vec::new();
            write_length(&mut bytes, length >> shift);
            let mut cursor = Cursor(&bytes);
            prop_assert_eq!(cursor.length(), Some(length >> shift));
            prop_assert!(cursor.0.is_empty());
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
