//! A snapshot as one row per VM: JSON lines or CSV (RFC 4180), with units in the names. Unknown
//! values are null, or empty. Pure.

use serde_json::{Map, Value};

use crate::columns;
use memtrace_core::model::Snapshot;
use memtrace_core::model::snapshot::VmView;
use memtrace_core::units::Nanos;

type Fields = Vec<(&'static str, Value)>;

/// The fields of one VM; every VM has the same.
fn fields(snapshot: &Snapshot, vm: &VmView) -> Fields {
    let interval = snapshot.interval.map(Nanos::seconds);
    let mut fields = vec![
        ("unix_seconds", Value::from(Nanos(snapshot.wall.0).seconds())),
        ("interval_seconds", Value::from(interval)),
        ("vm_id", Value::from(vm.id.to_string())),
        ("pid", Value::from(vm.pid)),
    ];
    fields.extend(columns::all().iter().flat_map(|column| column.exported(vm)));
    fields
}

/// One JSON object and newline per VM.
pub fn json_lines(snapshot: &Snapshot) -> String {
    let object = |vm| {
        let fields = fields(snapshot, vm).into_iter();
        let map: Map<String, Value> =
            fields.map(|(name, value)| (name.to_owned(), value)).collect();
        format!("{}\n", Value::from(map))
    };
    snapshot.vms.iter().map(object).collect()
}

/// One line per VM, after a header line with `names`.
///
/// # Errors
/// Never, as long as all VMs have the same fields.
pub fn csv(snapshot: &Snapshot, names: bool) -> csv::Result<String> {
    let mut lines = csv::Writer::from_writer(Vec::new());
    for (index, vm) in snapshot.vms.iter().enumerate() {
        let (head, values): (Vec<_>, Vec<_>) = fields(snapshot, vm).into_iter().unzip();
        if names && index == 0 {
            lines.write_record(head)?;
        }
        lines.write_record(values.iter().map(field))?;
    }
    let bytes = lines.into_inner().map_err(csv::IntoInnerError::into_error)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::fixture;
    use memtrace_core::model::Measured;

    #[test]
    fn unknown_values_are_null_or_empty_and_not_zero() {
        let mut snapshot = (*fixture::demo()).clone();
        snapshot.vms.truncate(1);
        snapshot.vms[0].rss = Measured::absent("no rights");
        snapshot.vms[0].name = "a,\"b\"".to_owned();
        let value: Value = serde_json::from_str(&json_lines(&snapshot)).expect("it is JSON");
        assert_eq!((&value["rss_bytes"], &value["name"]), (&Value::Null, &"a,\"b\"".into()));
        let text = csv(&snapshot, true).expect("it is text");
        let (names, values) = text.trim_end().split_once('\n').expect("two lines");
        assert!(values.contains("\"a,\"\"b\"\"\""), "{values}");
        // The name has a comma of its own, before the number.
        let index = names.split(',').position(|name| name == "rss_bytes").expect("a column");
        assert_eq!(values.split(',').nth(index + 1), Some(""));
    }

    #[test]
    fn without_the_kernel_side_there_is_what_needs_none() {
        let rows = json_lines(&fixture::without_kernel_side());
        assert_eq!(rows.lines().count(), 2);
        for row in rows.lines() {
            let row: Map<String, Value> = serde_json::from_str(row).expect("it is JSON");
            let told = row.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name);
            let expected = [
                "cgroup",
                "cgroup_bytes",
                "cgroup_limit_bytes",
                "cpu_percent",
                "interval_seconds",
                "major_faults_per_second",
                "name",
                "pid",
                "rss_bytes",
                "swap_bytes",
                "unix_seconds",
                "vm_id",
            ];
            assert_eq!(told.collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn every_column_has_its_unit_in_a_name() {
        let snapshot = fixture::demo();
        let text = csv(&snapshot, true).expect("it is text");
        insta::assert_snapshot!(text.lines().next().unwrap_or_default());
        assert_eq!(text.lines().count(), snapshot.vms.len() + 1);
        let rows = csv(&snapshot, false).expect("it is text");
        assert_eq!(rows.lines().count(), snapshot.vms.len());
    }
}
