//! Parses samples of both text formats. The text may come from another process: lines that don't
//! match the grammar are skipped. (OpenMetrics 1.0, and Prometheus text format 0.0.4.)

use std::collections::BTreeMap;

/// A sample of one line.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
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
