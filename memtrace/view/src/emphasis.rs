//! How loud something is shown, apart from how a medium does that. Pure.

/// How much attention a piece of text asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Plain,
    /// Not known, gone, or of no interest now.
    Dim,
    /// Names and heads.
    Strong,
    /// Deserves attention.
    Warm,
    /// Deserves it now.
    Hot,
}

/// A piece of a line. Pieces are shown whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub text: String,
    pub tone: Tone,
}

impl Part {
    pub fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    pub fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Tone::Plain)
    }
}

impl Tone {
    /// For a value with two thresholds: warm from the first on, hot from the second.
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
