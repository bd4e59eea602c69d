//! A number with its quality: what all numbers of a snapshot are.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::signal::{Quality, Reason};

/// A number that knows how far it can be trusted. `value` is `None` exactly when the
/// quality is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured<T> {
    pub value: Option<T>,
    #[serde(flatten)]
    pub quality: Quality,
}

/// A value with its quality.
#[derive(JsonSchema)]
#[schemars(rename = "Measured")]
#[expect(dead_code, reason = "it is there for its schema")]
struct OfAnything {
    /// `null` exactly if it is absent.
    value: Value,
    #[serde(flatten)]
    quality: Quality,
}

/// The same for every `T`, but for the type of `value`.
impl<T: JsonSchema> JsonSchema for Measured<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Measured_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<Option<T>>();
        let mut schema = generator.subschema_for::<OfAnything>();
        schema.insert("properties".to_owned(), json!({ "value": value }));
        schema
    }
}

impl<T> Measured<T> {
    pub const fn exact(value: T) -> Self {
        Self { value: Some(value), quality: Quality::Exact }
    }

    pub fn approximate(value: T, reason: impl Into<Reason>) -> Self {
        Self { value: Some(value), quality: Quality::approximate(reason) }
    }

    pub fn absent(reason: impl Into<Reason>) -> Self {
        Self { value: None, quality: Quality::absent(reason) }
    }

    /// `value` with `quality`; absent when either is.
    pub fn new(value: Option<T>, quality: Quality) -> Self {
        match (value, quality) {
            (_, quality @ Quality::Absent(_)) => Self { value: None, quality },
            (None, _) => Self::absent("not read this time"),
            (value, quality) => Self { value, quality },
        }
    }

    /// The value put into another form; the quality stays.
    pub fn map<U>(self, form: impl FnOnce(T) -> U) -> Measured<U> {
        Measured { value: self.value.map(form), quality: self.quality }
    }

    /// No better than `quality`, because that went into it too.
    #[must_use]
    pub(crate) fn limited_by(self, quality: Quality) -> Self {
        Self::new(self.value, self.quality.and(quality))
    }
}
