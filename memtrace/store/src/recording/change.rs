//! What became of a document since the one before it, in both directions: its template, which is
//! the same, one that is known, or another middle; and its numbers, those that moved.

use std::sync::Arc;

use super::document::{Document, json, places};
use super::layout::{BLOCK, Kind, Layout, Models};
use super::number::{Field, Recent, Slot, looked};
use super::range::Coder;

const SAME: usize = 0;
const KNOWN: usize = 1;
const SPLICE: usize = 2;

/// Most that is kept of all documents together, in bytes of their templates. A host with
/// 4,096 VMs has a third of it.
pub(super) const MOST_TEMPLATE: usize = 64 << 20;
/// The same in numbers.
pub(super) const MOST_NUMBERS: usize = 8 << 20;
/// What a document takes beside them, in bytes.
const DOCUMENT: usize = 64;

/// How much more may be kept. `None` once that is too much.
#[derive(Debug)]
pub(super) struct Room {
    template: usize,
    numbers: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { template: MOST_TEMPLATE, numbers: MOST_NUMBERS }
    }
}

impl Room {
    fn take(&mut self, layout: &Layout) -> Option<()> {
        let bytes = layout.template.len().checked_add(DOCUMENT)?;
        self.template = self.template.checked_sub(bytes)?;
        self.numbers = self.numbers.checked_sub(layout.fields.len())?;
        Some(())
    }
}

/// A document as it was, with what its numbers did lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    layout: Arc<Layout>,
    slots: Vec<Slot>,
    /// Of each block of numbers, whether any of them moved.
    looks: Vec<u8>,
}

impl Kept {
    pub(super) fn json(&self) -> Vec<u8> {
        json(&self.layout.template, self.slots.iter().map(|slot| slot.value))
    }

    /// With another template. Numbers before and after what differs are those of before.
    fn with(&self, layout: Arc<Layout>) -> Self {
        let (before, now) = (&self.layout.template, &layout.template);
        let prefix = common(before.iter(), now.iter(), usize::MAX);
        let most = before.len().min(now.len()) - prefix;
        let suffix = common(before.iter().rev(), now.iter().rev(), most);
        let (head, tail) = (places(&now[..prefix]), places(&now[now.len() - suffix..]));
        let count = layout.fields.len();
        let mut slots = self.slots.get(..head).unwrap_or_default().to_vec();
        slots.resize(count - tail, Slot::default());
        slots.extend_from_slice(&self.slots[self.slots.len() - tail..]);
        let mut looks = self.looks.clone();
        looks.resize(layout.blocks.len(), 0);
        Self { layout, slots, looks }
    }
}

fn common<'a>(
    before: impl Iterator<Item = &'a u8>,
    now: impl Iterator<Item = &'a u8>,
    most: usize,
) -> usize {
    before.zip(now).take(most).take_while(|(before, now)| before == now).count()
}

/// What comes after `before`. The side that writes gives `now`.
pub(super) fn follow<C: Coder>(
    coder: &mut C,
    models: &mut Models,
    (kind, mut kept): (Kind, Kept),
    now: Option<&Document>,
    room: &mut Room,
) -> Option<Kept> {
    let template = now.map(|now| &now.template[..]);
    let other = layout(coder, models, (kind, &kept.layout), template)?;
    room.take(other.as_ref().unwrap_or(&kept.layout))?;
    if let Some(layout) = other {
        kept = kept.with(layout);
    }
    let layout = Arc::clone(&kept.layout);
    let mut recent = Recent::default();
    let mut beside = false;
    for (index, slots) in kept.slots.chunks_mut(BLOCK).enumerate() {
        let begin = index * BLOCK;
        let wanted = now.map(|now| &now.numbers[begin..begin + slots.len()]);
        let moved =
            wanted.is_some_and(|now| slots.iter().zip(now).any(|(slot, now)| slot.value != *now));
        let (field, looks) = (*layout.blocks.get(index)?, kept.looks.get_mut(index)?);
        beside = models.field(field)?.moved(coder, *looks, beside, moved)?;
        *looks = looked(*looks, beside);
        if beside {
            let fields = layout.fields.get(begin..begin + slots.len())?;
            block(coder, models, (slots, fields), wanted, &mut recent)?;
        } else {
            slots.iter_mut().for_each(|slot| slot.looks = looked(slot.looks, false));
        }
    }
    Some(kept)
}

/// Numbers some of which moved.
fn block<C: Coder>(
    coder: &mut C,
    models: &mut Models,
    (slots, fields): (&mut [Slot], &[u32]),
    now: Option<&[i128]>,
    recent: &mut Recent,
) -> Option<()> {
    let mut beside = false;
    for (index, (slot, field)) in slots.iter_mut().zip(fields).enumerate() {
        let step = match now {
            Some(now) => now.get(index)?.checked_sub(slot.value)?,
            None => 0,
        };
        let field = models.field(*field)?;
        beside = field.moved(coder, slot.looks, beside, step != 0)?;
        slot.looks = looked(slot.looks, beside);
        if beside {
            field.step(coder, (slot, &mut *recent), step)?;
        }
    }
    Some(())
}

/// `None` within: the same one.
fn layout<C: Coder>(
    coder: &mut C,
    models: &mut Models,
    (kind, before): (Kind, &Layout),
    now: Option<&[u8]>,
) -> Option<Option<Arc<Layout>>> {
    let found = now.filter(|now| **now != before.template[..]);
    let found = found.map(|now| models.find(kind, now));
    let operation = match found {
        None => SAME,
        Some(Some(_)) => KNOWN,
        Some(None) => SPLICE,
    };
    let place = found.flatten().unwrap_or(0);
    let [first, second, ..] = models.operations.get_mut(kind as usize)?;
    if !coder.bit(first, operation != SAME)? {
        return Some(None);
    }
    if coder.bit(second, operation == KNOWN)? {
        let place = number(coder, &mut models.lengths[0], place)?;
        return models.known(place).map(Some);
    }
    let template = splice(coder, models, &before.template, now.unwrap_or_default())?;
    // Two that read differently have each their own; damage may come to what is known.
    match models.find(kind, &template) {
        Some(place) => models.known(place).map(Some),
        None => Some(Some(models.learn(kind, template))),
    }
}

fn splice<C: Coder>(
    coder: &mut C,
    models: &mut Models,
    before: &[u8],
    now: &[u8],
) -> Option<Vec<u8>> {
    let prefix = common(before.iter(), now.iter(), usize::MAX);
    let most = before.len().min(now.len()) - prefix;
    let suffix = common(before.iter().rev(), now.iter().rev(), most);
    let middle = &now[prefix..now.len() - suffix];
    let [_, lengths @ ..] = &mut models.lengths;
    let prefix = number(coder, &mut lengths[0], prefix)?;
    let suffix = number(coder, &mut lengths[1], suffix)?;
    let length = number(coder, &mut lengths[2], middle.len())?;
    let cut = before.len().checked_sub(suffix).filter(|cut| *cut >= prefix)?;
    let middle = coder.text(middle, length)?;
    let length = prefix.checked_add(middle.len())?.checked_add(suffix)?;
    (length <= MOST_TEMPLATE).then(|| [&before[..prefix], &middle, &before[cut..]].concat())
}

/// One that belongs to no document.
pub(super) fn number<C: Coder>(coder: &mut C, field: &mut Field, value: usize) -> Option<usize> {
    let mut slot = Slot::default();
    // Other documents' steps have nothing to do with it.
    let mut recent = Recent::default();
    field.step(coder, (&mut slot, &mut recent), value as i128)?;
    usize::try_from(slot.value).ok()
}

#[cfg(test)]
mod tests;
