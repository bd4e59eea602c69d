//! Parses samples of both text formats. The text may come from another process: lines that don't
//! match the grammar are skipped. (OpenMetrics 1.0, and Prometheus text format 0.0.4.)

use std::collections::BTreeMap;

use memtrace_core::sample::{Platform, VmLabels};

/// A sample of one line.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// The metric that has names and labels of VMs.
pub const LABELS: &str = "memtrace_vm_labels_info";

/// What a VM is called, by the labels of a sample of [`LABELS`]; without those that its platform
/// and the configuration have for themselves.
pub fn labels_of<'a>(label: impl Fn(&str) -> Option<&'a str>) -> VmLabels {
    let text = |name: &str| label(name).filter(|text| !text.is_empty()).map(str::to_owned);
    VmLabels {
        platform: label("platform").and_then(Platform::of_word),
        id: text("platform_id"),
        name: text("display_name"),
        platform_name: text("platform_name"),
        project: text("project"),
        ..VmLabels::default()
    }
}

/// All samples of `text`. Invalid lines are skipped.
pub fn samples(text: &str) -> impl Iterator<Item = Sample> + '_ {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(sample)
}

/// The sample of one line, if it is one.
pub fn sample(line: &str) -> Option<Sample> {
    let (head, value) = line.rsplit_once(' ')?;
    let value = if value == "+Inf" { f64::INFINITY } else { value.parse().ok()? };
    let (name, mut rest) = head.split_once('{').unwrap_or((head, "}"));
    let mut labels = BTreeMap::new();
    while let Some((label, quoted)) = rest.split_once("=\"") {
        let (value, after) = unquoted(quoted)?;
        labels.insert(label.to_owned(), value).is_none().then_some(())?;
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    let is_word = |word: &str| {
        let first = word.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        first && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let sound = rest == "}" && is_word(name) && labels.keys().all(|label| is_word(label));
    sound.then(|| Sample { name: name.to_owned(), labels, value })
}

/// The unescaped text up to the closing quote, and the rest.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut all) = (String::new(), text.char_indices());
    loop {
        value.push(match all.next()? {
            (end, '"') => return Some((value, text.get(end + 1..)?)),
            (_, '\\') => match all.next()?.1 {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            },
            (_, c) => c,
        });
    }
}
