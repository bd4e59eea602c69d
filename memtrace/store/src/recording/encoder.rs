//! Encodes moments to a frame: new texts and nodes, and for each column that changes a step for
//! each moment in which it does.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

use serde_json::{Number, Value};

use super::Record;
use super::streams::{Form, Stream, Streams};
use super::tree::{MOST_NODES, MOST_TEXT, NodeKind, Tree};

/// Keys that identify an element of a list, so that adding or removing one does not move the
/// others. The first key that all elements have, with different values, is used.
const KEYS: [&str; 4] = ["id", "number", "tid", "vm"];

/// What a change takes in a frame, estimated, in bytes.
const CHANGE: usize = 4;

/// A node's value in one moment of the frame.
#[derive(Clone, Copy, Debug)]
struct ColumnStep {
    column: u32,
    moment: u32,
    step: i64,
    before: NodeKind,
    after: NodeKind,
}

#[derive(Debug, Default)]
pub(super) struct Encoder {
    tree: Tree,
    indices: HashMap<Arc<str>, u32>,
    /// Nodes from this one on were added in this moment.
    first_new: usize,
    /// Moments since the last keyframe.
    moment: u32,
    /// Frames since the last keyframe.
    frame: u64,
    streams: Streams,
    /// All that changed since the keyframe, in the order of [`Tree::order`].
    columns: Vec<u32>,
    changes: Vec<ColumnStep>,
    /// Moments in this frame.
    count: u32,
}

impl Encoder {
    /// # Errors
    /// When it exceeds what a recording holds. This encoder is unusable then.
    pub(super) fn push(&mut self, moment: Record) -> io::Result<()> {
        let Record { mut sample, reaction } = moment;
        // VMs have no order that matters, and the kernel's changes.
        if let Some(flows) = &mut sample.flows {
            flows.sort_by_key(|flow| (flow.causer, flow.victim));
        }
        let added = self.add(&serde_json::to_value(Record { sample, reaction })?);
        added.ok_or_else(|| io::Error::other("a moment of more than a recording holds"))
    }

    /// A moment as a value. `None`: it is too large.
    pub(super) fn add(&mut self, value: &Value) -> Option<()> {
        self.moment += 1;
        self.first_new = self.tree.nodes.len();
        self.visit(0, value)?;
        let new = self.tree.nodes.get(self.first_new..).unwrap_or_default();
        self.streams.number(Stream::Added, new.len() as u64);
        for node in new {
            self.streams.number(Stream::Names, node.name.map_or(0, |name| u64::from(name) + 1));
            self.streams.bytes(Stream::Kinds).push(node.kind as u8);
            self.streams.number(Stream::Bits, node.bits);
        }
        self.count += 1;
        Some(())
    }

    /// Moments in this frame.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Estimated size of the frame, in bytes.
    pub(super) fn length(&self) -> usize {
        self.streams.length() + self.columns.len() + self.changes.len() * CHANGE
    }

    /// A keyframe is due: stale nodes and texts take too much room.
    pub(super) fn is_large(&self) -> bool {
        self.tree.nodes.len() > MOST_NODES / 2 || self.tree.size > MOST_TEXT / 2
    }

    /// The frame's content; the next frame refers to it.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let mut streams = std::mem::take(&mut self.streams);
        let mut changes = std::mem::take(&mut self.changes);
        let count = std::mem::take(&mut self.count) as usize;
        streams.number(Stream::Frame, self.frame);
        streams.number(Stream::Frame, count as u64);
        self.frame += 1;
        changes.sort_unstable_by_key(|change| (change.column, change.moment));
        let moved = self.list(&changes, &mut streams);
        streams.bytes(Stream::Moved).resize(moved.len() * count.div_ceil(8), 0);
        let mut left = moved.iter().enumerate().peekable();
        for column in &self.columns {
            match left.next_if(|(_, changes)| changes[0].column == *column) {
                Some((place, changes)) => {
                    put(changes, count, &mut streams);
                    for change in changes.iter().filter(|change| change.step != 0) {
                        let moment = change.moment as usize;
                        streams.bytes(Stream::Moved)[moment / 8 * moved.len() + place] |=
                            1 << (moment % 8);
                    }
                }
                None => streams.bytes(Stream::Forms).push(0),
            }
        }
        self.columns.sort_unstable_by_key(|column| self.tree.order(*column));
        streams.join()
    }

    /// Adds the columns that are new to those that are known. Returns the changes of each column
    /// that has any, in the order of all columns.
    fn list<'a>(
        &mut self,
        changes: &'a [ColumnStep],
        streams: &mut Streams,
    ) -> Vec<&'a [ColumnStep]> {
        let order = |column: u32| self.tree.order(column);
        let is_known = |changes: &&[ColumnStep]| {
            let own = order(changes[0].column);
            self.columns.binary_search_by_key(&own, |column| order(*column)).is_ok()
        };
        let columns = changes.chunk_by(|one, other| one.column == other.column);
        let (mut moved, new): (Vec<_>, Vec<_>) = columns.partition(is_known);
        moved.sort_unstable_by_key(|changes| order(changes[0].column));
        let mut next = 0;
        for changes in &new {
            let column = changes[0].column;
            streams.number(Stream::Columns, u64::from(column - next));
            next = column + 1;
            self.columns.push(column);
        }
        moved.extend(new);
        moved
    }

    fn visit(&mut self, node: usize, value: &Value) -> Option<()> {
        match value {
            Value::Null => self.set(node, NodeKind::Null, None),
            Value::Bool(value) => self.set(node, NodeKind::Bool, Some((*value).into())),
            Value::Number(value) => {
                let (kind, bits) = number(value)?;
                self.set(node, kind, Some(bits));
            }
            Value::String(text) => {
                let index = self.index(text)?;
                self.set(node, NodeKind::Text, Some(index.into()));
            }
            Value::Array(elements) => self.array(node, elements)?,
            Value::Object(object) => {
                self.set(node, NodeKind::Object, None);
                let mut child = 0;
                for (key, value) in object {
                    child = self.named(node, child, key)?;
                    self.visit(child, value)?;
                }
                let mut next = self.tree.after(node, 0, false);
                while let Some(child) = next {
                    if self.tree.nodes[child].seen != self.moment {
                        self.set(child, NodeKind::Missing, None);
                    }
                    next = self.tree.after(node, child, false);
                }
            }
        }
        Some(())
    }

    fn array(&mut self, node: usize, elements: &[Value]) -> Option<()> {
        let numbers: Option<Vec<u64>> = elements.iter().map(Value::as_u64).collect();
        if let Some(numbers) = numbers.filter(|numbers| !numbers.is_empty()) {
            return self.numbers(node, numbers);
        }
        let keys = keys(elements);
        let kind = if keys.is_some() { NodeKind::Keyed } else { NodeKind::Array };
        self.set(node, kind, Some(elements.len() as u64));
        let (mut place, mut child) = (0, 0);
        for (index, value) in elements.iter().enumerate() {
            place = match self.tree.after(node, place, true) {
                Some(place) => place,
                None => self.add_node(node, None)?,
            };
            match keys.as_ref().and_then(|keys| keys.get(index)) {
                Some(key) => {
                    child = self.named(node, child, key)?;
                    let name = self.tree.nodes.get(child)?.name?;
                    self.set(place, NodeKind::Text, Some(name.into()));
                    self.visit(child, value)?;
                }
                None => self.visit(place, value)?,
            }
        }
        Some(())
    }

    fn numbers(&mut self, node: usize, mut numbers: Vec<u64>) -> Option<()> {
        self.set(node, NodeKind::Numbers, Some(numbers.len() as u64));
        let mut next = self.tree.after(node, 0, false);
        while let Some(child) = next {
            if let Some(number) = self.tree.place(child).and_then(|place| numbers.get_mut(place)) {
                self.set(child, NodeKind::Whole, Some(std::mem::take(number)));
            }
            next = self.tree.after(node, child, false);
        }
        for (place, number) in numbers.into_iter().enumerate().filter(|(_, number)| *number != 0) {
            let name = self.index(&place.to_string())?;
            let child = self.add_node(node, Some(name))?;
            self.set(child, NodeKind::Whole, Some(number));
        }
        Some(())
    }

    /// The child of that name; the one after `before` is tried first.
    fn named(&mut self, parent: usize, before: usize, name: &str) -> Option<usize> {
        let likely = self.tree.after(parent, before, false);
        if let Some(child) = likely.filter(|child| self.tree.name(*child) == Some(name)) {
            return Some(child);
        }
        let name = Some(self.index(name)?);
        let found =
            self.tree.children(parent, false).find(|child| self.tree.nodes[*child].name == name);
        found.or_else(|| self.add_node(parent, name))
    }

    /// A new node.
    fn add_node(&mut self, parent: usize, name: Option<u32>) -> Option<usize> {
        let child = self.tree.add(parent, name)?;
        self.streams.number(Stream::Parents, (child - parent) as u64);
        Some(child)
    }

    fn index(&mut self, text: &str) -> Option<u32> {
        if let Some(index) = self.indices.get(text) {
            return Some(*index);
        }
        let text: Arc<str> = text.into();
        let index = self.tree.add_text(Arc::clone(&text))?;
        self.streams.number(Stream::Lengths, text.len() as u64);
        self.streams.bytes(Stream::Text).extend_from_slice(text.as_bytes());
        self.indices.insert(text, index);
        Some(index)
    }

    /// `bits`: unchanged if this kind has none.
    fn set(&mut self, index: usize, kind: NodeKind, bits: Option<u64>) {
        let node = &mut self.tree.nodes[index];
        let bits = bits.unwrap_or(node.bits);
        node.seen = self.moment;
        if index < self.first_new && (node.kind, node.bits) != (kind, bits) {
            self.changes.push(ColumnStep {
                column: index as u32,
                moment: self.count,
                step: bits.wrapping_sub(node.bits).cast_signed(),
                before: node.kind,
                after: kind,
            });
        }
        (node.kind, node.bits) = (kind, bits);
    }
}

/// Writes how a column changes, but not in which moments. `count`: moments of the frame.
fn put(changes: &[ColumnStep], count: usize, streams: &mut Streams) {
    let mixed = changes.iter().any(|change| change.before != change.after);
    let form = Form::of(changes.iter().map(|change| change.step), mixed);
    streams.bytes(Stream::Forms).push(form.byte());
    for step in changes.iter().map(|change| change.step).filter(|step| *step != 0) {
        let bytes = form.bytes(step);
        let planes = streams.planes().iter_mut().zip(bytes).take(form.width());
        planes.for_each(|(plane, byte)| plane.push(byte));
    }
    if mixed {
        let mut kinds = vec![changes[0].before as u8; count];
        for change in changes {
            kinds[change.moment as usize..].fill(change.after as u8);
        }
        streams.bytes(Stream::ColumnKinds).append(&mut kinds);
    }
}

fn number(value: &Number) -> Option<(NodeKind, u64)> {
    if let Some(value) = value.as_u64() {
        return Some((NodeKind::Whole, value));
    }
    if let Some(value) = value.as_i64() {
        return Some((NodeKind::Negative, value.cast_unsigned()));
    }
    let value = value.as_f64()?;
    let hundredths = (value * 100.0).round() as i64;
    // This distinguishes 0.0 and -0.0 as well.
    let is_exact = (hundredths as f64 / 100.0).to_bits() == value.to_bits();
    Some(match is_exact {
        true => (NodeKind::Hundredths, hundredths.cast_unsigned()),
        false => (NodeKind::Float, value.to_bits()),
    })
}

/// The key of each element. `None`: an element has none, or two are the same.
fn keys(elements: &[Value]) -> Option<Vec<String>> {
    elements.first()?;
    let have = |key: &&str| elements.iter().all(|element| element.get(key).is_some());
    let key = KEYS.into_iter().find(have)?;
    let keys: Vec<String> = elements.iter().map(|element| element[key].to_string()).collect();
    let is_own = keys.iter().collect::<BTreeSet<_>>().len() == keys.len();
    is_own.then_some(keys)
}
