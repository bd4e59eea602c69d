//! Visual emphasis of text, independent of the medium. Pure.

/// The emphasis of a piece of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Emphasis {
    #[default]
    Plain,
    /// Unknown, gone, or secondary.
    Dim,
    /// Names and headings.
    Strong,
    /// Warning.
    Warm,
    /// Critical.
    Hot,
}

/// A piece of a line, shown in full or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub text: String,
    pub emphasis: Emphasis,
}

impl Part {
    pub fn new(text: impl Into<String>, emphasis: Emphasis) -> Self {
        Self { text: text.into(), emphasis }
    }

    pub fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Emphasis::Plain)
    }
}

impl Emphasis {
    /// The emphasis of a value with a warning and a critical threshold.
    pub fn of(value: f64, thresholds: [f64; 2]) -> Self {
        if value >= thresholds[1] {
            Self::Hot
        } else if value >= thresholds[0] {
            Self::Warm
        } else {
            Self::Plain
        }
    }
}
