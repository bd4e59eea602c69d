//! Frames of the format's first version, which are read and not written any more: what moved of
//! each document in three streams of whole bytes. An operation is 0 and a length (a whole
//! document), 1, prefix, suffix and length (another middle of the template) followed by one of
//! the rest, 2 for changes of the numbers that changed last time, or 3 + the number of changes,
//! each with how many before it stay.

use serde::de::DeserializeOwned;

use super::Moment;
use super::change::{MOST_NUMBERS, MOST_TEMPLATE};
use super::document::{Document, places};
use super::varint::Cursor;
use memtrace_core::reactor::Reaction;
use memtrace_core::sample::{Sample, VmSample};
use memtrace_core::units::WallNanos;

const WHOLE: usize = 0;
const SPLICE: usize = 1;
const SAME: usize = 2;
const CHANGES: usize = 3;

/// What is read.
#[derive(Clone, Copy, Debug, Default)]
struct Cursors<'a> {
    operations: Cursor<'a>,
    numbers: Cursor<'a>,
    text: Cursor<'a>,
}

/// How much more may be kept. `None` once that is too much.
#[derive(Debug)]
struct Room {
    template: usize,
    numbers: usize,
}

impl Room {
    fn take(&mut self, document: &Document) -> Option<()> {
        self.template = self.template.checked_sub(document.template.len())?;
        self.numbers = self.numbers.checked_sub(document.numbers.len())?;
        Some(())
    }
}

#[derive(Clone, Debug, Default)]
struct Kept {
    document: Document,
    /// Which of its numbers moved when some last did.
    moved: Vec<usize>,
}

/// The sample before, as far as later ones refer to it.
#[derive(Debug, Default)]
struct Before {
    /// Everything but the VMs.
    root: Option<Kept>,
    reaction: Option<Kept>,
    vms: Vec<Kept>,
}

/// Reads frames one after the other, each moment when it is asked for.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    before: Before,
}

/// What is left of a frame.
#[derive(Clone, Debug, Default)]
pub(super) struct Payload {
    bytes: Vec<u8>,
    /// How far each stream is read.
    at: [usize; 3],
    end: [usize; 2],
    pub(super) left: usize,
}

impl Payload {
    /// `None`: it is none.
    pub(super) fn new(bytes: Vec<u8>) -> Option<Self> {
        let mut cursor = Cursor(&bytes);
        let (left, operations, numbers) = (cursor.length()?, cursor.length()?, cursor.length()?);
        let start = bytes.len() - cursor.0.len();
        let first = start.checked_add(operations)?;
        let second = first.checked_add(numbers).filter(|second| *second <= bytes.len())?;
        Some(Self { bytes, at: [start, first, second], end: [first, second], left })
    }

    fn cursors(&self) -> Option<Cursors<'_>> {
        let [operations, numbers, text] = self.at;
        Some(Cursors {
            operations: Cursor(self.bytes.get(operations..self.end[0])?),
            numbers: Cursor(self.bytes.get(numbers..self.end[1])?),
            text: Cursor(self.bytes.get(text..)?),
        })
    }
}

impl Decoder {
    /// As [`super::batch::Decoder::next_if`].
    pub(super) fn next_if(
        &mut self,
        payload: &mut Payload,
        wanted: impl Fn(WallNanos) -> bool,
    ) -> Option<Option<Moment>> {
        let mut cursors = payload.cursors()?;
        let (after, decided) = follow(&mut cursors, std::mem::take(&mut self.before))?;
        let rest = [cursors.operations, cursors.numbers, cursors.text].map(|rest| rest.0.len());
        let ends = [payload.end[0], payload.end[1], payload.bytes.len()];
        payload.at = [0, 1, 2].map(|index: usize| ends[index] - rest[index]);
        payload.left = payload.left.checked_sub(1)?;
        let sample: Sample = value(after.root.as_ref()?)?;
        let moment = match wanted(sample.wall) {
            true => Some(moment(sample, &after, decided)?),
            false => None,
        };
        self.before = after;
        Some(moment)
    }
}

/// What comes after `before`, and whether something decided in it.
fn follow(from: &mut Cursors<'_>, before: Before) -> Option<(Before, bool)> {
    let mut room = Room { template: MOST_TEMPLATE, numbers: MOST_NUMBERS };
    let root = read(from, before.root, &mut room)?;
    let mut old: Vec<Option<Kept>> = before.vms.into_iter().map(Some).collect();
    let origins = match from.operations.length()? {
        0 => (0..old.len()).map(Some).collect(),
        _ => listed(from)?,
    };
    let mut vms = Vec::new();
    for origin in origins {
        // A VM is taken once, so that a few bytes don't become many.
        let before = match origin {
            Some(index) => Some(old.get_mut(index)?.take()?),
            None => None,
        };
        vms.push(read(from, before, &mut room)?);
    }
    let decided = from.operations.length()? != 0;
    let mut reaction = before.reaction;
    if decided {
        reaction = Some(read(from, reaction, &mut room)?);
    }
    Some((Before { root: Some(root), reaction, vms }, decided))
}

fn listed(from: &mut Cursors<'_>) -> Option<Vec<Option<usize>>> {
    let count = from.operations.length()?;
    // Each takes a byte at least.
    let mut origins = Vec::with_capacity(count.min(from.operations.0.len()));
    for _ in 0..count {
        origins.push(from.operations.length()?.checked_sub(1));
    }
    Some(origins)
}

fn moment(sample: Sample, now: &Before, decided: bool) -> Option<Moment> {
    let vms = now.vms.iter().map(value::<VmSample>).collect::<Option<Vec<_>>>()?;
    let reaction: Option<Reaction> = match &now.reaction {
        Some(reaction) if decided => Some(value(reaction)?),
        _ => None,
    };
    Some(Moment { sample: Sample { vms, ..sample }, reaction })
}

fn value<T: DeserializeOwned>(kept: &Kept) -> Option<T> {
    serde_json::from_slice(&kept.document.json()).ok()
}

/// The document after the next operations. `None`: they are no such thing, or it would
/// take more than there is `room` for.
fn read(from: &mut Cursors<'_>, before: Option<Kept>, room: &mut Room) -> Option<Kept> {
    let kept = match from.operations.length()? {
        WHOLE => whole(from)?,
        SPLICE => {
            let mut spliced = splice(from, before?)?;
            let operation = from.operations.length()?;
            apply(from, &mut spliced, operation)?;
            spliced
        }
        operation => {
            let mut kept = before?;
            apply(from, &mut kept, operation)?;
            kept
        }
    };
    room.take(&kept.document)?;
    Some(kept)
}

fn whole(from: &mut Cursors<'_>) -> Option<Kept> {
    let length = from.operations.length()?;
    let template = from.text.take(length)?.to_vec();
    let numbers = read_numbers(from, places(&template))?;
    Some(Kept { document: Document { template, numbers }, moved: Vec::new() })
}

fn read_numbers(from: &mut Cursors<'_>, count: usize) -> Option<Vec<i128>> {
    let mut last = 0;
    (0..count).map(|_| from.numbers.signed(&mut last)).collect()
}

fn splice(from: &mut Cursors<'_>, before: Kept) -> Option<Kept> {
    let Kept { document: before, moved } = before;
    let mut length = || from.operations.length();
    let (prefix, suffix, middle) = (length()?, length()?, length()?);
    let cut = before.template.len().checked_sub(suffix).filter(|cut| *cut >= prefix)?;
    let (head, tail) = (&before.template[..prefix], &before.template[cut..]);
    let middle = from.text.take(middle)?;
    let kept = places(head);
    let mut numbers = before.numbers.get(..kept)?.to_vec();
    numbers.extend(read_numbers(from, places(middle))?);
    let after = before.numbers.len().checked_sub(places(tail))?;
    numbers.extend_from_slice(before.numbers.get(after..)?);
    let template = [head, middle, tail].concat();
    Some(Kept { document: Document { template, numbers }, moved })
}

fn apply(from: &mut Cursors<'_>, kept: &mut Kept, operation: usize) -> Option<()> {
    if let Some(count) = operation.checked_sub(CHANGES).filter(|count| *count > 0) {
        kept.moved = moved(from, count)?;
    } else if operation != SAME {
        return (operation == CHANGES).then_some(());
    }
    let mut last = 0;
    for index in &kept.moved {
        let number = kept.document.numbers.get_mut(*index)?;
        *number = number.checked_add(from.numbers.signed(&mut last)?)?;
    }
    Some(())
}

fn moved(from: &mut Cursors<'_>, count: usize) -> Option<Vec<usize>> {
    let mut moved = Vec::with_capacity(count.min(from.operations.0.len()));
    let mut next = 0_usize;
    for _ in 0..count {
        let index = next.checked_add(from.operations.length()?)?;
        moved.push(index);
        next = index.checked_add(1)?;
    }
    Some(moved)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_panics(
            operations in prop::collection::vec(0_u8..12, 0..30),
            numbers in prop::collection::vec(any::<u8>(), 0..30),
            text in prop::collection::vec(0_u8..4, 0..30),
        ) {
            let before = Document::of_json(b"[1,2,[3],4.5]");
            let mut cursors = Cursors {
                operations: Cursor(&operations),
                numbers: Cursor(&numbers),
                text: Cursor(&text),
            };
            let room = || Room { template: MOST_TEMPLATE, numbers: MOST_NUMBERS };
            let mut kept = Some(Kept { document: before, moved: Vec::new() });
            while let Some(next) = read(&mut cursors, kept.clone(), &mut room()) {
                prop_assert_eq!(places(&next.document.template), next.document.numbers.len());
                kept = Some(next);
            }
        }

        #[test]
        fn no_frame_panics(bytes in prop::collection::vec(0_u8..20, 0..80)) {
            let Some(mut payload) = Payload::new(bytes) else { return Ok(()) };
            let mut decoder = Decoder::default();
            while payload.left > 0 && decoder.next_if(&mut payload, |_| true).is_some() {}
        }
    }
}
