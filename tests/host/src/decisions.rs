//! What memtrace's reactor decided, out of its documents. Pure.

use serde_json::{Value, json};

/// Entries of a document that weren't told yet, each with the second; those below the number
/// `told` were.
pub fn take_new(document: &Value, told: &mut u64, at: f64) -> Vec<Value> {
    let entries = document.pointer("/reaction/entries").and_then(Value::as_array);
    let from = *told;
    let mut new = Vec::new();
    for entry in entries.into_iter().flatten() {
        let number = entry.get("number").and_then(Value::as_u64).unwrap_or(0);
        if number >= from {
            *told = number.saturating_add(1).max(*told);
            new.push(json!({ "at": at, "entry": entry }));
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_reported_once() {
        let document = |numbers: &[u64]| {
            let entries: Vec<Value> = numbers.iter().map(|n| json!({ "number": n })).collect();
            json!({ "reaction": { "entries": entries } })
        };
        let mut told = 0;
        assert_eq!(take_new(&document(&[1, 0]), &mut told, 1.0).len(), 2);
        let new = take_new(&document(&[0, 1, 2]), &mut told, 2.5);
        assert_eq!(new, [json!({ "at": 2.5, "entry": { "number": 2 } })]);
        assert_eq!((take_new(&json!({}), &mut told, 3.0).len(), told), (0, 3));
    }
}
