//! Bits by what they surprise: each costs what a model that learns from those before it didn't
//! expect of it, by a range coder (G. N. N. Martin, "Range encoding", 1979). What wants to be
//! coded is said once, for both directions: the side that reads ignores what it is told and
//! gives what it finds.

use std::borrow::Borrow;
use std::num::NonZeroU32;

use constriction::Queue;
use constriction::backends::ReadWords;
use constriction::stream::model::{DecoderModel, EncoderModel, EntropyModel};
use constriction::stream::queue::{DefaultRangeEncoder, RangeDecoder};
use constriction::stream::{Decode as _, Encode as _};

/// Looks after which a model learns no slower.
const SLOWEST: u16 = 160;
/// Nothing is held for surer than this, in 2^-16.
const SUREST: u16 = 24;
/// Of what is likely, in bits.
const PRECISION: usize = 16;
const WORD: usize = size_of::<u32>();
/// Words that a reader may take beyond the end, which stand for zeros that were left off.
const BEYOND: usize = 2;

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

/// The chance that a bit is 1, in 2^-16: neither 0 nor all of it.
#[derive(Clone, Copy, Debug)]
struct Chance(u16);

impl EntropyModel<PRECISION> for Chance {
    type Symbol = bool;
    type Probability = u32;
}

impl Chance {
    /// Where it begins, and how likely it is.
    fn part(self, bit: bool) -> Option<(u32, NonZeroU32)> {
        let one = u32::from(self.0);
        let (begin, size) = if bit { (0, one) } else { (one, (1 << PRECISION) - one) };
        Some((begin, NonZeroU32::new(size)?))
    }
}

impl EncoderModel<PRECISION> for Chance {
    fn left_cumulative_and_probability(&self, bit: impl Borrow<bool>) -> Option<(u32, NonZeroU32)> {
        self.part(*bit.borrow())
    }
}

impl DecoderModel<PRECISION> for Chance {
    fn quantile_function(&self, quantile: u32) -> (bool, u32, NonZeroU32) {
        let bit = quantile < u32::from(self.0);
        // What has a quantile has a size.
        let (begin, size) = self.part(bit).unwrap_or((0, NonZeroU32::MIN));
        (bit, begin, size)
    }
}

/// The side that writes.
#[derive(Debug, Default)]
pub(super) struct Packer {
    coder: DefaultRangeEncoder,
    text: Vec<u8>,
}

impl Packer {
    /// So far, in bytes.
    pub(super) fn length(&self) -> usize {
        self.coder.bulk().len() * WORD + self.text.len()
    }

    /// What was coded, and the texts.
    pub(super) fn finish(self) -> (Vec<u8>, Vec<u8>) {
        let Ok(words) = self.coder.into_compressed();
        let mut coded: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
        // Zeros come after it.
        coded.truncate(coded.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        (coded, self.text)
    }

    fn code(&mut self, one: u16, bit: bool) -> Option<bool> {
        self.coder.encode_symbol(bit, Chance(one)).ok()?;
        Some(bit)
    }
}

impl Coder for Packer {
    fn bit(&mut self, model: &mut Bit, bit: bool) -> Option<bool> {
        let coded = self.code(model.one, bit);
        model.learn(bit);
        coded
    }

    fn plain(&mut self, count: u32, bits: u128) -> Option<u128> {
        for place in (0..count).rev() {
            self.code(1 << 15, bits >> place & 1 != 0)?;
        }
        Some(bits)
    }

    fn text(&mut self, text: &[u8], _: usize) -> Option<Vec<u8>> {
        self.text.extend_from_slice(text);
        Some(text.to_vec())
    }
}

/// What was coded, a word after the other.
#[derive(Clone, Debug)]
struct Words {
    bytes: Vec<u8>,
    at: usize,
    beyond: usize,
}

/// More is read than was ever written.
#[derive(Debug)]
struct TooFar;

impl ReadWords<u32, Queue> for Words {
    type ReadError = TooFar;

    fn read(&mut self) -> Result<Option<u32>, TooFar> {
        let left = self.bytes.get(self.at..).unwrap_or_default();
        if left.is_empty() {
            self.beyond += 1;
            return if self.beyond > BEYOND { Err(TooFar) } else { Ok(None) };
        }
        let mut word = [0; WORD];
        word.iter_mut().zip(left).for_each(|(to, from)| *to = *from);
        self.at += WORD;
        Ok(Some(u32::from_be_bytes(word)))
    }
}

/// The side that reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Unpacker {
    coder: Option<RangeDecoder<u32, u64, Words>>,
    texts: Vec<u8>,
    /// The next one of the texts.
    text: usize,
}

impl Unpacker {
    /// Of `bytes` from `at` on: so many of them were coded, the rest are texts.
    pub(super) fn new(mut bytes: Vec<u8>, at: usize, coded: usize) -> Option<Self> {
        let end = at.checked_add(coded).filter(|end| *end <= bytes.len())?;
        let texts = bytes.split_off(end);
        let words = Words { bytes, at, beyond: 0 };
        Some(Self { coder: Some(RangeDecoder::with_backend(words).ok()?), texts, text: 0 })
    }

    fn decide(&mut self, one: u16) -> Option<bool> {
        self.coder.as_mut()?.decode_symbol(Chance(one)).ok()
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
        let text = self.texts.get(self.text..end)?.to_vec();
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
