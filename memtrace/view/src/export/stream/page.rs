//! docs/stream.md, made of the schema: a section for each shape of an object.

use std::fmt::Write as _;

use memtrace_core::model::snapshot::SCHEMA_VERSION;

use super::node::{LINE, MEASURED, SchemaNode};

const INTRODUCTION: &str = "\
# JSON stream

`memtrace stream --json` and `memtrace top --json` print one JSON document per line and interval.
This page is the output of `memtrace stream --describe`; with `--json` it prints the JSON Schema.

- **`schema_version` is in each line.** It is incremented when a key is removed or changes its
  meaning. New keys don't change it: readers must ignore unknown keys.
- **Unknown is `null`**, and never 0. A *measured* key holds an object with `value`, `quality`
  and, unless the quality is exact, `reason`.
- **Rates and shares cover `interval`**, the time since the sample before. That is the previous
  line's, unless the reader was late: lines are left out then. Totals count from the start of
  memtrace.
- **A line can be small**: `--only vms.name,vms.stalled` prints these keys, and `schema_version`,
  `wall` and `interval`; `--without signals` leaves keys out. A dot leads into an object, or into
  each item of a list.
- **It goes on with the next memtrace** when the one ends whose samples it reads: it waits, and
  totals begin anew. With `--count` it ends.
- **Names and texts are untrusted**: they come from guests, their owners, and other programs.
";

/// The whole page.
pub fn page() -> String {
    let schema = super::schema();
    let mut page = INTRODUCTION.to_owned();
    // Writing to a string doesn't fail.
    let _ = write!(page, "\nThis page describes `schema_version` {SCHEMA_VERSION}.\n");
    for shape in shapes(SchemaNode::root(&schema)) {
        section(&mut page, &shape);
    }
    page
}

/// An object.
pub(super) struct Shape<'a> {
    pub name: String,
    pub help: &'a str,
    pub node: SchemaNode<'a>,
}

/// All shapes, in the order in which a line leads to them.
pub(super) fn shapes(line: SchemaNode<'_>) -> Vec<Shape<'_>> {
    let mut found = Vec::new();
    collect(Shape { name: LINE.to_owned(), help: line.help(), node: line }, &mut found);
    found
}

fn collect<'a>(shape: Shape<'a>, found: &mut Vec<Shape<'a>>) {
    if found.iter().any(|known| known.name == shape.name) {
        return;
    }
    let keys = shape.node.keys();
    found.push(shape);
    for key in keys {
        for node in parts(key.node) {
            if !node.keys().is_empty() {
                let target = node.target();
                let help = if node.name().is_some() { target.help() } else { key.help };
                collect(Shape { name: name(node, key.name), help, node: target }, found);
            }
        }
    }
}

/// A value, and what it is made of: items, and what is measured.
fn parts(node: SchemaNode<'_>) -> Vec<SchemaNode<'_>> {
    let node = node.present();
    let inner = node.items().or_else(|| node.any_key()).or_else(|| measured(node));
    std::iter::once(node).chain(inner.into_iter().flat_map(parts)).collect()
}

/// The value of a measured one.
fn measured(node: SchemaNode<'_>) -> Option<SchemaNode<'_>> {
    let is_measured = node.name().is_some_and(|name| name == MEASURED);
    let value = || node.keys().into_iter().find(|key| key.name == "value");
    is_measured.then(value).flatten().map(|key| key.node)
}

/// The name of a shape; one without a type of its own has that of its key.
pub(super) fn name(node: SchemaNode<'_>, key: &str) -> String {
    node.name().unwrap_or_else(|| key.to_owned())
}

fn section(page: &mut String, shape: &Shape<'_>) {
    let name = if shape.name == LINE { "A line" } else { &shape.name };
    let help = shape.help;
    let _ = write!(page, "\n## {name}\n\n{help}\n\n| key | type | meaning |\n|---|---|---|\n");
    for key in shape.node.keys() {
        let optional = if key.optional { "; optional" } else { "" };
        let holds = holds(key.node, key.name);
        let _ = writeln!(page, "| `{}` | {holds}{optional} | {} |", key.name, key.help);
    }
}

/// The type of a value, where it isn't `null`.
fn holds(node: SchemaNode<'_>, key: &str) -> String {
    let node = node.present();
    if let Some(value) = measured(node) {
        return format!("[{MEASURED}](#{MEASURED}): {}", holds(value, key));
    }
    if let Some(items) = node.items() {
        return format!("list of: {}", holds(items, key));
    }
    if let Some(values) = node.any_key() {
        return format!("{} by name", holds(values, key));
    }
    let words = node.words().join(", ");
    if node.keys().is_empty() {
        return if words.is_empty() { scalar(node) } else { format!("one of: {words}") };
    }
    let name = name(node, key);
    let link = format!("[{name}](#{name})");
    if words.is_empty() { link } else { format!("{words}, or {link}") }
}

fn scalar(node: SchemaNode<'_>) -> String {
    let kinds = [("string", "text"), ("boolean", "true or false"), ("integer", "number")];
    let mut kinds = kinds.into_iter().chain([("number", "number")]);
    let kind = kinds.find(|(kind, _)| node.is(kind)).map_or("see the key", |(_, name)| name);
    node.unit().unwrap_or(kind).to_owned()
}
