//! A snapshot as one line of JSON. Pure. The form is that of [`Snapshot`]; its version
//! is [`SCHEMA_VERSION`](crate::model::snapshot::SCHEMA_VERSION).

use anyhow::{Context, Result};

use crate::columns::Sort;
use crate::filter::Filter;
use crate::model::Snapshot;
use crate::model::snapshot::VmView;

/// The document for `snapshot` with the VMs that `filter` lets through, in the order of
/// `sort`, and a newline.
///
/// # Errors
/// None that is known: all of a snapshot can be written as JSON.
pub fn document(snapshot: &Snapshot, sort: Sort, filter: Option<&Filter>) -> Result<String> {
    let mut vms: Vec<&VmView> =
        snapshot.vms.iter().filter(|vm| filter.is_none_or(|filter| filter.matches(vm))).collect();
    sort.apply(&mut vms);
    let vms = vms.into_iter().cloned().collect();
    let document = Snapshot { vms, ..snapshot.clone() };
    let mut text = serde_json::to_string(&document).context("cannot write the snapshot as JSON")?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::ColumnId;
    use crate::fixture;

    fn names(document: &str) -> Vec<String> {
        let snapshot: Snapshot = serde_json::from_str(document).expect("it is a snapshot");
        snapshot.vms.into_iter().map(|vm| vm.name).collect()
    }

    #[test]
    fn a_document_is_one_line() {
        let text = document(&fixture::demo(), Sort::default(), None).expect("it is written");
        assert_eq!(text.find('\n'), Some(text.len() - 1));
        assert!(text.contains(r#""schema_version":1"#));
    }

    #[test]
    fn vms_are_sorted_and_filtered() {
        let by_name = Sort::by(ColumnId::Name);
        let all = document(&fixture::demo(), by_name.reversed(), None).expect("it is written");
        assert_eq!(names(&all), ["victim", "noisy", "idle"]);
        let filter = Filter::parse("^i").expect("it is an expression");
        let some = document(&fixture::demo(), by_name, Some(&filter)).expect("it is written");
        assert_eq!(names(&some), ["idle"]);
    }
}
