//! What changed from one note to the next, as JSON: of some hundred numbers a few move each
//! second. Pure.
//!
//! A change of a value is `[new]` where it is another one. Of an object it is an object with
//! the changes of its fields, `[]` for one that is gone; of a list the same by index, and
//! under an empty key its length where that is another.

use serde_json::{Map, Value, json};

use super::entry::Changed;
use memtrace_core::reactor::entry::Noted;

const LENGTH: &str = "";

/// The note that comes after `before`, as its changes. `None`: it can't be expressed so.
pub(super) fn changed(before: &Noted, now: &Noted) -> Option<Changed> {
    let change = between(&body(before)?, &body(now)?).unwrap_or_else(|| json!({}));
    Some(Changed { at: now.at, after: before.at, change })
}

/// Works `changes` into `noted`, and says how many of them couldn't be: what they change is
/// missing.
pub(super) fn fold(noted: &mut Option<Noted>, changes: &mut Vec<Changed>) -> u64 {
    let all = std::mem::take(changes);
    let Some((first, last)) = all.first().zip(all.last()) else { return 0 };
    let whole = noted.as_ref().filter(|noted| noted.at == first.after);
    let linked = all.windows(2).all(|pair| pair[0].at == pair[1].after);
    let folded = whole.filter(|_| linked).and_then(|noted| {
        let mut value = body(noted)?;
        all.iter().try_for_each(|changed| apply(&mut value, &changed.change))?;
        value.as_object_mut()?.insert("at".to_owned(), serde_json::to_value(last.at).ok()?);
        serde_json::from_value(value).ok()
    });
    match folded {
        Some(folded) => {
            *noted = Some(folded);
            0
        }
        None => all.len() as u64,
    }
}

/// All but the time, which is new each time.
fn body(noted: &Noted) -> Option<Value> {
    let mut value = serde_json::to_value(noted).ok()?;
    value.as_object_mut()?.remove("at");
    Some(value)
}

/// `None`: they are the same.
fn between(before: &Value, now: &Value) -> Option<Value> {
    if before == now {
        return None;
    }
    let parts = match (before, now) {
        (Value::Object(before), Value::Object(now)) => Some(of_objects(before, now)),
        (Value::Array(before), Value::Array(now)) => Some(of_lists(before, now)),
        _ => None,
    };
    Some(parts.map_or_else(|| json!([now]), Value::Object))
}

fn of_objects(before: &Map<String, Value>, now: &Map<String, Value>) -> Map<String, Value> {
    let gone = before.keys().filter(|key| !now.contains_key(*key));
    let gone = gone.map(|key| (key.clone(), json!([])));
    let other = now.iter().filter_map(|(key, value)| {
        let change = match before.get(key) {
            Some(before) => between(before, value)?,
            None => json!([value]),
        };
        Some((key.clone(), change))
    });
    gone.chain(other).collect()
}

fn of_lists(before: &[Value], now: &[Value]) -> Map<String, Value> {
    let mut changes = Map::new();
    if before.len() != now.len() {
        changes.insert(LENGTH.to_owned(), json!(now.len()));
    }
    for (index, value) in now.iter().enumerate() {
        let change = match before.get(index) {
            Some(before) => between(before, value),
            None => Some(json!([value])),
        };
        changes.extend(change.map(|change| (index.to_string(), change)));
    }
    changes
}

/// `None`: it isn't a change of this value, which is then of no use any more.
fn apply(value: &mut Value, change: &Value) -> Option<()> {
    if let Value::Array(new) = change {
        *value = new.first()?.clone();
        return Some(());
    }
    let changes = change.as_object()?;
    match value {
        Value::Object(fields) => to_object(fields, changes),
        Value::Array(list) => to_list(list, changes),
        _ => None,
    }
}

fn to_object(fields: &mut Map<String, Value>, changes: &Map<String, Value>) -> Option<()> {
    for (key, change) in changes {
        match (change.as_array(), fields.get_mut(key)) {
            (Some(new), _) if new.is_empty() => {
                fields.remove(key)?;
            }
            (_, Some(value)) => apply(value, change)?,
            (Some(new), None) => {
                fields.insert(key.clone(), new.first()?.clone());
            }
            (None, None) => return None,
        }
    }
    Some(())
}

fn to_list(list: &mut Vec<Value>, changes: &Map<String, Value>) -> Option<()> {
    let length = match changes.get(LENGTH) {
        Some(length) => usize::try_from(length.as_u64()?).ok()?,
        None => list.len(),
    };
    list.truncate(length);
    let mut parts = Vec::new();
    for (index, change) in changes.iter().filter(|(index, _)| !index.is_empty()) {
        parts.push((index.parse::<usize>().ok()?, change));
    }
    parts.sort_unstable_by_key(|(index, _)| *index);
    for (index, change) in parts {
        let end = list.len();
        match list.get_mut(index) {
            Some(value) => apply(value, change)?,
            None if index == end => list.push(change.as_array()?.first()?.clone()),
            None => return None,
        }
    }
    (list.len() == length).then_some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn a_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0_u64..4).prop_map(Value::from),
            "[ab ]{0,30}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..14).prop_map(Value::from),
                prop::collection::btree_map("[a-c]?", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_change_applied_to_the_old_value_gives_the_new_one(before in a_value(), now in a_value()) {
            let mut value = before.clone();
            if let Some(change) = between(&before, &now) {
                prop_assert_eq!(apply(&mut value, &change), Some(()));
            }
            prop_assert_eq!(value, now);
        }

        #[test]
        fn a_change_of_something_else_is_refused_and_not_guessed_at(
            value in a_value(), change in a_value(),
        ) {
            // Any input terminates.
            let mut changed = value;
            let _ = apply(&mut changed, &change);
        }
    }

    #[test]
    fn of_an_object_only_what_is_new_is_kept() {
        let (before, now) = (json!({ "a": [1, 2, 3], "b": 1 }), json!({ "a": [1, 5] }));
        let change = json!({ "a": { "": 2, "1": [5] }, "b": [] });
        assert_eq!(between(&before, &now), Some(change));
    }

    #[test]
    fn a_change_that_does_not_fit_is_refused() {
        for (value, change) in [
            (json!(1), json!({})),
            (json!({ "a": 1 }), json!({ "b": [] })),
            (json!({ "a": 1 }), json!({ "b": {} })),
            (json!([1]), json!({ "5": [1] })),
            (json!([1]), json!({ "": 9 })),
            (json!("a b"), json!({ "1": "c" })),
            (json!("a"), json!([])),
        ] {
            assert_eq!(apply(&mut value.clone(), &change), None, "{value} {change}");
        }
    }
}
