//! A snapshot as one line of JSON. Pure. The schema is that of [`Snapshot`]; its version
//! is [`SCHEMA_VERSION`](memtrace_core::model::snapshot::SCHEMA_VERSION).

use anyhow::{Context, Result};
use schemars::JsonSchema;
use serde::Serialize;

use crate::columns::Sort;
use memtrace_core::filter::Filter;
use memtrace_core::model::Snapshot;
use memtrace_core::model::snapshot::VmView;
use memtrace_core::reactor::Decided;
use serde_json::Value;

use super::stream::keys::Selection;
use super::worded;

/// The keys of a line.
// The fields of the snapshot, and the decisions.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Line")]
pub(super) struct Document<'a> {
    #[serde(flatten)]
    snapshot: &'a Snapshot,
    /// Decisions of the policy; `null` where there are none.
    #[schemars(with = "Option<worded::Report<'a>>")]
    reaction: Option<Value>,
    /// Why there is no reaction.
    undecided: Option<&'a str>,
}

/// The document for `snapshot` with the VMs that match `filter`, in the order of `sort`, and a
/// newline.
///
/// # Errors
/// If serialisation fails, which isn't expected.
pub fn document(
    snapshot: &Snapshot,
    decided: &Decided,
    sort: Sort,
    filter: Option<&Filter>,
) -> Result<String> {
    line(snapshot, decided, (sort, filter), |document| serde_json::to_string(document))
}

/// The same with some of its keys.
///
/// # Errors
/// As [`document`].
pub fn selected(
    snapshot: &Snapshot,
    decided: &Decided,
    sort: Sort,
    filter: Option<&Filter>,
    keys: &Selection,
) -> Result<String> {
    line(snapshot, decided, (sort, filter), |document| {
        let mut line = serde_json::to_value(document)?;
        keys.apply(&mut line);
        serde_json::to_string(&line)
    })
}

fn line(
    snapshot: &Snapshot,
    decided: &Decided,
    (sort, filter): (Sort, Option<&Filter>),
    encode: impl FnOnce(&Document<'_>) -> serde_json::Result<String>,
) -> Result<String> {
    let mut vms: Vec<&VmView> =
        snapshot.vms.iter().filter(|vm| filter.is_none_or(|filter| filter.matches(vm))).collect();
    sort.apply(&mut vms);
    let vms = vms.into_iter().cloned().collect();
    let undecided = match decided {
        Decided::Not(reason) => Some(&**reason),
        Decided::Report(_) => None,
    };
    let document = Document {
        snapshot: &Snapshot { vms, ..snapshot.clone() },
        reaction: decided.report().map(worded::report),
        undecided,
    };
    let mut text = encode(&document).context("cannot write the snapshot as JSON")?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::ColumnId;
    use memtrace_core::fixture;

    fn names(document: &str) -> Vec<String> {
        let snapshot: Snapshot = serde_json::from_str(document).expect("it is a snapshot");
        snapshot.vms.into_iter().map(|vm| vm.name).collect()
    }

    #[test]
    fn a_document_is_one_line() {
        let text = document(&fixture::demo(), &fixture::observed(), Sort::default(), None)
            .expect("it is written");
        assert_eq!(text.find('\n'), Some(text.len() - 1));
        assert!(text.contains(r#""schema_version":1"#));
    }

    #[test]
    fn vms_are_sorted_and_filtered() {
        let by_name = Sort::by(ColumnId::Name);
        let document = |sort, filter| {
            document(&fixture::demo(), &fixture::observed(), sort, filter).expect("it is written")
        };
        let all = document(by_name.reversed(), None);
        assert_eq!(names(&all), ["victim", "noisy", "idle"]);
        let filter = Filter::parse("^i").expect("it is an expression");
        let some = document(by_name, Some(&filter));
        assert_eq!(names(&some), ["idle"]);
    }

    #[test]
    fn decisions_are_beside_the_snapshot() {
        let value = |decided: &Decided| -> serde_json::Value {
            let text = document(&fixture::demo(), decided, Sort::default(), None);
            serde_json::from_str(&text.expect("it is written")).expect("it is JSON")
        };
        let all = value(&fixture::observed());
        assert_eq!(all["reaction"]["decisions"]["state"], "soft");
        assert_eq!(all["reaction"]["author"], "ourselves");
        assert_eq!(all["reaction"]["entries"][2]["decision"]["rule"], "pressure");
        assert!(all["undecided"].is_null());
        let none = value(&Decided::Not("no configuration".into()));
        assert_eq!(none["undecided"], "no configuration");
        assert!(none["reaction"].is_null());
    }
}
