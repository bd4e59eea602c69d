//! The values of a moment as a tree: each path of the JSON is a node, whose values over time are
//! a column. Nodes are added when a path first occurs, and stay until the next keyframe.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

/// Limit on the nodes of a tree. A host with 4,096 VMs without pressure has a tenth of it.
pub(super) const MOST_NODES: usize = 4 << 20;
/// Limit on the values of a moment. 4,096 VMs have two thirds of it, nearly all in histograms.
const MOST_VALUES: usize = 8 << 20;
/// Limit on all texts of a tree, in bytes.
pub(super) const MOST_TEXT: usize = 64 << 20;
/// Overhead of a text, in bytes.
const TEXT: usize = 32;
/// Limit on the depth. A moment has about ten levels.
const MOST_DEPTH: u8 = 64;

/// Kind of a value; 64 bits beside it have the value itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum NodeKind {
    /// Its object has no such key.
    Missing,
    Null,
    /// 0 or 1.
    Bool,
    Whole,
    /// Two's complement.
    Negative,
    /// A number with a fraction, in hundredths (two's complement), as PSI's averages are.
    Hundredths,
    /// Any other number with a fraction: its bits.
    Float,
    /// Its index.
    Text,
    /// Its length.
    Array,
    /// An array of whole numbers: its length. Children have their place for a name; those that
    /// aren't there are 0, as most are in a histogram.
    Numbers,
    /// An array of objects with an identifying key: its length. Its elements are the names of
    /// those of its other children that are in it.
    Keyed,
    Object,
}

impl NodeKind {
    const ALL: [Self; 12] = [
        Self::Missing,
        Self::Null,
        Self::Bool,
        Self::Whole,
        Self::Negative,
        Self::Hundredths,
        Self::Float,
        Self::Text,
        Self::Array,
        Self::Numbers,
        Self::Keyed,
        Self::Object,
    ];

    pub(super) fn of(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// Index of its name. `None`: it is an element of an array, in the order of its like.
    pub(super) name: Option<u32>,
    parent: u32,
    /// Indices of nodes. 0: none, as no node leads to the root.
    first: u32,
    last: u32,
    next: u32,
    /// The moment in which it was last written. Unused when reading.
    pub(super) seen: u32,
    depth: u8,
    pub(super) kind: NodeKind,
    /// [`NodeKind::Missing`], `Null` and `Object` leave them as they were.
    pub(super) bits: u64,
}

impl Node {
    const fn new(name: Option<u32>, parent: u32, depth: u8) -> Self {
        Self {
            name,
            parent,
            first: 0,
            last: 0,
            next: 0,
            seen: 0,
            depth,
            kind: NodeKind::Missing,
            bits: 0,
        }
    }
}

/// Node 0 is the root.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) texts: Vec<Arc<str>>,
    /// What all texts take, in bytes.
    pub(super) size: usize,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![Node::new(None, 0, 0)], texts: Vec::new(), size: 0 }
    }
}

impl Tree {
    /// The index of another text. `None`: there are too many.
    pub(super) fn add_text(&mut self, text: Arc<str>) -> Option<u32> {
        self.size = self.size.checked_add(text.len() + TEXT).filter(|size| *size <= MOST_TEXT)?;
        self.texts.push(text);
        u32::try_from(self.texts.len() - 1).ok()
    }

    /// The index of a new child, the last one. `None`: there are too many nodes or levels, or
    /// no such parent or name.
    pub(super) fn add(&mut self, parent: usize, name: Option<u32>) -> Option<usize> {
        let (index, depth) = (self.nodes.len(), self.nodes.get(parent)?.depth);
        let is_known = name.is_none_or(|name| (name as usize) < self.texts.len());
        if index >= MOST_NODES || depth >= MOST_DEPTH || !is_known {
            return None;
        }
        self.nodes.push(Node::new(name, parent as u32, depth + 1));
        let last = std::mem::replace(&mut self.nodes.get_mut(parent)?.last, index as u32);
        match last {
            0 => self.nodes.get_mut(parent)?.first = index as u32,
            last => self.nodes.get_mut(last as usize)?.next = index as u32,
        }
        Some(index)
    }

    /// The child that follows `before` (0: the first), an element or not.
    pub(super) fn after(&self, parent: usize, before: usize, element: bool) -> Option<usize> {
        let mut next = if before == 0 { self.nodes[parent].first } else { self.nodes[before].next };
        while next != 0 && self.nodes[next as usize].name.is_none() != element {
            next = self.nodes[next as usize].next;
        }
        (next != 0).then_some(next as usize)
    }

    /// All children that are elements, or that are not.
    pub(super) fn children(&self, parent: usize, element: bool) -> impl Iterator<Item = usize> {
        let after = move |before: &usize| self.after(parent, *before, element);
        std::iter::successors(self.after(parent, 0, element), after)
    }

    pub(super) fn name(&self, node: usize) -> Option<&str> {
        self.texts.get(self.nodes.get(node)?.name? as usize).map(|text| &**text)
    }

    /// What columns are sorted by: those of the same field of all VMs are adjacent, and in the same
    /// order in each field.
    pub(super) fn order(&self, node: u32) -> (Option<u32>, Option<u32>, u32) {
        let own = self.nodes.get(node as usize);
        let parent = own.and_then(|own| self.nodes.get(own.parent as usize));
        (parent.and_then(|parent| parent.name), own.and_then(|own| own.name), node)
    }

    pub(super) fn find(&self, path: &[&str]) -> Option<Node> {
        let child = |parent: usize, name: &&str| {
            self.children(parent, false).find(|child| self.name(*child) == Some(name))
        };
        self.nodes.get(path.iter().try_fold(0, child)?).copied()
    }

    /// All of it. `None`: there is no such value, or it has too many.
    pub(super) fn value(&self) -> Option<Value> {
        self.at(0, &mut MOST_VALUES.clone())
    }

    /// `room`: how many values there may be.
    fn at(&self, node: usize, room: &mut usize) -> Option<Value> {
        *room = room.checked_sub(1)?;
        let Node { kind, bits, .. } = *self.nodes.get(node)?;
        let value = match kind {
            NodeKind::Missing => return None,
            NodeKind::Null => Value::Null,
            NodeKind::Bool => (bits != 0).into(),
            NodeKind::Whole => bits.into(),
            NodeKind::Negative => bits.cast_signed().into(),
            NodeKind::Hundredths => (bits.cast_signed() as f64 / 100.0).into(),
            NodeKind::Float => f64::from_bits(bits).into(),
            NodeKind::Text => self.texts.get(usize::try_from(bits).ok()?)?.as_ref().into(),
            NodeKind::Array => {
                let elements = self.children(node, true).take(usize::try_from(bits).ok()?);
                elements.map(|child| self.at(child, room)).collect::<Option<Vec<_>>>()?.into()
            }
            NodeKind::Numbers => self.numbers(node, bits, room)?,
            NodeKind::Keyed => self.keyed(node, bits, room)?,
            NodeKind::Object => {
                let mut object = Map::new();
                for child in self.children(node, false) {
                    if self.nodes[child].kind != NodeKind::Missing {
                        object.insert(self.name(child)?.to_owned(), self.at(child, room)?);
                    }
                }
                Value::Object(object)
            }
        };
        Some(value)
    }

    fn numbers(&self, node: usize, length: u64, room: &mut usize) -> Option<Value> {
        let length = usize::try_from(length).ok()?;
        *room = room.checked_sub(length)?;
        let mut numbers = vec![Value::from(0); length];
        for child in self.children(node, false) {
            // It may have been longer, or an object.
            if let Some(number) = self.place(child).and_then(|place| numbers.get_mut(place)) {
                *number = self.nodes[child].bits.into();
            }
        }
        Some(Value::Array(numbers))
    }

    /// In an array of numbers, if that is its name.
    pub(super) fn place(&self, node: usize) -> Option<usize> {
        let name = self.name(node)?;
        // No other name may lead to the same index.
        name.parse().ok().filter(|place: &usize| place.to_string() == name)
    }

    fn keyed(&self, node: usize, length: u64, room: &mut usize) -> Option<Value> {
        let children = self.children(node, false);
        let named: HashMap<u64, usize> =
            children.filter_map(|child| Some((self.nodes[child].name?.into(), child))).collect();
        let element = |place: usize| self.at(*named.get(&self.nodes[place].bits)?, room);
        let places = self.children(node, true).take(usize::try_from(length).ok()?);
        places.map(element).collect::<Option<Vec<_>>>().map(Value::Array)
    }
}
