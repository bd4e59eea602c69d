//! What a number costs: whether it moved, and by how much, by what its field did before. All in
//! both directions ([`Coder`]).

use super::range::{Bit, Coder};

/// What differences of memtrace's quantities are often whole multiples of: a page, 32 of them (a
/// cgroup's batch), a MiB, a huge page; a clock tick of 10 ms, and a microsecond, a millisecond
/// and a second in nanoseconds.
const UNITS: [i128; 8] = [1, 1000, 4096, 131_072, 1_048_576, 2_097_152, 10_000_000, 1_000_000_000];
/// As powers of two.
const UNIT_BITS: u32 = 3;
/// Differences that are remembered within a document, because one event moves several counters
/// by as much.
const RECENT: usize = 1 << RECENT_BITS;
const RECENT_BITS: u32 = 5;
/// Looks of a number that count for whether it moves.
pub(super) const LOOKS: u32 = 5;
/// Most bits of a difference. Numbers have less than 65, and what is said of one may be the
/// difference of two differences.
const LONGEST: u32 = 70;
/// Sizes in bits that are told apart, as powers of two.
const CLASS_BITS: u32 = 7;
/// Bits after the first one that aren't chance.
const TOP: u32 = 2;
/// A difference that is by so many bits nearer to the one before than to nothing, on average and
/// in 32nds, is told by that.
const NEARER: u16 = 12;

/// Of all numbers with one meaning.
#[derive(Debug)]
pub(super) struct Field {
    /// By what it did at the last looks, and whether its neighbour moved.
    moved: [Bit; 1 << (LOOKS + 1)],
    again: Bit,
    recent: [Bit; RECENT],
    /// Of a difference, of one to the step before, of one of the last.
    unit: [[Bit; 1 << UNIT_BITS]; 3],
    minus: [Bit; 2],
    /// By how large it was last; made when one is needed.
    sizes: [Option<Box<Sizes>>; 4],
    /// Bits that the difference took on average, and that its difference to the one before would
    /// have taken. In 32nds.
    plain: u16,
    steady: u16,
}

/// The sizes of differences, in bits, and their first bits.
#[derive(Debug)]
struct Sizes {
    class: [Bit; 1 << CLASS_BITS],
    top: [[Bit; 1 << TOP]; 1 << CLASS_BITS],
}

impl Default for Field {
    fn default() -> Self {
        let bit = Bit::default();
        Self {
            moved: [bit; 1 << (LOOKS + 1)],
            again: bit,
            recent: [bit; RECENT],
            unit: [[bit; 1 << UNIT_BITS]; 3],
            minus: [bit; 2],
            sizes: [None, None, None, None],
            plain: 0,
            steady: 0,
        }
    }
}

impl Default for Sizes {
    fn default() -> Self {
        let bit = Bit::default();
        Self { class: [bit; 1 << CLASS_BITS], top: [[bit; 1 << TOP]; 1 << CLASS_BITS] }
    }
}

/// One number, and what it did lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) value: i128,
    /// Its last difference that was one.
    step: i64,
    /// At each of the last [`LOOKS`] whether it moved, the newest in the lowest bit.
    pub(super) looks: u8,
}

/// The last differences of a document, without their units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recent([i128; RECENT]);

impl Default for Recent {
    fn default() -> Self {
        let mut recent = [0; RECENT];
        recent[0] = 1;
        Self(recent)
    }
}

impl Recent {
    /// Where it is, in which unit.
    fn find(&self, value: i128) -> Option<(usize, usize)> {
        let in_unit = |known: i128| UNITS.iter().position(|unit| known * unit == value);
        let mut known = self.0.iter().enumerate();
        known.find_map(|(place, known)| Some((place, in_unit(*known)?)))
    }

    /// It comes first from now on.
    fn push(&mut self, value: i128) {
        let place = self.0.iter().position(|known| *known == value).unwrap_or(RECENT - 1);
        self.0[..=place].rotate_right(1);
        self.0[0] = value;
    }
}

/// Looks after one more.
pub(super) const fn looked(looks: u8, moved: bool) -> u8 {
    (looks << 1 | moved as u8) & ((1 << LOOKS) - 1)
}

/// A choice of so many bits, each by those before it.
fn choice<C: Coder>(coder: &mut C, models: &mut [Bit], bits: u32, value: usize) -> Option<usize> {
    let mut node = 1;
    for place in (0..bits).rev() {
        let bit = coder.bit(models.get_mut(node)?, value >> place & 1 != 0)?;
        node = node << 1 | usize::from(bit);
    }
    Some(node - (1 << bits))
}

/// The largest that it is a whole multiple of.
fn unit(value: i128) -> usize {
    UNITS.iter().rposition(|unit| value % unit == 0).unwrap_or(0)
}

fn without_unit(value: i128) -> i128 {
    value / UNITS[unit(value)]
}

const fn size(value: i128) -> u32 {
    128 - value.unsigned_abs().leading_zeros()
}

impl Field {
    /// Whether a number moved that did as `looks` tell; `beside`: the one before it did.
    pub(super) fn moved<C: Coder>(
        &mut self,
        coder: &mut C,
        looks: u8,
        beside: bool,
        moved: bool,
    ) -> Option<bool> {
        let index = usize::from(looks) << 1 | usize::from(beside);
        coder.bit(self.moved.get_mut(index)?, moved)
    }

    /// By how much `slot` moved.
    pub(super) fn step<C: Coder>(
        &mut self,
        coder: &mut C,
        (slot, recent): (&mut Slot, &mut Recent),
        step: i128,
    ) -> Option<()> {
        let before = i128::from(slot.step);
        let found = recent.find(step);
        let step = match coder.bit(&mut self.again, found.is_some())? {
            true => self.again(coder, recent, found.unwrap_or_default())?,
            false => {
                let step = self.anew(coder, before, step)?;
                recent.push(without_unit(step));
                step
            }
        };
        self.weigh(step, before);
        slot.value = slot.value.checked_add(step)?;
        slot.step = i64::try_from(step).unwrap_or(0);
        Some(())
    }

    /// By itself, or by the step before where that is nearer.
    fn anew<C: Coder>(&mut self, coder: &mut C, before: i128, step: i128) -> Option<i128> {
        let near = self.steady + NEARER < self.plain;
        let origin = if near { before } else { 0 };
        let said = step.checked_sub(origin)?;
        let unit = choice(coder, &mut self.unit[usize::from(near)], UNIT_BITS, unit(said))?;
        let scaled = self.sized(coder, before, said / UNITS[unit])?;
        scaled.checked_mul(UNITS[unit])?.checked_add(origin)
    }

    /// One of the last.
    fn again<C: Coder>(
        &mut self,
        coder: &mut C,
        recent: &mut Recent,
        (place, unit): (usize, usize),
    ) -> Option<i128> {
        let found = choice(coder, &mut self.recent, RECENT_BITS, place)?;
        let unit = choice(coder, &mut self.unit[2], UNIT_BITS, unit)?;
        let value = *recent.0.get(found)?;
        recent.push(value);
        value.checked_mul(UNITS[unit])
    }

    /// Sign, size and bits; `before` is the step that was before.
    fn sized<C: Coder>(&mut self, coder: &mut C, before: i128, value: i128) -> Option<i128> {
        let minus = coder.bit(&mut self.minus[usize::from(before < 0)], value < 0)?;
        let about = match size(before) {
            0 => 0,
            1..=8 => 1,
            9..=16 => 2,
            _ => 3,
        };
        let Sizes { class, top } = &mut **self.sizes[about].get_or_insert_default();
        let bits = choice(coder, class, CLASS_BITS, size(value) as usize)?;
        let count = u32::try_from(bits).ok().filter(|bits| *bits <= LONGEST)?;
        let Some(rest) = count.checked_sub(1) else { return Some(0) };
        let magnitude = value.unsigned_abs();
        let first = rest.min(TOP);
        let shown = (magnitude >> (rest - first)) as usize & ((1 << first) - 1);
        let shown = choice(coder, &mut top[bits], first, shown)?;
        let chance = rest - first;
        let low = coder.plain(chance, magnitude & ((1 << chance) - 1))?;
        let magnitude = (1 << first | shown as u128) << chance | low;
        let value = i128::try_from(magnitude).ok()?;
        Some(if minus { -value } else { value })
    }

    fn weigh(&mut self, step: i128, before: i128) {
        let average =
            |average: u16, value: i128| average - average / 32 + size(value).min(99) as u16;
        self.plain = average(self.plain, without_unit(step));
        self.steady = average(self.steady, without_unit(step.saturating_sub(before)));
    }
}

#[cfg(test)]
mod tests;
