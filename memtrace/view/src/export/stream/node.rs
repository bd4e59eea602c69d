//! A part of the schema, read: keys, words and items, wherever references and variants have them.

use serde_json::Value;

/// The shape of a whole line.
pub(super) const LINE: &str = "line";
/// The shape of a value with its quality.
pub(super) const MEASURED: &str = "measured";

/// A place in a schema.
#[derive(Clone, Copy)]
pub(super) struct SchemaNode<'a> {
    root: &'a Value,
    at: &'a Value,
}

/// A key of an object.
#[derive(Clone, Copy)]
pub(super) struct SchemaKey<'a> {
    pub name: &'a str,
    pub node: SchemaNode<'a>,
    pub help: &'a str,
    /// Left out where there is no value.
    pub optional: bool,
}

impl<'a> SchemaNode<'a> {
    pub(super) const fn root(root: &'a Value) -> Self {
        Self { root, at: root }
    }

    const fn to(self, at: &'a Value) -> Self {
        Self { at, ..self }
    }

    fn text(self, keyword: &str) -> &'a str {
        self.at[keyword].as_str().unwrap_or_default()
    }

    /// Those of a keyword that has a list.
    fn list(self, keyword: &str) -> impl Iterator<Item = Self> {
        self.at[keyword].as_array().into_iter().flatten().map(move |at| self.to(at))
    }

    pub(super) fn help(self) -> &'a str {
        self.text("description")
    }

    /// Without the alternative `null`.
    pub(super) fn present(self) -> Self {
        self.list("anyOf").find(|one| !one.is("null")).unwrap_or(self)
    }

    /// Whether a value may be of this type of JSON.
    pub(super) fn is(self, kind: &str) -> bool {
        match &self.at["type"] {
            Value::String(one) => one == kind,
            Value::Array(several) => several.iter().any(|one| one == kind),
            _ => self.list("anyOf").any(|one| one.is(kind)),
        }
    }

    /// What a reference leads to.
    pub(super) fn target(self) -> Self {
        let place = self.text("$ref").strip_prefix('#').filter(|place| !place.is_empty());
        place.and_then(|place| self.root.pointer(place)).map_or(self, |at| self.to(at))
    }

    /// The name of a type of its own, as the page has it.
    pub(super) fn name(self) -> Option<String> {
        let name = self.text("$ref").rsplit('/').next().filter(|name| !name.is_empty())?;
        let mut snake = String::new();
        for letter in name.chars() {
            if letter.is_uppercase() && !snake.is_empty() {
                snake.push('_');
            }
            snake.extend(letter.to_lowercase());
        }
        Some(snake)
    }

    /// The unit of a number.
    pub(super) fn unit(self) -> Option<&'a str> {
        self.at["unit"].as_str()
    }

    /// The items of a list.
    pub(super) fn items(self) -> Option<Self> {
        self.at.get("items").map(|at| self.to(at))
    }

    /// The values of an object with any keys.
    pub(super) fn any_key(self) -> Option<Self> {
        self.at.get("additionalProperties").filter(|at| at.is_object()).map(|at| self.to(at))
    }

    /// The words that it may be.
    pub(super) fn words(self) -> Vec<&'a str> {
        let target = self.target();
        let of = |node: Self| {
            let words = node.at["enum"].as_array().into_iter().flatten();
            words.chain(node.at.get("const")).filter_map(Value::as_str)
        };
        of(target).chain(target.list("oneOf").flat_map(of)).collect()
    }

    /// Whether it has one key of several.
    #[cfg(test)]
    pub(super) fn is_either(self) -> bool {
        self.target().list("oneOf").next().is_some()
    }

    /// The keys that it may have, in the order in which a line has them; then those that may be
    /// left out.
    pub(super) fn keys(self) -> Vec<SchemaKey<'a>> {
        let target = self.target();
        let mut keys = self.keys_of(target, "");
        for variant in target.list("oneOf") {
            keys.extend(self.keys_of(variant, variant.help()));
        }
        keys
    }

    /// The keys of a part. `otherwise` describes the key of a variant that has only one.
    fn keys_of(self, part: Self, otherwise: &'a str) -> Vec<SchemaKey<'a>> {
        let required: Vec<&str> = part.at["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let properties = part.at["properties"].as_object();
        let rest = properties.into_iter().flatten().map(|(name, _)| &**name);
        let rest = rest.filter(|name| !required.contains(name)).map(|name| (name, true));
        let named = required.iter().map(|name| (*name, false)).chain(rest);
        let key = |(name, optional): (&'a str, bool)| {
            let general = part.at["properties"].get(name)?;
            // Beside a reference stands what is more exact here.
            let node = self.to(self.at["properties"].get(name).unwrap_or(general));
            let help = Some(part.to(general).help()).filter(|help| !help.is_empty());
            Some(SchemaKey { name, node, help: help.unwrap_or(otherwise), optional })
        };
        named.filter_map(key).collect()
    }
}
