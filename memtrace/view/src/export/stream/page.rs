//! docs/stream.md, from the table.

use std::fmt::Write as _;

use super::{Form, Key, Kind, LINE, Shape, shapes};
use memtrace_core::model::snapshot::SCHEMA_VERSION;

const INTRODUCTION: &str = "\
# The stream

`memtrace stream --json` prints one line a tick, and each line is a whole JSON document; so does
`memtrace top --json`. This page is what `memtrace stream --describe` prints; tests hold the two
together, and every key of a line to a row of it.

- **`schema_version` is in each line.** It counts up when a key changes its meaning or goes away.
  New keys come without that: readers leave alone what they don't know.
- **Unknown is `null`**, and never 0. A *measured* key says why: it holds an object with `value`,
  `quality` and, unless that is exact, `reason`.
- **Rates and shares stand for `interval`**, the time since the line before. Totals count from
  when memtrace began to count.
- **Names and texts are others'**: of guests' owners, guests and programs.
";

/// The whole page.
pub fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    // Writing to a string doesn't fail.
    let _ = write!(page, "\nThe version of the form on this page is {SCHEMA_VERSION}.\n");
    for shape in shapes() {
        section(&mut page, shape);
    }
    page
}

fn section(page: &mut String, shape: &Shape) {
    let name = if shape.name == LINE { "A line" } else { shape.name };
    let help = if shape.name == LINE { "Its keys." } else { shape.help };
    let _ = write!(
        page,
        "\n## {name}\n\n{}\n\n| key | what it holds | what that is |\n|---|---|---|\n",
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
    if key.optional { format!("{text}; left out where there is none") } else { text }
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
        Form::Time => "nanoseconds since 1970 (UTC)".to_owned(),
        Form::Word(words) => format!("one of: {words}"),
        Form::BySignal => "numbers by names of signals".to_owned(),
        Form::Anything => "what the key's row says".to_owned(),
        Form::Shape(shape) => link(shape),
        Form::WordOr(words, shape) => format!("{words}, or {}", link(shape)),
    }
}
