//! Sanitises untrusted names for terminals, logs and labels.

/// Longest name that is shown, in characters.
const LONGEST: usize = 128;

/// `name` without control characters and without those that turn the direction of text
/// or take no room (so that no name can pose as another), and of bounded length.
pub fn display(name: &str) -> String {
    let mut shown: String =
        name.chars().take(LONGEST).map(|c| if is_harmful(c) { '\u{fffd}' } else { c }).collect();
    if name.chars().nth(LONGEST).is_some() {
        shown.pop();
        shown.push('…');
    }
    shown
}

fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Zero width, direction marks, embeddings and isolates, line separators,
            // the byte order mark, and tags.
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{61c}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_stay() {
        for name in ["web-1", "näme with spaces", "データベース", "a,b=c", ""] {
            assert_eq!(display(name), name);
        }
    }

    #[test]
    fn terminals_are_safe() {
        assert_eq!(display("a\x1b[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
        assert_eq!(display("x\u{202e}y"), "x\u{fffd}y");
    }

    #[test]
    fn long_names_are_cut() {
        let name = display(&"ä".repeat(500));
        assert_eq!(name.chars().count(), LONGEST);
        assert!(name.ends_with('…'));
    }

    proptest::proptest! {
        #[test]
        fn no_control_character_passes(name in "(?s).*") {
            let shown = display(&name);
            proptest::prop_assert!(!shown.chars().any(char::is_control));
            proptest::prop_assert!(shown.chars().count() <= LONGEST);
        }
    }
}
