//! Decodes frames to moments, each when it is asked for.

use serde_json::Value;

use super::streams::{Form, PLANES, Stream, Unread};
use super::tree::{MOST_NODES, NodeKind, Tree};
use super::{OLDEST, Record};
use memtrace_core::units::WallNanos;

/// Reads frames in their order.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    tree: Tree,
    /// Frames since the last keyframe, itself included.
    frames: u64,
    unread: Unread,
    /// All columns that changed since the keyframe, and of them those that change in this frame.
    columns: Vec<u32>,
    moving: Vec<Moving>,
    /// The oldest version: each frame lists its own columns, which have a step for each moment.
    dense: bool,
    /// Moments of it, and those that were read.
    count: usize,
    read: usize,
}

/// A column that changes.
#[derive(Clone, Copy, Debug)]
struct Moving {
    column: u32,
    form: Form,
    /// Where its next step is in each plane.
    at: [u32; PLANES],
}

impl Decoder {
    /// For a file of that version.
    pub(super) fn new(version: u32) -> Self {
        Self { dense: version == OLDEST, ..Self::default() }
    }

    /// Goes on to a frame of `bytes` and this many moments. `None`: its bytes are damaged, or it
    /// does not follow the frame before.
    pub(super) fn enter(&mut self, bytes: Vec<u8>, moments: usize) -> Option<()> {
        let mut unread = Unread::new(bytes, self.dense)?;
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
        self.list(&mut unread)?;
        self.frames += 1;
        (self.unread, self.count, self.read) = (unread, count, 0);
        self.place()
    }

    /// Reads which columns change.
    fn list(&mut self, unread: &mut Unread) -> Option<()> {
        if self.dense {
            self.columns.clear();
        }
        self.columns.sort_unstable_by_key(|column| self.tree.order(*column));
        let mut next = 0_u32;
        while !unread.is_empty(Stream::Columns) {
            let gap = u32::try_from(unread.number(Stream::Columns)?).ok()?;
            let column = next.checked_add(gap)?;
            next = column.checked_add(1)?;
            self.columns.push(column);
            if self.columns.len() > MOST_NODES {
                return None;
            }
        }
        // Reuses the last frame's buffer.
        self.moving.clear();
        for column in &self.columns {
            let byte = unread.byte(Stream::Forms)?;
            if byte != 0 {
                let (form, at) = (Form::of_byte(byte)?, [0; PLANES]);
                self.moving.push(Moving { column: *column, form, at });
            }
        }
        Some(())
    }

    /// Finds the first step of each column that changes.
    fn place(&mut self) -> Option<()> {
        let moved = self.unread.rest(Stream::Moved)?;
        let columns = self.moving.len();
        let mut at = [0_u32; PLANES];
        for (place, moving) in self.moving.iter_mut().enumerate() {
            moving.at = at;
            let steps = match self.dense {
                true => u32::try_from(self.count).ok()?,
                false => {
                    moved.iter().skip(place).step_by(columns).map(|byte| byte.count_ones()).sum()
                }
            };
            for at in at.iter_mut().take(moving.form.width()) {
                *at = at.checked_add(steps)?;
            }
        }
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
        node.kind = NodeKind::of(unread.byte(Stream::Kinds)?)?;
        node.bits = unread.number(Stream::Bits)?;
        Some(())
    }

    /// Adds this moment's step to each column that moves.
    fn step(&mut self) -> Option<()> {
        let mut planes = [&[][..]; PLANES];
        for (place, plane) in planes.iter_mut().enumerate() {
            *plane = self.unread.plane(place)?;
        }
        let kinds = self.unread.rest(Stream::ColumnKinds)?;
        let moved = self.unread.rest(Stream::Moved)?;
        let (mut moved_at, mut kind_at) = (self.read / 8 * self.moving.len(), self.read);
        for Moving { column, form, at } in &mut self.moving {
            let moves = self.dense || moved.get(moved_at)? >> (self.read % 8) & 1 == 1;
            moved_at += 1;
            let mut bytes = [0; PLANES];
            for place in 0..if moves { form.width() } else { 0 } {
                bytes[place] = *planes[place].get(at[place] as usize)?;
                at[place] += 1;
            }
            let kind = match form.mixed() {
                true => Some(NodeKind::of(*kinds.get(kind_at)?)?),
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
