//! A snapshot as one row per VM: JSON lines or CSV (RFC 4180), with units in the names. Unknown
//! values are null, or empty. Pure.

use serde_json::{Map, Value};

use crate::columns;
use memtrace_core::model::Snapshot;
use memtrace_core::model::snapshot::VmView;
use memtrace_core::text;
use memtrace_core::units::Nanos;

/// Fields before those of the columns.
const OF_ROW: [&str; 4] = ["unix_seconds", "interval_seconds", "vm_id", "pid"];

type Fields = Vec<(&'static str, Value)>;

/// The fields of one VM; every VM has the same.
fn fields(snapshot: &Snapshot, vm: &VmView) -> Fields {
    let values = [
        Value::from(Nanos(snapshot.wall.0).seconds()),
        Value::from(snapshot.interval.map(Nanos::seconds)),
        Value::from(vm.id.to_string()),
        Value::from(vm.pid),
    ];
    let mut fields: Fields = OF_ROW.into_iter().zip(values).collect();
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

/// The header line of [`csv`].
pub fn csv_header() -> csv::Result<String> {
    let columns = columns::all().iter().flat_map(columns::Column::exported_names);
    records([OF_ROW.into_iter().chain(columns)])
}

/// One line per VM.
///
/// # Errors
/// Never, as long as all VMs have the same fields.
pub fn csv(snapshot: &Snapshot) -> csv::Result<String> {
    let values = |vm| fields(snapshot, vm).into_iter().map(|(_, value)| field(&value));
    records(snapshot.vms.iter().map(values))
}

fn records<T: AsRef<[u8]>>(
    records: impl IntoIterator<Item = impl Iterator<Item = T>>,
) -> csv::Result<String> {
    let mut lines = csv::Writer::from_writer(Vec::new());
    records.into_iter().try_for_each(|record| lines.write_record(record))?;
    let bytes = lines.into_inner().map_err(csv::IntoInnerError::into_error)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => cell(text),
        other => other.to_string(),
    }
}

/// An untrusted text in a cell: without terminal control characters, and with an apostrophe before
/// what a spreadsheet would execute as a formula (OWASP, CSV injection).
fn cell(text: &str) -> String {
    let runs = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = text::clean(text);
    if runs { format!("'{text}") } else { text.into_owned() }
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
        let names = csv_header().expect("it is text");
        let values = csv(&snapshot).expect("it is text");
        assert!(values.contains("\"a,\"\"b\"\"\""), "{values}");
        // The name has a comma of its own, before the number.
        let index = names.split(',').position(|name| name == "rss_bytes").expect("a column");
        assert_eq!(values.trim_end().split(',').nth(index + 1), Some(""));
    }

    #[test]
    fn a_cell_is_text_to_a_spreadsheet_and_to_a_terminal() {
        for (text, shown) in [
            ("web-1", "web-1"),
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("+1", "'+1"),
            ("-1+1", "'-1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\u{fffd}=1"),
            ("\r=1", "'\u{fffd}=1"),
            ("/a\x1b[2J", "/a\u{fffd}[2J"),
        ] {
            assert_eq!(cell(text), shown);
        }
    }

    #[test]
    fn negative_numbers_are_numbers() {
        assert_eq!(field(&Value::from(-1.5)), "-1.5");
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
                "faults_per_second",
                "interval_seconds",
                "major_faults_per_second",
                "memory_max_bytes",
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
        insta::assert_snapshot!(csv_header().expect("it is text").trim_end());
        let rows = csv(&snapshot).expect("it is text");
        assert_eq!(rows.lines().count(), snapshot.vms.len());
    }
}
