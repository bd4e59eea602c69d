//! Decodes frames to moments, each when it is asked for.

use serde_json::Value;

use super::Record;
use super::streams::{Form, PLANES, Stream, Unread};
use super::tree::{Kind, Tree};
use memtrace_core::units::WallNanos;

/// Reads frames in their order.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    tree: Tree,
    /// Frames since the last keyframe, itself included.
    frames: u64,
    unread: Unread,
    /// Columns that change in this frame, in order.
    columns: Vec<(u32, Form)>,
    /// Moments of it, and those that were read.
    count: usize,
    read: usize,
}

impl Decoder {
    /// Goes on to a frame of `bytes` and this many moments. `None`: its bytes are damaged, or it
    /// does not follow the frame before.
    pub(super) fn enter(&mut self, bytes: Vec<u8>, moments: usize) -> Option<()> {
        let mut unread = Unread::new(bytes)?;
        let follows = unread.number(Stream::Frame)? == self.frames;
        let count = usize::try_from(unread.number(Stream::Frame)?).ok()?;
        if !follows || count != moments {
            return None;
        }
        while !unread.is_empty(Stream::Lengths) {
            let length = unread.number(Stream::Lengths)?;
            let text = std::str::from_utf8(unread.take(Stream::Text, length)?).ok()?;
            self.tree.add_text(text.into())?;
        }
        let mut next = 0_u32;
        // Reuses the last frame's buffers.
        self.columns.clear();
        while !unread.is_empty(Stream::Columns) {
            let gap = u32::try_from(unread.number(Stream::Columns)?).ok()?;
            let column = next.checked_add(gap)?;
            next = column.checked_add(1)?;
            self.columns.push((column, Form::of_byte(unread.byte(Stream::Forms)?)?));
        }
        self.frames += 1;
        (self.unread, self.count, self.read) = (unread, count, 0);
        Some(())
    }

    /// Moments of the frame that were not read yet.
    pub(super) const fn left(&self) -> usize {
        self.count.saturating_sub(self.read)
    }

    /// The next moment, decoded to a value only if it is wanted at its time, which is most of the
    /// work. `None`: it is damaged, and nothing more can be read before the next keyframe.
    pub(super) fn next_if(&mut self, wanted: impl Fn(WallNanos) -> bool) -> Option<Option<Record>> {
        self.advance()?;
        let wall = self.tree.find(&["sample", "wall"])?;
        if !wanted(WallNanos(wall.bits)) {
            return Some(None);
        }
        serde_json::from_value(self.value()?).ok().map(Some)
    }

    /// The moment that was read last. `None`: there is no such value, or one that is too large.
    pub(super) fn value(&self) -> Option<Value> {
        self.tree.value()
    }

    /// Advances by one moment.
    pub(super) fn advance(&mut self) -> Option<()> {
        for _ in 0..self.unread.number(Stream::Added)? {
            self.add_node()?;
        }
        self.step()?;
        self.read += 1;
        Some(())
    }

    /// Adds a node.
    fn add_node(&mut self) -> Option<()> {
        let unread = &mut self.unread;
        let before = usize::try_from(unread.number(Stream::Parents)?).ok()?;
        let parent = self.tree.nodes.len().checked_sub(before)?;
        let name = unread.number(Stream::Names)?.checked_sub(1);
        let name = name.map(u32::try_from).transpose().ok()?;
        let child = self.tree.add(parent, name)?;
        let node = self.tree.nodes.get_mut(child)?;
        node.kind = Kind::of(unread.byte(Stream::Kinds)?)?;
        node.bits = unread.number(Stream::Bits)?;
        Some(())
    }

    /// Adds this moment's step to each column that changes.
    fn step(&mut self) -> Option<()> {
        let (mut at, mut kind_at) = ([self.read; PLANES], self.read);
        let mut planes = [&[][..]; PLANES];
        for (place, plane) in planes.iter_mut().enumerate() {
            *plane = self.unread.plane(place)?;
        }
        let kinds = self.unread.rest(Stream::ColumnKinds)?;
        for (column, form) in &self.columns {
            let mut bytes = [0; PLANES];
            for place in 0..form.width() {
                bytes[place] = *planes[place].get(at[place])?;
                at[place] += self.count;
            }
            let kind = match form.mixed() {
                true => Some(Kind::of(*kinds.get(kind_at)?)?),
                false => None,
            };
            kind_at += if form.mixed() { self.count } else { 0 };
            // Nodes that are added later in this frame do not exist yet.
            if let Some(node) = self.tree.nodes.get_mut(*column as usize) {
                node.bits = node.bits.wrapping_add_signed(form.step(bytes));
                node.kind = kind.unwrap_or(node.kind);
            }
        }
        Some(())
    }
}
