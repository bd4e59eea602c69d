//! The samples of one frame, as changes against those before them: encoder and decoder.

use std::collections::HashMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Moment;
use super::change::{self, Cursors, MOST_NUMBERS, MOST_TEMPLATE, Room, Streams};
use super::document::Document;
use super::varint::{Cursor, write_length};
use crate::reactor::Reaction;
use crate::sample::{Sample, VmId, VmSample};
use crate::units::WallNanos;

/// The sample before, as far as later ones refer to it.
#[derive(Debug, Default)]
struct Before {
    /// Everything but the VMs.
    root: Option<Document>,
    reaction: Option<Document>,
    vms: Vec<Document>,
}

#[derive(Debug, Default)]
pub(super) struct Encoder {
    before: Before,
    ids: Vec<VmId>,
    streams: Streams,
    count: usize,
}

fn document(value: &impl Serialize) -> serde_json::Result<Document> {
    Ok(Document::of_json(&serde_json::to_vec(value)?))
}

impl Encoder {
    /// # Errors
    /// None that is known: all of a sample can be written as JSON.
    pub(super) fn push(&mut self, moment: Moment) -> serde_json::Result<()> {
        let Moment { mut sample, reaction } = moment;
        // Their order says nothing, and the kernel's moves.
        if let Some(flows) = &mut sample.flows {
            flows.sort_by_key(|flow| (flow.causer, flow.victim));
        }
        let vms = std::mem::take(&mut sample.vms);
        let mut root = document(&sample)?;
        let mut documents = vms.iter().map(document).collect::<Result<Vec<_>, _>>()?;
        let mut reaction = reaction.as_ref().map(document).transpose()?;
        let out = &mut self.streams;
        change::write(out, self.before.root.as_ref(), &mut root);
        let ids: Vec<VmId> = vms.iter().map(|vm| vm.id).collect();
        let origins = origins(out, &self.ids, &ids);
        for (origin, document) in origins.iter().zip(&mut documents) {
            let before = origin.and_then(|index| self.before.vms.get(index));
            change::write(out, before, document);
        }
        write_length(&mut out.operations, usize::from(reaction.is_some()));
        if let Some(reaction) = &mut reaction {
            change::write(out, self.before.reaction.as_ref(), reaction);
            self.before.reaction = Some(std::mem::take(reaction));
        }
        (self.before.root, self.before.vms, self.ids) = (Some(root), documents, ids);
        self.count += 1;
        Ok(())
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Of what a frame would have now, in bytes.
    pub(super) fn length(&self) -> usize {
        let Streams { operations, numbers, text } = &self.streams;
        operations.len() + numbers.len() + text.len()
    }

    /// What a frame has to hold; the next one refers to it.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let Streams { operations, numbers, text } = std::mem::take(&mut self.streams);
        let mut payload = Vec::new();
        for length in [std::mem::take(&mut self.count), operations.len(), numbers.len()] {
            write_length(&mut payload, length);
        }
        [payload, operations, numbers, text].concat()
    }
}

/// Where each VM was in the sample before; 0 is written where nothing has changed.
fn origins(out: &mut Streams, before: &[VmId], now: &[VmId]) -> Vec<Option<usize>> {
    if before == now {
        write_length(&mut out.operations, 0);
        return (0..now.len()).map(Some).collect();
    }
    write_length(&mut out.operations, 1);
    write_length(&mut out.operations, now.len());
    // Each is taken once, even if an id comes twice.
    let mut places: HashMap<VmId, usize> = before.iter().copied().zip(0..).collect();
    let origins: Vec<_> = now.iter().map(|id| places.remove(id)).collect();
    for origin in &origins {
        write_length(&mut out.operations, origin.map_or(0, |index| index + 1));
    }
    origins
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
    /// The next moment of `payload`, made only if it is wanted at its time: the VMs in it are
    /// most of the work. `None`: it is damaged, and nothing more can be read before a frame that
    /// begins anew.
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
    let root = change::read(from, before.root, &mut room)?;
    let mut old: Vec<Option<Document>> = before.vms.into_iter().map(Some).collect();
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
        vms.push(change::read(from, before, &mut room)?);
    }
    let decided = from.operations.length()? != 0;
    let mut reaction = before.reaction;
    if decided {
        reaction = Some(change::read(from, reaction, &mut room)?);
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

fn value<T: DeserializeOwned>(document: &Document) -> Option<T> {
    serde_json::from_slice(&document.json()).ok()
}
