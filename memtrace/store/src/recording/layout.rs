//! Templates, and what each number in them means: numbers of one meaning, of whatever VM, are
//! foretold by what is known of that meaning.

use std::collections::HashMap;
use std::sync::Arc;

use super::document::is_place;
use super::number::Field;
use super::range::Bit;

/// Numbers that share the word on whether any of them moved.
pub(super) const BLOCK: usize = 16;
/// Most meanings that are told apart. A host with VMs under pressure has some three thousand.
const MOST_FIELDS: usize = 1 << 14;
/// Most templates that are known again, and bytes of them.
const MOST_KNOWN: usize = 1 << 14;
const MOST_KNOWN_BYTES: usize = 16 << 20;
/// Objects and arrays within each other that are told apart.
const DEEPEST: usize = 48;
/// Bytes before a number in a text that tell what it means.
const BEFORE: usize = 14;

/// What a document is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A sample without its VMs.
    Sample,
    Vm,
    Histograms,
    /// What was decided, without the next two.
    Reaction,
    Thought,
    Entry,
}

pub(super) const KINDS: usize = 6;

#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) template: Vec<u8>,
    /// The field of each number, and of each block of them.
    pub(super) fields: Vec<u32>,
    pub(super) blocks: Vec<u32>,
}

/// All that is learnt, the same on both sides.
#[derive(Debug)]
pub(super) struct Models {
    fields: Vec<Field>,
    by_meaning: HashMap<u64, u32>,
    known: Vec<Arc<Layout>>,
    by_template: HashMap<(usize, u64), Vec<u32>>,
    known_bytes: usize,
    /// Which operation, by kind.
    pub(super) operations: [[Bit; 4]; KINDS],
    /// Lists as they were, by kind; and whether the next one of a list is the next one.
    pub(super) same: [Bit; KINDS],
    pub(super) next: [Bit; KINDS],
    pub(super) fresh: [Bit; KINDS],
    /// Histograms as they were, by whether they were before; and whether something decided.
    pub(super) still: [Bit; 2],
    pub(super) decided: Bit,
    /// Of numbers that are no document's.
    pub(super) lengths: [Field; 8],
}

impl Default for Models {
    fn default() -> Self {
        let bit = Bit::default();
        Self {
            fields: vec![Field::default()],
            by_meaning: HashMap::new(),
            known: Vec::new(),
            by_template: HashMap::new(),
            known_bytes: 0,
            operations: [[bit; 4]; KINDS],
            same: [bit; KINDS],
            next: [bit; KINDS],
            fresh: [bit; KINDS],
            still: [bit; 2],
            decided: bit,
            lengths: Default::default(),
        }
    }
}

impl Models {
    pub(super) fn field(&mut self, index: u32) -> Option<&mut Field> {
        self.fields.get_mut(index as usize)
    }

    fn meaning(&mut self, key: u64) -> u32 {
        if let Some(index) = self.by_meaning.get(&key) {
            return *index;
        }
        // What there is no room for shares the first one.
        let index = match u32::try_from(self.fields.len()) {
            Ok(index) if self.fields.len() < MOST_FIELDS => index,
            _ => return 0,
        };
        self.fields.push(Field::default());
        self.by_meaning.insert(key, index);
        index
    }

    /// Makes the layout of a template that isn't known, and knows it from now on.
    pub(super) fn learn(&mut self, kind: Kind, template: Vec<u8>) -> Arc<Layout> {
        let meanings = meanings(kind, &template);
        let blocks = meanings.chunks(BLOCK).map(|block| hash(block.first().copied(), b"block"));
        let blocks: Vec<u64> = blocks.collect();
        let fields = meanings.iter().map(|key| self.meaning(*key)).collect();
        let blocks = blocks.iter().map(|key| self.meaning(*key)).collect();
        let layout = Arc::new(Layout { template, fields, blocks });
        // Its fields take as much.
        let bytes = layout.template.len().saturating_add(4 * layout.fields.len());
        if self.known.len() < MOST_KNOWN && self.known_bytes + bytes <= MOST_KNOWN_BYTES {
            self.known_bytes += bytes;
            let place = self.known.len() as u32;
            let key = (kind as usize, hash(None, &layout.template));
            self.by_template.entry(key).or_default().push(place);
            self.known.push(Arc::clone(&layout));
        }
        layout
    }

    pub(super) fn known(&self, place: usize) -> Option<Arc<Layout>> {
        self.known.get(place).cloned()
    }

    pub(super) fn find(&self, kind: Kind, template: &[u8]) -> Option<usize> {
        let places = self.by_template.get(&(kind as usize, hash(None, template)))?;
        let is_it = |place: &&u32| {
            self.known.get(**place as usize).is_some_and(|known| known.template == template)
        };
        places.iter().find(is_it).map(|place| *place as usize)
    }
}

/// FNV-1a, of 64 bits. Two meanings with one hash merely share what is learnt.
fn hash(before: Option<u64>, bytes: &[u8]) -> u64 {
    let begin = before.unwrap_or(0xcbf2_9ce4_8422_2325);
    bytes
        .iter()
        .fold(begin, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// An object or an array around a place.
#[derive(Clone, Copy)]
struct Around {
    /// Of all keys on the way here, this one's last one included.
    path: u64,
    outside: u64,
    /// `None`: an object.
    index: Option<u32>,
}

/// What each number of a template means: the keys that lead to it, its place in an array of
/// numbers, and within a text what stands before it.
fn meanings(kind: Kind, template: &[u8]) -> Vec<u64> {
    let begin = hash(None, &[kind as u8]);
    let mut found = Vec::new();
    let mut around: Vec<Around> = Vec::new();
    let (mut deeper, mut at) = (0_usize, 0);
    while let Some(byte) = template.get(at) {
        let path = around.last().map_or(begin, |around| around.path);
        match byte {
            b'"' => {
                let end = at + 1 + string(&template[at + 1..]);
                text(path, template, at..end, &mut found);
                if template.get(end) == Some(&b':')
                    && let Some(object) = around.last_mut()
                {
                    object.path = hash(Some(object.outside), &template[at..end]);
                }
                at = end;
                continue;
            }
            b'{' | b'[' if around.len() >= DEEPEST => deeper += 1,
            b'{' => around.push(Around { path, outside: path, index: None }),
            b'[' => around.push(Around { path, outside: path, index: Some(0) }),
            b'}' | b']' if deeper > 0 => deeper -= 1,
            b'}' | b']' => {
                around.pop();
            }
            b',' => {
                if let Some(Around { index: Some(index), .. }) = around.last_mut() {
                    *index = index.saturating_add(1);
                }
            }
            byte if is_place(*byte) => {
                let index = around.last().and_then(|around| around.index).unwrap_or(0);
                found.push(hash(Some(path), &index.to_le_bytes()));
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Length of a string after its first quote, the last one included.
fn string(text: &[u8]) -> usize {
    super::document::string(text)
}

fn text(path: u64, template: &[u8], range: std::ops::Range<usize>, found: &mut Vec<u64>) {
    for at in range.clone() {
        if template.get(at).is_some_and(|byte| is_place(*byte)) {
            let from = at.saturating_sub(BEFORE).max(range.start);
            found.push(hash(Some(path), &template[from..at]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::{Document, places};
    use super::*;

    #[test]
    fn numbers_of_one_meaning_are_found_in_any_order_of_objects() {
        let of = |json: &str| {
            let document = Document::of_json(json.as_bytes());
            meanings(Kind::Vm, &document.template)
        };
        let one =
            of(r#"{"a":1,"b":{"c":2,"d":[3,4]},"e":"so long it took: 5 s, which is 6 % of it"}"#);
        let [a, c, first, second, seconds, percent] = one[..] else { panic!("{one:?}") };
        let other = of(
            r#"{"e":"and so long it took: 7 s, which is 8 % of it","b":{"d":[9],"c":1},"a":[{"x":1},{"x":2}]}"#,
        );
        assert_eq!(other[..4], [seconds, percent, first, c]);
        assert_eq!(other[4], other[5]);
        assert!(a != c && first != second && seconds != percent, "{one:?}");
    }

    #[test]
    fn all_templates_have_a_meaning_for_each_number() {
        for json in ["[1,[2]", "]}],,1,\"\\", "{\"1\":2", &"[".repeat(1000), &"[1".repeat(1000)] {
            let document = Document::of_json(json.as_bytes());
            assert_eq!(meanings(Kind::Entry, &document.template).len(), places(&document.template));
        }
    }

    #[test]
    fn what_is_known_has_an_end() {
        let mut models = Models::default();
        for index in 0..MOST_KNOWN + 10 {
            models.learn(Kind::Thought, format!("{{\"{index:x}x\":\x01}}").into_bytes());
        }
        assert_eq!((models.known.len(), models.fields.len()), (MOST_KNOWN, MOST_FIELDS));
        assert_eq!(models.find(Kind::Thought, b"{\"9x\":\x01}"), Some(9));
        assert_eq!(models.find(Kind::Entry, b"{\"9x\":\x01}"), None);
    }
}
