//! Visual emphasis of text, independent of the medium; and what it is on a terminal. Pure.

/// Ends an emphasis on a terminal (ECMA-48, SGR).
pub const END: &str = "\x1b[0m";

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
    /// What begins it on a terminal (ECMA-48, SGR). Empty: nothing.
    pub const fn begin(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "\x1b[2m",
            Self::Strong => "\x1b[1m",
            Self::Warm => "\x1b[33m",
            Self::Hot => "\x1b[31m",
        }
    }

    /// `text` for a terminal, if `colored`.
    pub fn paint(self, text: &str, colored: bool) -> String {
        match self {
            Self::Plain => text.to_owned(),
            _ if !colored || text.is_empty() => text.to_owned(),
            _ => [self.begin(), text, END].concat(),
        }
    }

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
