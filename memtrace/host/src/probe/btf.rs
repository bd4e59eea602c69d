//! A small parser of BTF, the kernel's type information: field offsets, enumerator values,
//! arguments of tracepoints. Pure; made for untrusted bytes: every access is checked.
//!
//! Format: Documentation/bpf/btf.rst in the kernel's source.

mod kinds;

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, bail, ensure};

use self::kinds::*;
use super::signature::Signature;

const MAGIC: u16 = 0xeb9f;
const HEADER: usize = 24;
/// Longest chain of typedefs and qualifiers.
const MAX_DEPTH: usize = 32;
/// Most anonymous structs and unions that a member is searched in. `struct page` has some twenty.
const MAX_ANONYMOUS: usize = 256;

/// Parsed type information of one kernel.
pub struct Btf {
    data: Vec<u8>,
    /// Start of each type's record in `data`; index 0 is `void`.
    types: Vec<u32>,
    /// Structs and unions, enums and tracepoint typedefs by name.
    named: HashMap<String, Vec<u32>>,
    /// Why it is read only in part.
    unread: Option<String>,
    strings: std::ops::Range<usize>,
}

/// The head that every type record has.
#[derive(Clone, Copy)]
struct Head {
    name: u32,
    kind: u32,
    kind_flag: bool,
    vlen: usize,
    size_or_type: u32,
    /// Where what follows the head begins.
    body: usize,
}

impl Btf {
    /// Parses `/sys/kernel/btf/vmlinux`, in the machine's byte order.
    ///
    /// # Errors
    /// When the bytes are no BTF, or are truncated.
    pub fn parse(data: Vec<u8>) -> Result<Self> {
        ensure!(data.len() >= HEADER, "{} bytes are too few for a BTF header", data.len());
        let magic = u16::from_ne_bytes([data[0], data[1]]);
        ensure!(magic == MAGIC, "not BTF: it begins with {magic:#06x} and not {MAGIC:#06x}");
        let word = |at: usize| read_u32(&data, at).map(|value| value as usize);
        let header = word(4)?;
        let (type_at, type_len, string_at, string_len) =
            (word(8)?, word(12)?, word(16)?, word(20)?);
        let section = |at: usize, len: usize, what: &str| {
            let from = header.checked_add(at);
            let to = from.and_then(|from| from.checked_add(len));
            match (from, to) {
                (Some(from), Some(to)) if to <= data.len() => Ok(from..to),
                _ => bail!("the {what} section lies outside of the file"),
            }
        };
        let type_section = section(type_at, type_len, "type")?;
        let strings = section(string_at, string_len, "string")?;
        let mut btf = Self { types: vec![0], named: HashMap::new(), unread: None, strings, data };
        btf.index(type_section)?;
        Ok(btf)
    }

    /// Why types may be missing that the kernel has, if so: from a type on whose kind is not
    /// known, and so neither its length, the rest can't be read.
    pub fn unread(&self) -> Option<&str> {
        self.unread.as_deref()
    }

    fn index(&mut self, section: std::ops::Range<usize>) -> Result<()> {
        let mut at = section.start;
        while at < section.end {
            let id = self.types.len() as u32;
            let start = u32::try_from(at).context("a type section over 4 GiB")?;
            let head = self.head_at(at).with_context(|| format!("type {id}"))?;
            let Some(length) = body_len(&head) else {
                self.unread = Some(format!("type {id} is of the unknown kind {}", head.kind));
                break;
            };
            self.types.push(start);
            at = head.body + length;
            ensure!(at <= section.end, "type {id} goes on after the type section");
            let name = self.string(head.name);
            let wanted = match head.kind {
                STRUCT | UNION | ENUM | ENUM64 => !name.is_empty(),
                TYPEDEF => name.starts_with("btf_trace_"),
                _ => false,
            };
            if wanted {
                let name = name.to_owned();
                self.named.entry(name).or_default().push(id);
            }
        }
        Ok(())
    }

    /// Byte offset of a member: `mm` in `task_struct`, or a path through embedded
    /// structs, `css.cgroup` in `mem_cgroup`. Members of anonymous structs and unions
    /// count as the outer one's. `None`: no such struct or member, or it is a bit-field.
    pub fn offset(&self, name: &str, path: &str) -> Option<u32> {
        let ids = self.named.get(name)?;
        ids.iter().find_map(|id| {
            let mut id = *id;
            let mut total = 0_u32;
            for part in path.split('.') {
                let (bits, member) = self.member(id, part, &mut Vec::new())?;
                total = total.checked_add(bits)?;
                id = self.peel(member)?;
            }
            total.is_multiple_of(8).then_some(total / 8)
        })
    }

    /// Size of a struct or union in bytes.
    pub fn size(&self, name: &str) -> Option<u32> {
        let heads = self.named.get(name)?.iter().filter_map(|id| self.head(*id));
        heads
            .filter(|head| matches!(head.kind, STRUCT | UNION))
            .map(|head| head.size_or_type)
            .next()
    }

    /// Value of an enumerator, 32 bits of it.
    pub fn enumerator(&self, name: &str, enumerator: &str) -> Option<u32> {
        self.named.get(name)?.iter().find_map(|id| {
            let head = self.head(*id)?;
            let step = match head.kind {
                ENUM => 8,
                ENUM64 => 12,
                _ => return None,
            };
            (0..head.vlen).map(|index| head.body + index * step).find_map(|at| {
                let found = self.string(read_u32(&self.data, at).ok()?) == enumerator;
                found.then(|| read_u32(&self.data, at + 4).ok()).flatten()
            })
        })
    }

    /// The arguments of a tracepoint. `None`: this kernel doesn't have it (or a module
    /// has it, whose types are elsewhere).
    pub fn tracepoint(&self, name: &str) -> Option<Signature> {
        let id = *self.named.get(&format!("btf_trace_{name}"))?.first()?;
        let pointer = self.head(self.peel(self.head(id)?.size_or_type)?)?;
        if pointer.kind != PTR {
            return None;
        }
        // The first argument is the tracepoint's own `void *__data`.
        self.signature(pointer.size_or_type, 1)
    }

    /// The arguments of those of these functions that the kernel has: not inlined away,
    /// and with the arguments that its source says.
    pub fn functions(&self, names: &[&'static str]) -> BTreeMap<&'static str, Signature> {
        let mut found = BTreeMap::new();
        for head in self.types.iter().skip(1).filter_map(|at| self.head_at(*at as usize).ok()) {
            if head.kind == FUNC
                && let Some(name) = names.iter().find(|name| **name == self.string(head.name))
                && let Some(signature) = self.signature(head.size_or_type, 0)
            {
                found.entry(*name).or_insert(signature);
            }
        }
        found
    }

    /// Ids of those of these functions that the kernel has.
    pub fn function_ids(&self, names: &[&'static str]) -> BTreeMap<&'static str, u32> {
        let ids = (1..self.types.len() as u32).filter_map(|id| {
            let head = self.head(id).filter(|head| head.kind == FUNC)?;
            let name = names.iter().find(|name| **name == self.string(head.name))?;
            Some((*name, id))
        });
        ids.collect()
    }

    /// The arguments of a function type, without the first `skip`.
    fn signature(&self, id: u32, skip: usize) -> Option<Signature> {
        let head = self.head(self.peel(id)?).filter(|head| head.kind == FUNC_PROTO)?;
        let types = (skip..head.vlen)
            .map(|index| read_u32(&self.data, head.body + index * 8 + 4).ok())
            .map(|id| Some(self.type_name(id?)))
            .collect::<Option<_>>()?;
        Some(Signature(types))
    }

    /// `searched`: structs that were entered before. Each is searched once, so that the time is
    /// bounded by the size of the file.
    fn member(&self, id: u32, name: &str, searched: &mut Vec<u32>) -> Option<(u32, u32)> {
        if searched.len() >= MAX_ANONYMOUS || searched.contains(&id) {
            return None;
        }
        searched.push(id);
        let head = self.head(id).filter(|head| matches!(head.kind, STRUCT | UNION))?;
        for at in (0..head.vlen).map(|index| head.body + index * 12) {
            let member = self.string(read_u32(&self.data, at).ok()?);
            let of = read_u32(&self.data, at + 4).ok()?;
            let offset = read_u32(&self.data, at + 8).ok()?;
            // With the flag set, the upper byte is the size of a bit-field.
            let (bits, field) = match head.kind_flag {
                true => (offset & 0x00ff_ffff, offset >> 24),
                false => (offset, 0),
            };
            if member == name {
                return (field == 0).then_some((bits, of));
            }
            if member.is_empty()
                && let Some((inner, of)) =
                    self.peel(of).and_then(|of| self.member(of, name, searched))
            {
                return Some((bits.checked_add(inner)?, of));
            }
        }
        None
    }

    /// Follows typedefs and qualifiers to what they stand for.
    fn peel(&self, mut id: u32) -> Option<u32> {
        for _ in 0..MAX_DEPTH {
            let head = self.head(id)?;
            match head.kind {
                TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => id = head.size_or_type,
                _ => return Some(id),
            }
        }
        None
    }

    /// A type's name without qualifiers; what a pointer points to is named as well.
    fn type_name(&self, id: u32) -> String {
        match self.unqualified(id) {
            Some(head) if head.kind == PTR => match self.unqualified(head.size_or_type) {
                Some(target) if target.kind == PTR => "void **".to_owned(),
                target => format!("{} *", self.plain_name(target)),
            },
            head => self.plain_name(head),
        }
    }

    fn plain_name(&self, head: Option<Head>) -> String {
        let Some(head) = head else {
            return "void".to_owned();
        };
        let name = self.string(head.name);
        match head.kind {
            STRUCT | FWD => format!("struct {name}"),
            UNION => format!("union {name}"),
            ENUM | ENUM64 => format!("enum {name}"),
            _ => name.to_owned(),
        }
    }

    /// Follows qualifiers, but not typedefs: those are names of their own.
    fn unqualified(&self, mut id: u32) -> Option<Head> {
        for _ in 0..MAX_DEPTH {
            let head = self.head(id)?;
            match head.kind {
                VOLATILE | CONST | RESTRICT | TYPE_TAG => id = head.size_or_type,
                _ => return Some(head),
            }
        }
        None
    }

    fn head(&self, id: u32) -> Option<Head> {
        let at = *self.types.get(id as usize).filter(|_| id != 0)?;
        self.head_at(at as usize).ok()
    }

    fn head_at(&self, at: usize) -> Result<Head> {
        let info = read_u32(&self.data, at + 4)?;
        Ok(Head {
            name: read_u32(&self.data, at)?,
            kind: (info >> 24) & 0x1f,
            kind_flag: info >> 31 == 1,
            vlen: (info & 0xffff) as usize,
            size_or_type: read_u32(&self.data, at + 8)?,
            body: at + 12,
        })
    }

    fn string(&self, offset: u32) -> &str {
        let strings = self.data.get(self.strings.clone()).unwrap_or_default();
        let rest = strings.get(offset as usize..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        std::str::from_utf8(rest.get(..end).unwrap_or_default()).unwrap_or_default()
    }
}

/// Bytes that follow a type's head; `None` for a kind that is newer than this parser.
fn body_len(head: &Head) -> Option<usize> {
    Some(match head.kind {
        PTR | FWD | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | FLOAT | TYPE_TAG => 0,
        INT | VAR | DECL_TAG => 4,
        ARRAY => 12,
        STRUCT | UNION | DATASEC | ENUM64 => head.vlen * 12,
        ENUM | FUNC_PROTO => head.vlen * 8,
        _ => return None,
    })
}

fn read_u32(data: &[u8], at: usize) -> Result<u32> {
    let bytes =
        at.checked_add(4).and_then(|end| data.get(at..end)).context("unexpected end of data")?;
    Ok(u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

#[cfg(test)]
mod tests;
