//! Lists of documents: VMs, thoughts, entries. Each document follows the one of its name in the
//! list before, in whatever place that was.

use std::collections::BTreeMap;

use super::change::{Kept, Room, follow, number};
use super::document::Document;
use super::layout::{Kind, Models};
use super::range::Coder;

/// Where a document was in the list before.
pub(super) type Origin = Option<usize>;

/// The places of `now` in `before`. Each is taken once, even if a name comes twice.
pub(super) fn origins<Name: Copy + Ord>(before: &[Name], now: &[Name]) -> Vec<Origin> {
    if before == now {
        return (0..now.len()).map(Some).collect();
    }
    let mut places: BTreeMap<Name, usize> = before.iter().copied().zip(0..).collect();
    now.iter().map(|name| places.remove(name)).collect()
}

pub(super) fn one<C: Coder>(
    coder: &mut C,
    models: &mut Models,
    (kind, kept): (Kind, &mut Kept),
    now: Option<&Document>,
    room: &mut Room,
) -> Option<()> {
    *kept = follow(coder, models, (kind, std::mem::take(kept)), now, room)?;
    Some(())
}

/// The list after `kept`, which it becomes.
pub(super) fn list<C: Coder>(
    coder: &mut C,
    models: &mut Models,
    (kind, kept): (Kind, &mut Vec<Kept>),
    now: Option<&[(Origin, Document)]>,
    room: &mut Room,
) -> Option<Vec<Origin>> {
    let mut before: Vec<Option<Kept>> = std::mem::take(kept).into_iter().map(Some).collect();
    let wanted = now.map(|now| now.iter().map(|(origin, _)| *origin));
    let is_same = |wanted: Vec<Origin>| wanted.iter().copied().eq((0..before.len()).map(Some));
    let same = wanted.clone().is_some_and(|wanted| is_same(wanted.collect()));
    let same = coder.bit(&mut models.same[kind as usize], same)?;
    let length = match same {
        true => before.len(),
        false => number(coder, &mut models.lengths[4], now.map_or(0, <[_]>::len))?,
    };
    let mut origins = Vec::new();
    let mut next = 0;
    for index in 0..length {
        let (wanted, document) = match now {
            Some(now) => now.get(index).map(|(origin, document)| (*origin, Some(document)))?,
            None => (None, None),
        };
        let origin = match same {
            true => Some(index),
            false => origin(coder, models, (kind, next), wanted)?,
        };
        next = origin.map_or(next, |origin| origin + 1);
        let mut document_before = taken(&mut before, origin, kept)?;
        one(coder, models, (kind, &mut document_before), document, room)?;
        kept.push(document_before);
        origins.push(origin);
    }
    Some(origins)
}

/// `next`: where the one would be that follows the one before.
fn origin<C: Coder>(
    coder: &mut C,
    models: &mut Models,
    (kind, next): (Kind, usize),
    wanted: Origin,
) -> Option<Origin> {
    if coder.bit(&mut models.next[kind as usize], wanted == Some(next))? {
        return Some(Some(next));
    }
    if coder.bit(&mut models.fresh[kind as usize], wanted.is_none())? {
        return Some(None);
    }
    number(coder, &mut models.lengths[5], wanted.unwrap_or_default()).map(Some)
}

/// The document at `origin`, once, so that a few bytes don't become many. One that is new is
/// told by what it differs in from the last one of the `list`.
pub(super) fn taken(before: &mut [Option<Kept>], origin: Origin, list: &[Kept]) -> Option<Kept> {
    match origin {
        Some(place) => before.get_mut(place)?.take(),
        None => Some(list.last().cloned().unwrap_or_default()),
    }
}
