//! How far a number can be trusted.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Most are one of a few fixed texts, and a tick makes tens of thousands of them.
pub type Reason = Cow<'static, str>;

/// How far a number can be trusted. Travels with the number wherever it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "quality", content = "reason", rename_all = "snake_case")]
pub enum Quality {
    /// Agrees with the kernel's own counter.
    Exact,
    /// Near it; the reason says what is missing or added.
    Approximate(Reason),
    /// Not known; the reason says why.
    Absent(Reason),
}

/// Both keys described, whichever variant it is.
#[cfg(feature = "full")]
impl schemars::JsonSchema for Quality {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Quality".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "properties": {
                "quality": {
                    "description": "Exact: agrees with the kernel's own counter.",
                    "enum": ["exact", "approximate", "absent"],
                },
                "reason": { "description": "Why it is not exact.", "type": "string" },
            },
            "required": ["quality"],
        })
    }
}

/// `text`, or `otherwise` where there is none.
pub fn reason_or(text: Option<&str>, otherwise: &'static str) -> Reason {
    text.map_or(Cow::Borrowed(otherwise), |text| Cow::Owned(text.to_owned()))
}

impl Quality {
    pub fn approximate(reason: impl Into<Reason>) -> Self {
        Self::Approximate(reason.into())
    }

    pub fn absent(reason: impl Into<Reason>) -> Self {
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
