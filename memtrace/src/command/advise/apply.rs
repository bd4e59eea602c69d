//! Writes recommended bounds into a configuration, and keeps everything else. Pure.

use std::path::Path;

use similar::TextDiff;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};
use uuid::Uuid;

use super::basis::Sure;
use super::vm::{Size, SizeAdvice, VmAdvice};
use crate::config::{Config, Problem};
use memtrace_core::settings::VmSettings;
use memtrace_core::units::Bytes;

/// Bounds for one VM.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bounds {
    pub(super) name: String,
    pub(super) uuid: Option<Uuid>,
    /// The name is unique.
    pub(super) unique: bool,
    pub(super) minimum: Bytes,
    pub(super) maximum: Bytes,
}

/// The bounds with sufficient confidence, and the names of the VMs without. Low confidence means
/// hours of data, or less than half of the time.
pub(super) fn bounds(vms: &[VmAdvice]) -> (Vec<Bounds>, Vec<String>) {
    let (mut bounds, mut left_out) = (Vec::new(), Vec::new());
    for vm in vms {
        match vm.size {
            Some(Size { minimum, maximum, .. })
                if vm.sure >= Sure::Medium && vm.verdict != SizeAdvice::TooLittle =>
            {
                let uuid = vm.uuid.as_deref().and_then(|uuid| Uuid::parse_str(uuid).ok());
                let (same, name) = (|other: &&VmAdvice| other.name == vm.name, vm.name.clone());
                let unique = vms.iter().filter(same).count() == 1 && !name.is_empty();
                match unique || uuid.is_some() {
                    true => bounds.push(Bounds { name, uuid, unique, minimum, maximum }),
                    false => left_out.push(name),
                }
            }
            _ => left_out.push(vm.name.clone()),
        }
    }
    (bounds, left_out)
}

/// The configuration with these bounds; comments and everything else are kept.
///
/// # Errors
/// The errors of the text or of the result, with line and key.
pub(super) fn edited(file: &Path, text: &str, bounds: &[Bounds]) -> Result<String, Vec<Problem>> {
    Config::of_text(file, text)?;
    let mut text = text.to_owned();
    for vm in bounds {
        for append in [false, true] {
            if is_said(file, &text, vm)? {
                break;
            }
            text = put(&text, vm, append)
                .map_err(|(key, why)| vec![Problem::of_file(file, key, why)])?;
        }
    }
    Config::of_text(file, &text)?;
    Ok(text)
}

/// Whether the file has these bounds already. A later table may override the one changed.
fn is_said(file: &Path, text: &str, vm: &Bounds) -> Result<bool, Vec<Problem>> {
    let config = Config::of_text(file, text)?;
    let said = VmSettings::of(&config.rules.vms, &vm.name, vm.uuid);
    Ok(said.minimum == Some(vm.minimum) && said.maximum == Some(vm.maximum))
}

/// Changes the last table of this VM alone, or adds a new one (`append`).
fn put(text: &str, vm: &Bounds, append: bool) -> Result<String, (&'static str, String)> {
    let parsed = text.parse::<DocumentMut>();
    let mut document = parsed.map_err(|error| ("", format!("invalid TOML: {error}")))?;
    // Trailing comments belong to the last table, and would end up after the new one.
    let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
    let is_first = document.is_empty() && trailing.is_empty();
    let tables = document.entry("vm").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    let Some(tables) = tables.as_array_of_tables_mut() else {
        return Err(("vm", "must be written as [[vm]] tables".to_owned()));
    };
    let uuid = vm.uuid.map(|uuid| uuid.to_string());
    let is_about = |table: &&mut Table| {
        let text = |key: &str| table.get(key).and_then(Item::as_str);
        vm.unique && text("name") == Some(vm.name.as_str())
            || text("uuid").is_some_and(|typed| {
                uuid.as_deref().is_some_and(|uuid| uuid.eq_ignore_ascii_case(typed))
            })
    };
    let found = tables.iter_mut().filter(is_about).last().filter(|_| !append);
    match found {
        Some(table) => set(table, vm),
        None => {
            let mut table = Table::new();
            match uuid.as_deref().filter(|_| !vm.unique) {
                Some(uuid) => table.insert("uuid", value(uuid)),
                None => table.insert("name", value(vm.name.as_str())),
            };
            set(&mut table, vm);
            let blank = if is_first { "" } else { "\n" };
            table.decor_mut().set_prefix(format!("{trailing}{blank}"));
            tables.push(table);
            document.set_trailing("");
        }
    }
    Ok(document.to_string())
}

/// Comments next to a value are kept.
fn set(table: &mut Table, vm: &Bounds) {
    for (key, bytes) in [("minimum", vm.minimum), ("maximum", vm.maximum)] {
        let mut new = toml_edit::Value::from(written(bytes));
        match table.get_mut(key) {
            // In its place, as the key has the comment above it.
            Some(item) => {
                if let Some(old) = item.as_value() {
                    *new.decor_mut() = old.decor().clone();
                }
                *item = Item::Value(new);
            }
            None => {
                table.insert(key, Item::Value(new));
            }
        }
    }
}

/// Sizes are whole MiB.
fn written(bytes: Bytes) -> String {
    let mib = bytes.0 >> 20;
    if mib.is_multiple_of(1024) { format!("{}GiB", mib / 1024) } else { format!("{mib}MiB") }
}

/// A unified diff; empty without changes.
pub(super) fn diff(file: &Path, before: &str, after: &str) -> String {
    let name = file.display().to_string();
    let diff = TextDiff::from_lines(before, after);
    diff.unified_diff().context_radius(3).header(&name, &name).to_string()
}

#[cfg(test)]
mod tests;
