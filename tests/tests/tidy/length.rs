//! Files are short enough to be read at once.

use crate::Finding;
use crate::source::Source;

const LIMIT: usize = 300;

pub fn findings(source: &Source) -> Vec<Finding> {
    let lines = source.lines.len();
    if lines <= LIMIT {
        return Vec::new();
    }
    vec![Finding::new(source, 0, format!("{lines} lines, at most {LIMIT}"))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_last_that_is_accepted() {
        let file = |lines| Source::new("a.rs", &"\n".repeat(lines));
        assert_eq!(findings(&file(LIMIT)), []);
        assert_eq!(findings(&file(LIMIT + 1)).len(), 1);
    }
}
