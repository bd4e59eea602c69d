//! docs/stream.md, generated from the table.

use std::fmt::Write as _;

use super::{Form, Key, Kind, LINE, Shape, shapes};
use memtrace_core::model::snapshot::SCHEMA_VERSION;

const INTRODUCTION: &str = "\
# JSON stream

`memtrace stream --json` and `memtrace top --json` print one JSON document per line and interval.
This page is the output of `memtrace stream --describe`; tests check that it describes every key.

- **`schema_version` is in each line.** It is incremented when a key is removed or changes its
  meaning. New keys don't change it: readers must ignore unknown keys.
- **Unknown is `null`**, and never 0. A *measured* key holds an object with `value`, `quality`
  and, unless the quality is exact, `reason`.
- **Rates and shares cover `interval`**, the time since the previous line. Totals count from the
  start of memtrace.
- **Names and texts are untrusted**: they come from guests, their owners, and other programs.
";

/// The whole page.
pub fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    // Writing to a string doesn't fail.
    let _ = write!(page, "\nThis page describes `schema_version` {SCHEMA_VERSION}.\n");
    for shape in shapes() {
        section(&mut page, shape);
    }
    page
}

fn section(page: &mut String, shape: &Shape) {
    let name = if shape.name == LINE { "A line" } else { shape.name };
    let help = if shape.name == LINE { "The keys of a line." } else { shape.help };
    let _ = write!(
        page,
        "\n## {name}\n\n{}\n\n| key | type | meaning |\n|---|---|---|\n",
        sentence(help)
    );
    for key in shape.keys {
        let _ = writeln!(page, "| `{}` | {} | {} |", key.name, holds(key), key.help);
    }
}

fn sentence(help: &str) -> String {
    let mut letters = help.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if help.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

fn holds(key: &Key) -> String {
    let form = form(key.form);
    let text = match key.kind {
        Kind::Plain => form,
        Kind::List => format!("list of: {form}"),
        Kind::Measured => format!("[measured](#measured): {form}"),
        Kind::MeasuredList => format!("[measured](#measured): list of: {form}"),
    };
    if key.optional { format!("{text}; optional") } else { text }
}

fn form(form: Form) -> String {
    let link = |shape: &str| format!("[{shape}](#{shape})");
    match form {
        Form::Text => "text".to_owned(),
        Form::Flag => "true or false".to_owned(),
        Form::Count => "number".to_owned(),
        Form::Pages => "pages of the host".to_owned(),
        Form::Bytes => "bytes".to_owned(),
        Form::BytesPerSecond => "bytes per second".to_owned(),
        Form::PerSecond => "per second".to_owned(),
        Form::Percent => "per cent".to_owned(),
        Form::Ratio => "ratio".to_owned(),
        Form::Seconds => "seconds".to_owned(),
        Form::Nanoseconds => "nanoseconds".to_owned(),
        Form::Microseconds => "microseconds".to_owned(),
        Form::Time => "nanoseconds since 1970-01-01 (UTC)".to_owned(),
        Form::Word(words) => format!("one of: {words}"),
        Form::BySignal => "numbers by signal name".to_owned(),
        Form::Anything => "see the key".to_owned(),
        Form::Shape(shape) => link(shape),
        Form::WordOr(words, shape) => format!("{words}, or {}", link(shape)),
    }
}
