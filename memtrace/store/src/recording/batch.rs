//! The samples of one frame, as changes against those before them: encoder and decoder.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Moment;
use super::change::{Kept, Room};
use super::document::Document;
use super::layout::{Kind, Models};
use super::list::{Origin, list, one, origins, taken};
use super::range::{Coder, Packer, Unpacker};
use super::varint::{Cursor, write_length};
use memtrace_core::policy::decision::Thought;
use memtrace_core::reactor::{Entry, Reaction};
use memtrace_core::sample::{HistogramsSample, Sample, VmId, VmSample};
use memtrace_core::units::WallNanos;

/// What the moment before left, as far as later ones refer to it.
#[derive(Debug, Default)]
struct Before {
    models: Models,
    /// A sample without its VMs.
    sample: Kept,
    vms: Vec<Kept>,
    /// Of each VM.
    histograms: Vec<Kept>,
    /// Without the next two.
    reaction: Kept,
    thoughts: Vec<Kept>,
    entries: Vec<Kept>,
}

/// A moment to write, in documents.
struct Written {
    sample: Document,
    vms: Vec<(Origin, Document)>,
    /// `None`: as they were.
    histograms: Vec<Option<Document>>,
    reaction: Option<(Document, List, List)>,
}

type List = Vec<(Origin, Document)>;

#[derive(Debug, Default)]
pub(super) struct Encoder {
    before: Before,
    packer: Packer,
    vms: Vec<(VmId, Option<HistogramsSample>)>,
    thoughts: Vec<Option<VmId>>,
    entries: Vec<u64>,
    count: usize,
}

fn document(value: &impl Serialize) -> serde_json::Result<Document> {
    Ok(Document::of_json(&serde_json::to_vec(value)?))
}

fn listed<T: Serialize>(origins: Vec<Origin>, values: &[T]) -> serde_json::Result<List> {
    let documents = values.iter().map(document).collect::<Result<Vec<_>, _>>()?;
    Ok(origins.into_iter().zip(documents).collect())
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
        let mut vms = std::mem::take(&mut sample.vms);
        let now: Vec<(VmId, Option<HistogramsSample>)> =
            vms.iter_mut().map(|vm| (vm.id, vm.histograms.take())).collect();
        let ids = |vms: &[(VmId, _)]| vms.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        let origins = origins(&ids(&self.vms), &ids(&now));
        let mut histograms = Vec::with_capacity(now.len());
        for (origin, (_, histogram)) in origins.iter().zip(&now) {
            let before = origin.and_then(|place| self.vms.get(place));
            // Most numbers are in them, and seldom any of them moves.
            let still = before.is_some_and(|(_, before)| before == histogram);
            histograms.push(if still { None } else { Some(document(histogram)?) });
        }
        let reaction = reaction.map(|reaction| self.decided(reaction)).transpose()?;
        let written = Written {
            sample: document(&sample)?,
            vms: listed(origins, &vms)?,
            histograms,
            reaction,
        };
        self.vms = now;
        let coded = self.before.step(&mut self.packer, Some(&written));
        coded.ok_or_else(|| serde::ser::Error::custom("more than a recording holds"))?;
        self.count += 1;
        Ok(())
    }

    fn decided(&mut self, mut reaction: Reaction) -> serde_json::Result<(Document, List, List)> {
        let thoughts = std::mem::take(&mut reaction.decisions.thoughts);
        let entries = std::mem::take(&mut reaction.entries);
        let of: Vec<Option<VmId>> = thoughts.iter().map(|thought| thought.vm).collect();
        let numbers: Vec<u64> = entries.iter().map(|entry| entry.number).collect();
        let decided = (
            document(&reaction)?,
            listed(origins(&self.thoughts, &of), &thoughts)?,
            listed(origins(&self.entries, &numbers), &entries)?,
        );
        (self.thoughts, self.entries) = (of, numbers);
        Ok(decided)
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Of what a frame would have now, in bytes.
    pub(super) fn length(&self) -> usize {
        self.packer.length()
    }

    /// What a frame has to hold; the next one refers to it.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let (coded, text) = std::mem::take(&mut self.packer).finish();
        let mut payload = Vec::new();
        for length in [std::mem::take(&mut self.count), coded.len()] {
            write_length(&mut payload, length);
        }
        [payload, coded, text].concat()
    }
}

impl Before {
    /// One moment further, on either side. Gives whether something decided in it.
    fn step<C: Coder>(&mut self, coder: &mut C, now: Option<&Written>) -> Option<bool> {
        let mut room = Room::default();
        let models = &mut self.models;
        let sample = now.map(|now| &now.sample);
        one(coder, models, (Kind::Sample, &mut self.sample), sample, &mut room)?;
        let origins =
            list(coder, models, (Kind::Vm, &mut self.vms), now.map(|now| &now.vms[..]), &mut room)?;
        let mut before: Vec<Option<Kept>> =
            std::mem::take(&mut self.histograms).into_iter().map(Some).collect();
        for (index, origin) in origins.into_iter().enumerate() {
            let mut kept = taken(&mut before, origin, &self.histograms)?;
            let document = now.and_then(|now| now.histograms.get(index)?.as_ref());
            let still = &mut models.still[usize::from(origin.is_some())];
            if coder.bit(still, document.is_some())? {
                one(coder, models, (Kind::Histograms, &mut kept), document, &mut room)?;
            }
            self.histograms.push(kept);
        }
        let reaction = now.and_then(|now| now.reaction.as_ref());
        if !coder.bit(&mut models.decided, reaction.is_some())? {
            return Some(false);
        }
        let document = reaction.map(|(document, ..)| document);
        one(coder, models, (Kind::Reaction, &mut self.reaction), document, &mut room)?;
        let thoughts = reaction.map(|(_, thoughts, _)| &thoughts[..]);
        list(coder, models, (Kind::Thought, &mut self.thoughts), thoughts, &mut room)?;
        let entries = reaction.map(|(_, _, entries)| &entries[..]);
        list(coder, models, (Kind::Entry, &mut self.entries), entries, &mut room)?;
        Some(true)
    }
}

/// Reads frames one after the other, each moment when it is asked for.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    before: Before,
}

/// What is left of a frame.
#[derive(Clone, Debug, Default)]
pub(super) struct Payload {
    unpacker: Unpacker,
    pub(super) left: usize,
}

impl Payload {
    /// `None`: it is none.
    pub(super) fn new(bytes: Vec<u8>) -> Option<Self> {
        let mut cursor = Cursor(&bytes);
        let (left, coded) = (cursor.length()?, cursor.length()?);
        let at = bytes.len() - cursor.0.len();
        Some(Self { unpacker: Unpacker::new(bytes, at, coded)?, left })
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
        let decided = self.before.step(&mut payload.unpacker, None)?;
        payload.left = payload.left.checked_sub(1)?;
        let sample: Sample = value(&self.before.sample)?;
        match wanted(sample.wall) {
            true => Some(Some(self.before.moment(sample, decided)?)),
            false => Some(None),
        }
    }
}

impl Before {
    fn moment(&self, sample: Sample, decided: bool) -> Option<Moment> {
        let mut vms: Vec<VmSample> = values(&self.vms)?;
        for (vm, histograms) in vms.iter_mut().zip(&self.histograms) {
            vm.histograms = value(histograms)?;
        }
        let reaction = match decided {
            true => Some(self.reaction()?),
            false => None,
        };
        Some(Moment { sample: Sample { vms, ..sample }, reaction })
    }

    fn reaction(&self) -> Option<Reaction> {
        let mut reaction: Reaction = value(&self.reaction)?;
        reaction.decisions.thoughts = values::<Thought>(&self.thoughts)?;
        reaction.entries = values::<Entry>(&self.entries)?;
        Some(reaction)
    }
}

fn value<T: DeserializeOwned>(kept: &Kept) -> Option<T> {
    serde_json::from_slice(&kept.json()).ok()
}

fn values<T: DeserializeOwned>(kept: &[Kept]) -> Option<Vec<T>> {
    kept.iter().map(value).collect()
}
