//! What became of a document since the sample before, and back again. Three streams, as
//! like compresses best beside like.
//!
//! An operation is 0 and a length (a whole document), 1, prefix, suffix and length (another
//! middle of the template) followed by one of the rest, 2 for changes of the numbers that
//! changed last time, or 3 + the number of changes, each with how many before it stay.

use super::document::{Document, places};
use super::varint::{Cursor, write_length, write_signed};

const WHOLE: usize = 0;
const SPLICE: usize = 1;
const SAME: usize = 2;
const CHANGES: usize = 3;

/// Most that is kept of all documents together, in bytes of their templates. A host with
/// 4,096 VMs has a third of it.
pub(super) const MOST_TEMPLATE: usize = 64 << 20;
/// The same in numbers.
pub(super) const MOST_NUMBERS: usize = 8 << 20;

/// What is written.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub(super) operations: Vec<u8>,
    pub(super) numbers: Vec<u8>,
    pub(super) text: Vec<u8>,
}

/// What is read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursors<'a> {
    pub(super) operations: Cursor<'a>,
    pub(super) numbers: Cursor<'a>,
    pub(super) text: Cursor<'a>,
}

/// How much more may be kept. `None` once that is too much.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) template: usize,
    pub(super) numbers: usize,
}

impl Room {
    fn take(&mut self, document: &Document) -> Option<()> {
        self.template = self.template.checked_sub(document.template.len())?;
        self.numbers = self.numbers.checked_sub(document.numbers.len())?;
        Some(())
    }
}

/// Writes `now`, which remembers what of it moved.
pub(super) fn write(out: &mut Streams, before: Option<&Document>, now: &mut Document) {
    let Some(before) = before else {
        write_length(&mut out.operations, WHOLE);
        write_length(&mut out.operations, now.template.len());
        out.text.extend_from_slice(&now.template);
        return write_numbers(out, &now.numbers);
    };
    now.moved.clone_from(&before.moved);
    if before.template == now.template {
        return changes(out, &before.numbers, now);
    }
    let prefix = common(before.template.iter(), now.template.iter(), usize::MAX);
    let most = before.template.len().min(now.template.len()) - prefix;
    let suffix = common(before.template.iter().rev(), now.template.iter().rev(), most);
    let cut = now.template.len() - suffix;
    let middle = &now.template[prefix..cut];
    write_length(&mut out.operations, SPLICE);
    for length in [prefix, suffix, middle.len()] {
        write_length(&mut out.operations, length);
    }
    out.text.extend_from_slice(middle);
    let (head, tail) = (places(&now.template[..prefix]), places(&now.template[cut..]));
    let numbers = &now.numbers[head..now.numbers.len() - tail];
    write_numbers(out, numbers);
    let kept = [&before.numbers[..head], numbers, &before.numbers[before.numbers.len() - tail..]];
    changes(out, &kept.concat(), now);
}

fn write_numbers(out: &mut Streams, numbers: &[i128]) {
    let mut last = 0;
    numbers.iter().for_each(|number| write_signed(&mut out.numbers, *number, &mut last));
}

fn common<'a>(
    before: impl Iterator<Item = &'a u8>,
    now: impl Iterator<Item = &'a u8>,
    most: usize,
) -> usize {
    before.zip(now).take(most).take_while(|(before, now)| before == now).count()
}

fn changes(out: &mut Streams, before: &[i128], now: &mut Document) {
    let pairs = before.iter().zip(&now.numbers).enumerate();
    let moved: Vec<usize> =
        pairs.filter(|(_, (before, now))| before != now).map(|(index, _)| index).collect();
    if !moved.is_empty() && moved == now.moved {
        write_length(&mut out.operations, SAME);
    } else {
        write_length(&mut out.operations, CHANGES + moved.len());
        let mut next = 0;
        for index in &moved {
            write_length(&mut out.operations, index - next);
            next = index + 1;
        }
    }
    let mut last = 0;
    for index in &moved {
        write_signed(&mut out.numbers, now.numbers[*index] - before[*index], &mut last);
    }
    if !moved.is_empty() {
        now.moved = moved;
    }
}

/// The document after the next operations. `None`: they are no such thing, or it would
/// take more than there is `room` for.
pub(super) fn read(
    from: &mut Cursors<'_>,
    before: Option<Document>,
    room: &mut Room,
) -> Option<Document> {
    let document = match from.operations.length()? {
        WHOLE => whole(from)?,
        SPLICE => {
            let mut spliced = splice(from, before?)?;
            let operation = from.operations.length()?;
            apply(from, &mut spliced, operation)?;
            spliced
        }
        operation => {
            let mut document = before?;
            apply(from, &mut document, operation)?;
            document
        }
    };
    room.take(&document)?;
    Some(document)
}

fn whole(from: &mut Cursors<'_>) -> Option<Document> {
    let length = from.operations.length()?;
    let template = from.text.take(length)?.to_vec();
    let numbers = read_numbers(from, places(&template))?;
    Some(Document { template, numbers, moved: Vec::new() })
}

fn read_numbers(from: &mut Cursors<'_>, count: usize) -> Option<Vec<i128>> {
    let mut last = 0;
    (0..count).map(|_| from.numbers.signed(&mut last)).collect()
}

fn splice(from: &mut Cursors<'_>, before: Document) -> Option<Document> {
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
    Some(Document { template, numbers, moved: before.moved })
}

fn apply(from: &mut Cursors<'_>, document: &mut Document, operation: usize) -> Option<()> {
    if let Some(count) = operation.checked_sub(CHANGES).filter(|count| *count > 0) {
        document.moved = moved(from, count)?;
    } else if operation != SAME {
        return (operation == CHANGES).then_some(());
    }
    let mut last = 0;
    for index in &document.moved {
        let number = document.numbers.get_mut(*index)?;
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

    fn room() -> Room {
        Room { template: MOST_TEMPLATE, numbers: MOST_NUMBERS }
    }

    fn again(before: Option<&Document>, now: &mut Document) -> Option<Document> {
        let mut streams = Streams::default();
        write(&mut streams, before, now);
        let mut cursors = Cursors {
            operations: Cursor(&streams.operations),
            numbers: Cursor(&streams.numbers),
            text: Cursor(&streams.text),
        };
        let document = read(&mut cursors, before.cloned(), &mut room());
        assert!(cursors.operations.0.is_empty() && cursors.numbers.0.is_empty());
        assert!(cursors.text.0.is_empty());
        document
    }

    #[test]
    fn a_number_that_moves_costs_two_bytes_and_nothing_else_any() {
        let before = Document::of_json(b"[1,2,3,4,[5]]");
        let mut streams = Streams::default();
        write(&mut streams, Some(&before), &mut Document::of_json(b"[1,2,3,9,[5]]"));
        assert_eq!((streams.operations, streams.numbers.len()), (vec![4, 3], 1));
        assert!(streams.text.is_empty());
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let mut small = Room { template: 4, numbers: 8 };
        let mut streams = Streams::default();
        write(&mut streams, None, &mut Document::of_json(b"[1,2]"));
        let mut cursors = Cursors {
            operations: Cursor(&streams.operations),
            numbers: Cursor(&streams.numbers),
            text: Cursor(&streams.text),
        };
        assert_eq!(read(&mut cursors, None, &mut small), None);
    }

    fn text() -> impl Strategy<Value = String> {
        prop::collection::vec(prop_oneof!["[a-c]{0,3}", "[0-9]{1,3}"], 0..8)
            .prop_map(|parts| format!("[{}]", parts.join(",")))
    }

    proptest! {
        #[test]
        fn any_document_follows_any_other(before in text(), now in text()) {
            let [before, mut now] = [before, now].map(|text| Document::of_json(text.as_bytes()));
            let after = again(Some(&before), &mut now);
            prop_assert_eq!(after.as_ref(), Some(&now));
            let mut later = Document::of_json(&now.json());
            later.numbers.iter_mut().take(2).for_each(|number| *number += 3);
            let after = again(Some(&now), &mut later);
            prop_assert_eq!(after.as_ref(), Some(&later));
            let mut alone = Document { moved: Vec::new(), ..now };
            let after = again(None, &mut alone);
            prop_assert_eq!(after, Some(alone));
        }

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
            let mut document = Some(before);
            while let Some(next) = read(&mut cursors, document.clone(), &mut room()) {
                prop_assert_eq!(places(&next.template), next.numbers.len());
                document = Some(next);
            }
        }
    }
}
