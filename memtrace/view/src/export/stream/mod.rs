//! The schema of a line of `memtrace stream --json`, by the types that are serialised and the
//! comments of their fields; docs/stream.md is made of it. Pure.

pub mod keys;
mod node;
pub mod page;
#[cfg(test)]
mod tests;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::json::Document;

/// As JSON Schema (draft 2020-12). Numbers have their unit as `unit`.
pub fn schema() -> Value {
    schema_of::<Document<'_>>()
}

fn schema_of<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    RecursiveTransform(for_readers).transform(&mut schema);
    schema.to_value()
}

/// Keeps what is of use to readers of a line: of a comment its first paragraph, and no defaults,
/// which are for documents of older versions.
fn for_readers(schema: &mut Schema) {
    schema.remove("default");
    if let Some(Value::String(comment)) = schema.get_mut("description") {
        let paragraph = comment.split("\n\n").next().unwrap_or_default();
        *comment = paragraph.replace('\n', " ");
    }
}
