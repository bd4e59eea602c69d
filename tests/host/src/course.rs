//! What memtrace showed in the course of a scenario: each number of each VM, added up
//! over its documents. Pure; knows no signal.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// By VM and by field.
pub type Courses = BTreeMap<String, BTreeMap<String, Cell>>;

/// One number over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cell {
    /// What was shown times the length of its interval in seconds, added up: a rate's
    /// growth.
    pub grown: f64,
    pub largest: f64,
    pub last: f64,
    /// Counts by bucket, added up, where the number is a histogram.
    pub counts: Vec<u64>,
    /// Documents that had it.
    pub known: u32,
    /// The least trustworthy that it was while it was known: `exact` or `approximate`.
    pub quality: Option<String>,
    pub reason: Option<String>,
    /// Why it was not known, last.
    pub absence: Option<String>,
}

/// Takes a document in: a snapshot, or one with what was made of it.
pub fn take(courses: &mut Courses, document: &Value) {
    let document = document.get("snapshot").unwrap_or(document);
    let seconds = document.get("interval").and_then(Value::as_f64).unwrap_or(0.0) / 1e9;
    let vms = document.get("vms").and_then(Value::as_array).into_iter().flatten();
    for vm in vms {
        let (Some(name), Some(fields)) = (vm.get("name").and_then(Value::as_str), vm.as_object())
        else {
            continue;
        };
        let course = courses.entry(name.to_owned()).or_default();
        for (field, measured) in fields {
            if let Some(quality) = measured.get("quality").and_then(Value::as_str) {
                let cell = course.entry(field.clone()).or_default();
                cell.take(measured, quality, seconds);
            }
        }
    }
}

impl Cell {
    fn take(&mut self, measured: &Value, quality: &str, seconds: f64) {
        let reason = measured.get("reason").and_then(Value::as_str).map(str::to_owned);
        let Some(value) = measured.get("value").filter(|value| !value.is_null()) else {
            self.absence = reason;
            return;
        };
        if let Some(number) = value.as_f64() {
            self.grown += number * seconds;
            self.largest = self.largest.max(number);
            self.last = number;
        }
        if let Some(counts) = value.as_array() {
            self.counts.resize(self.counts.len().max(counts.len()), 0);
            for (sum, count) in self.counts.iter_mut().zip(counts) {
                *sum += count.as_u64().unwrap_or(0);
            }
        }
        self.known += 1;
        if self.quality.as_deref() != Some("approximate") {
            self.quality = Some(quality.to_owned());
            self.reason = reason;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(swap_in: Value) -> Value {
        json!({"interval": 2_000_000_000_u64, "vms": [{"name": "a", "pid": 7, "swap_in": swap_in}]})
    }

    fn cell(documents: &[Value]) -> Cell {
        let mut courses = Courses::new();
        for document in documents {
            take(&mut courses, document);
        }
        courses["a"]["swap_in"].clone()
    }

    #[test]
    fn rates_become_growth_and_the_worst_word_stays() {
        let near = json!({"value": 5.0, "quality": "approximate", "reason": "huge pages"});
        let exact = json!({"value": 3.0, "quality": "exact"});
        let cell = cell(&[document(exact.clone()), document(near), document(exact)]);
        assert_eq!((cell.grown, cell.largest, cell.last, cell.known), (22.0, 5.0, 3.0, 3));
        assert_eq!(cell.reason.as_deref(), Some("huge pages"));
    }

    #[test]
    fn an_unknown_value_adds_nothing_and_has_a_reason() {
        let absent = json!({"value": null, "quality": "absent", "reason": "first sample"});
        let cell = cell(&[document(absent)]);
        assert_eq!((cell.known, cell.quality), (0, None));
        assert_eq!(cell.absence.as_deref(), Some("first sample"));
    }

    #[test]
    fn histograms_are_added_bucket_by_bucket() {
        let counts = |counts: &[u64]| json!({"value": counts, "quality": "exact"});
        let cell = cell(&[document(counts(&[1, 2])), document(counts(&[0, 1, 4]))]);
        assert_eq!(cell.counts, [1, 3, 4]);
    }
}
