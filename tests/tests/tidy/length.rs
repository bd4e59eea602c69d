//! Files are short enough to be read at once.

use crate::Finding;
use crate::source::Source;

const LIMIT: usize = 300;
/// No reason is good enough for more.
const MOST: usize = 500;

/// Files that may be longer than the limit, each with its reason.
const LONGER: [(&str, &str); 4] = [
    ("memtrace/src/columns/cell.rs", "one match over all columns, and its tests"),
    ("memtrace/src/probe/btf.rs", "one parser of one format, and its queries"),
    ("memtrace/src/sample.rs", "the whole vocabulary of what is read, in one place"),
    ("xtask/src/demo/compare.rs", "the rows of one table, and their tests"),
];

pub fn findings(source: &Source) -> Vec<Finding> {
    let lines = source.lines.len();
    let limit = if may_be_longer(&source.path) { MOST } else { LIMIT };
    if lines <= limit {
        return Vec::new();
    }
    vec![Finding::new(source, 0, format!("{lines} lines, at most {limit}"))]
}

/// Exceptions whose file is short now, or gone.
pub fn stale(sources: &[Source]) -> Vec<&'static str> {
    let needed =
        |path: &str| sources.iter().any(|source| source.path == path && source.lines.len() > LIMIT);
    LONGER.into_iter().map(|(path, _)| path).filter(|path| !needed(path)).collect()
}

fn may_be_longer(path: &str) -> bool {
    LONGER.iter().any(|(longer, _)| *longer == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, lines: usize) -> Source {
        Source::new(path, &"\n".repeat(lines))
    }

    #[test]
    fn the_limit_is_the_last_that_is_accepted() {
        assert_eq!(findings(&file("a.rs", LIMIT)), []);
        assert_eq!(findings(&file("a.rs", LIMIT + 1)).len(), 1);
    }

    #[test]
    fn an_exception_has_a_limit_too() {
        let (path, _) = LONGER[0];
        assert_eq!(findings(&file(path, MOST)), []);
        assert_eq!(findings(&file(path, MOST + 1)).len(), 1);
    }

    #[test]
    fn an_exception_that_is_not_needed_is_stale() {
        assert_eq!(stale(&[]).len(), LONGER.len());
        let all: Vec<_> = LONGER.iter().map(|(path, _)| file(path, LIMIT + 1)).collect();
        assert!(stale(&all).is_empty());
    }
}
