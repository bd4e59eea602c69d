//! How far a number can be trusted. Depends on nothing of memtrace: the lab reads it too.

use serde::{Deserialize, Serialize};

/// How far a number can be trusted. Travels with the number wherever it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "quality", content = "reason", rename_all = "snake_case")]
pub enum Quality {
    /// Agrees with the kernel's own counter.
    Exact,
    /// Near it; the reason says what is missing or added.
    Approximate(String),
    /// Not known; the reason says why.
    Absent(String),
}

impl Quality {
    pub fn approximate(reason: impl Into<String>) -> Self {
        Self::Approximate(reason.into())
    }

    pub fn absent(reason: impl Into<String>) -> Self {
        Self::Absent(reason.into())
    }

    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent(_))
    }

    /// `exact`, `approximate` or `absent`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Approximate(_) => "approximate",
            Self::Absent(_) => "absent",
        }
    }

    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Exact => None,
            Self::Approximate(reason) | Self::Absent(reason) => Some(reason),
        }
    }

    /// The less trustworthy of two, for a number made of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Absent(_), _) | (Self::Approximate(_), Self::Exact | Self::Approximate(_)) => {
                self
            }
            (_, Self::Absent(_) | Self::Approximate(_)) => other,
            (Self::Exact, Self::Exact) => self,
        }
    }
}
