//! An adaptive binary range coder: each bit costs what it surprises, by a model that learns from
//! those before it (as in LZMA, and in G. N. N. Martin, "Range encoding", 1979). What wants to be
//! coded is said once, for both directions: the side that reads ignores what it is told and
//! gives what it finds.

/// Looks after which a model learns no slower.
const SLOWEST: u16 = 160;
/// Nothing is held for surer than this, in 2^-16.
const SUREST: u16 = 24;
/// Bytes that a reader may take beyond the end, which stand for zeros that were left off.
const BEYOND: usize = 8;

/// How likely a bit is 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bit {
    /// In 2^-16.
    one: u16,
    seen: u16,
}

impl Default for Bit {
    fn default() -> Self {
        Self { one: 1 << 15, seen: 0 }
    }
}

impl Bit {
    fn learn(&mut self, bit: bool) {
        let aim = if bit { i64::from(u16::MAX) } else { 0 };
        let step = (aim - i64::from(self.one)) * 2 / (2 * i64::from(self.seen) + 3);
        let one = i64::from(self.one) + step;
        self.one = one.clamp(i64::from(SUREST), i64::from(u16::MAX - SUREST)) as u16;
        self.seen = (self.seen + 1).min(SLOWEST);
    }
}

/// One of the two sides. `None`: what is read is no such thing.
pub(super) trait Coder {
    fn bit(&mut self, model: &mut Bit, bit: bool) -> Option<bool>;
    /// The lowest `count` bits, of which nothing is known.
    fn plain(&mut self, count: u32, bits: u128) -> Option<u128>;
    /// Of this length.
    fn text(&mut self, text: &[u8], length: usize) -> Option<Vec<u8>>;
}

/// The part of the range that a 1 takes ends here.
fn split(low: u64, high: u64, one: u16) -> u64 {
    let (range, one) = (high - low, u64::from(one));
    low + (range >> 16) * one + (((range & 0xffff) * one) >> 16)
}

const fn is_settled(low: u64, high: u64) -> bool {
    (low ^ high) >> 56 == 0
}

/// The side that writes.
#[derive(Debug)]
pub(super) struct Packer {
    low: u64,
    high: u64,
    coded: Vec<u8>,
    text: Vec<u8>,
}

impl Default for Packer {
    fn default() -> Self {
        Self { low: 0, high: u64::MAX, coded: Vec::new(), text: Vec::new() }
    }
}

impl Packer {
    /// So far, in bytes.
    pub(super) fn length(&self) -> usize {
        self.coded.len() + self.text.len()
    }

    /// What was coded, and the texts.
    pub(super) fn finish(mut self) -> (Vec<u8>, Vec<u8>) {
        // The shortest of what is in the range; zeros come after it.
        let shortest = (1..=8)
            .map(|bytes| (bytes, self.high & !(u64::MAX.checked_shr(8 * bytes).unwrap_or(0))))
            .find(|(_, value)| *value >= self.low);
        if let Some((bytes, value)) = shortest.filter(|_| self.low > 0) {
            self.coded.extend(value.to_be_bytes().iter().take(bytes as usize));
        }
        (self.coded, self.text)
    }

    fn narrow(&mut self, one: u16, bit: bool) {
        let middle = split(self.low, self.high, one);
        if bit {
            self.high = middle;
        } else {
            self.low = middle + 1;
        }
        while is_settled(self.low, self.high) {
            self.coded.push((self.high >> 56) as u8);
            (self.low, self.high) = (self.low << 8, self.high << 8 | 0xff);
        }
    }
}

impl Coder for Packer {
    fn bit(&mut self, model: &mut Bit, bit: bool) -> Option<bool> {
        self.narrow(model.one, bit);
        model.learn(bit);
        Some(bit)
    }

    fn plain(&mut self, count: u32, bits: u128) -> Option<u128> {
        (0..count).rev().for_each(|place| self.narrow(1 << 15, bits >> place & 1 != 0));
        Some(bits)
    }

    fn text(&mut self, text: &[u8], _: usize) -> Option<Vec<u8>> {
        self.text.extend_from_slice(text);
        Some(text.to_vec())
    }
}

/// The side that reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Unpacker {
    bytes: Vec<u8>,
    /// The next one of what was coded, and where that ends.
    at: usize,
    end: usize,
    /// The next one of the texts, which go on to the end.
    text: usize,
    low: u64,
    high: u64,
    value: u64,
}

impl Unpacker {
    /// Of `bytes` from `at` on: so many of them were coded, the rest are texts.
    pub(super) fn new(bytes: Vec<u8>, at: usize, coded: usize) -> Option<Self> {
        let end = at.checked_add(coded).filter(|end| *end <= bytes.len())?;
        let mut unpacker = Self { bytes, at, end, text: end, low: 0, high: u64::MAX, value: 0 };
        for _ in 0..8 {
            unpacker.next()?;
        }
        Some(unpacker)
    }

    fn next(&mut self) -> Option<()> {
        let byte = match self.bytes.get(self.at) {
            Some(byte) if self.at < self.end => *byte,
            _ if self.at >= self.end.saturating_add(BEYOND) => return None,
            _ => 0,
        };
        self.at += 1;
        self.value = self.value << 8 | u64::from(byte);
        Some(())
    }

    fn decide(&mut self, one: u16) -> Option<bool> {
        let middle = split(self.low, self.high, one);
        let bit = self.value <= middle;
        if bit {
            self.high = middle;
        } else {
            self.low = middle + 1;
        }
        while is_settled(self.low, self.high) {
            (self.low, self.high) = (self.low << 8, self.high << 8 | 0xff);
            self.next()?;
        }
        Some(bit)
    }
}

impl Coder for Unpacker {
    fn bit(&mut self, model: &mut Bit, _: bool) -> Option<bool> {
        let bit = self.decide(model.one)?;
        model.learn(bit);
        Some(bit)
    }

    fn plain(&mut self, count: u32, _: u128) -> Option<u128> {
        (0..count).try_fold(0, |bits, _| Some(bits << 1 | u128::from(self.decide(1 << 15)?)))
    }

    fn text(&mut self, _: &[u8], length: usize) -> Option<Vec<u8>> {
        let end = self.text.checked_add(length)?;
        let text = self.bytes.get(self.text..end)?.to_vec();
        self.text = end;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unpacker(packer: Packer) -> (Unpacker, usize) {
        let (coded, text) = packer.finish();
        let length = coded.len();
        let bytes = [coded, text].concat();
        (Unpacker::new(bytes, 0, length).expect("it is whole"), length)
    }

    #[test]
    fn what_is_usual_costs_next_to_nothing() {
        let (mut packer, mut model) = (Packer::default(), Bit::default());
        for index in 0..100_000 {
            packer.bit(&mut model, index % 1000 == 0);
        }
        // By Shannon 1.1 kilobits; learning comes on top.
        let (_, length) = unpacker(packer);
        assert!((100..230).contains(&length), "{length}");
    }

    #[test]
    fn nothing_is_read_far_beyond_the_end() {
        let mut unpacker = Unpacker::new(vec![7; 3], 0, 3).expect("it is long enough");
        let read = std::iter::from_fn(|| unpacker.plain(1, 0)).take(1000).count();
        assert!((24..200).contains(&read), "{read}");
        assert_eq!(unpacker.plain(64, 0), None);
        assert!(Unpacker::new(vec![7; 3], 1, 3).is_none());
        assert_eq!(unpacker.text(&[], 1), None);
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            bits in prop::collection::vec((0_usize..3, any::<bool>()), 0..400),
            plain in prop::collection::vec((0_u32..70, any::<u64>()), 0..20),
            skewed in 0_usize..4000,
        ) {
            let (mut packer, mut models) = (Packer::default(), [Bit::default(); 4]);
            for (model, bit) in &bits {
                packer.bit(&mut models[*model], *bit);
            }
            (0..skewed).for_each(|_| { packer.bit(&mut models[3], true); });
            for (count, value) in &plain {
                packer.plain(*count, u128::from(*value) & ((1 << count) - 1));
                packer.text(b"word", 4);
            }
            let (mut unpacker, _) = unpacker(packer);
            let mut models = [Bit::default(); 4];
            for (model, bit) in &bits {
                prop_assert_eq!(unpacker.bit(&mut models[*model], false), Some(*bit));
            }
            for _ in 0..skewed {
                prop_assert_eq!(unpacker.bit(&mut models[3], false), Some(true));
            }
            for (count, value) in &plain {
                let value = u128::from(*value) & ((1 << count) - 1);
                prop_assert_eq!(unpacker.plain(*count, 0), Some(value));
                prop_assert_eq!(unpacker.text(&[], 4), Some(b"word".to_vec()));
            }
        }
    }
}
