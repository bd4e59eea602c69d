//! Keys of the view, independent of their terminal encoding.

/// A key that was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Char(char),
    /// With the control key; the letter in lower case.
    Ctrl(char),
    Function(u8),
    Enter,
    Esc,
    Backspace,
    Tab,
    BackTab,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
}

/// A movement within a list or a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// Rows down, or up if negative.
    By(isize),
    /// Screens down, or up if negative.
    Pages(isize),
    First,
    Last,
}

impl Key {
    /// The movement of a key where letters are commands: arrows and vi keys.
    pub const fn motion(self) -> Option<Motion> {
        Some(match self {
            Self::Up | Self::Char('k') | Self::Ctrl('p') => Motion::By(-1),
            Self::Down | Self::Char('j') | Self::Ctrl('n') => Motion::By(1),
            Self::PageUp | Self::Ctrl('b') => Motion::Pages(-1),
            Self::PageDown | Self::Ctrl('f') => Motion::Pages(1),
            Self::Home | Self::Char('g') => Motion::First,
            Self::End | Self::Char('G') => Motion::Last,
            _ => return None,
        })
    }
}

impl Motion {
    /// The new position from `from`, in a list of `count` of which `page` are visible.
    pub fn apply(self, from: usize, count: usize, page: usize) -> usize {
        let last = count.saturating_sub(1);
        let to = match self {
            Self::By(rows) => from.saturating_add_signed(rows),
            Self::Pages(pages) => {
                let page = isize::try_from(page.max(1)).unwrap_or(isize::MAX);
                from.saturating_add_signed(page.saturating_mul(pages))
            }
            Self::First => 0,
            Self::Last => last,
        };
        to.min(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn motions_stay_within_the_list() {
        for (motion, from, to) in [
            (Motion::By(-1), 0, 0),
            (Motion::By(1), 9, 9),
            (Motion::By(1), 3, 4),
            (Motion::Pages(1), 3, 7),
            (Motion::Pages(-1), 3, 0),
            (Motion::Last, 3, 9),
            (Motion::First, 3, 0),
        ] {
            assert_eq!(motion.apply(from, 10, 4), to, "{motion:?} from {from}");
        }
        assert_eq!(Motion::Last.apply(0, 0, 0), 0);
    }
}
