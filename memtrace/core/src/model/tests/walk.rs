//! Walks serialised samples and snapshots, so that properties are tested for every field without
//! a list to maintain.

use serde_json::Value;

use crate::model::Snapshot;
use crate::sample::Sample;

/// JSON pointers to all values that have no values inside.
pub(super) fn leaves(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(value, &mut String::new(), &mut |path, value| {
        if !value.is_object() && !value.is_array() {
            found.push(path.to_owned());
        }
    });
    found
}

/// JSON pointers to all values but the outermost.
pub(super) fn inner(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(value, &mut String::new(), &mut |path, _| found.push(path.to_owned()));
    found.retain(|path| !path.is_empty());
    found
}

/// All measured numbers of a snapshot: where, and whether there is a value.
pub(super) fn measured(snapshot: &Snapshot) -> Vec<(String, Value, String)> {
    let mut found = Vec::new();
    let json = serde_json::to_value(snapshot).expect("a snapshot serialises");
    walk(&json, &mut String::new(), &mut |path, value| {
        if let (Some(inner), Some(Value::String(quality))) =
            (value.get("value"), value.get("quality"))
        {
            found.push((path.to_owned(), inner.clone(), quality.clone()));
        }
    });
    found
}

/// The sample that `json` is with another value at `path`; `None` when the field can't
/// hold it.
pub(super) fn with(json: &Value, path: &str, value: Value) -> Option<Sample> {
    let mut json = json.clone();
    *json.pointer_mut(path)? = value;
    serde_json::from_value(json).ok()
}

pub(super) fn json(sample: &Sample) -> Value {
    serde_json::to_value(sample).expect("a sample serialises")
}

fn walk(value: &Value, path: &mut String, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, value);
    let length = path.len();
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        _ => return,
    };
    for (name, child) in children {
        path.push('/');
        path.push_str(&name);
        walk(child, path, visit);
        path.truncate(length);
    }
}
