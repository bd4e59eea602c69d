//! What the operator says of single VMs: bounds, weight, priority, and which VMs are left alone.

use regex::Regex;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::labels::{Claims, VmLabels};
use crate::units::{Bytes, Unreadable};

/// A table, and which VMs it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct VmTable {
    pub which: Which,
    pub settings: VmSettings,
    /// What the operator calls it: a name and labels.
    pub labels: VmLabels,
}

/// Which VMs.
#[derive(Clone, Debug)]
pub enum Which {
    Name(String),
    Uuid(Uuid),
    /// All whose name it finds something in.
    Match(Regex),
}

/// Settings of a VM. `None`: not set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmSettings {
    pub minimum: Option<Bytes>,
    pub maximum: Option<Bytes>,
    /// 1000 is ordinary; 0 is never touched.
    pub weight: Option<u32>,
    pub priority: Option<Priority>,
    pub exclude: Option<bool>,
}

/// Who gives first, and who is given to first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    Low,
    #[default]
    Normal,
    High,
}

impl PartialEq for Which {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(one), Self::Name(other)) => one == other,
            (Self::Uuid(one), Self::Uuid(other)) => one == other,
            (Self::Match(one), Self::Match(other)) => one.as_str() == other.as_str(),
            _ => false,
        }
    }
}

impl Which {
    fn is(&self, name: &str, uuid: Option<Uuid>) -> bool {
        match self {
            Self::Name(wanted) => wanted == name,
            Self::Uuid(wanted) => uuid == Some(*wanted),
            Self::Match(regex) => regex.is_match(name),
        }
    }
}

/// Names and labels of all tables about this VM; the later one wins, key by key.
pub fn configured_labels(tables: &[VmTable], name: &str, uuid: Option<Uuid>) -> VmLabels {
    let about = tables.iter().filter(|table| table.which.is(name, uuid));
    about.fold(VmLabels::default(), |all, table| table.labels.clone().or(all))
}

impl VmSettings {
    /// Of all tables about this VM; the later one wins, key by key.
    pub fn of(tables: &[VmTable], name: &str, uuid: Option<Uuid>) -> Self {
        let about = tables.iter().filter(|table| table.which.is(name, uuid));
        about.fold(Self::default(), |all, table| table.settings.or(all))
    }

    /// Whether what is called so is left alone: a claim is enough for that, and for nothing else.
    pub fn excludes(tables: &[VmTable], claims: &Claims) -> bool {
        let name = claims.name.as_deref();
        let is = |which: &Which| match (which, name) {
            (Which::Uuid(_), _) => which.is("", claims.uuid),
            (_, Some(name)) => which.is(name, None),
            (_, None) => false,
        };
        let said = tables.iter().filter(|table| is(&table.which));
        said.filter_map(|table| table.settings.exclude).next_back().unwrap_or(false)
    }

    /// These, and those where these say nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            minimum: self.minimum.or(other.minimum),
            maximum: self.maximum.or(other.maximum),
            weight: self.weight.or(other.weight),
            priority: self.priority.or(other.priority),
            exclude: self.exclude.or(other.exclude),
        }
    }

    /// From pairs of key and value as text, as the metadata of a libvirt domain has them; and
    /// what is wrong with them. The keys are those of `[[vm]]`.
    pub fn of_texts<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> (Self, Vec<String>) {
        let (mut settings, mut problems) = (Self::default(), Vec::new());
        for (key, text) in pairs {
            let taken = match key {
                "minimum" => text
                    .parse()
                    .map_err(|error: Unreadable| error.wanted.to_owned())
                    .map(|size| settings.minimum = Some(size)),
                "maximum" => text
                    .parse()
                    .map_err(|error: Unreadable| error.wanted.to_owned())
                    .map(|size| settings.maximum = Some(size)),
                "weight" => match text.parse() {
                    Ok(weight) if weight <= MOST => {
                        settings.weight = Some(weight);
                        Ok(())
                    }
                    _ => Err(format!("a whole number, at most {MOST}")),
                },
                "priority" => match PRIORITIES.iter().find(|(word, _)| *word == text) {
                    Some((_, priority)) => {
                        settings.priority = Some(*priority);
                        Ok(())
                    }
                    None => Err("low, normal or high".to_owned()),
                },
                "exclude" => match text.parse() {
                    Ok(exclude) => {
                        settings.exclude = Some(exclude);
                        Ok(())
                    }
                    Err(_) => Err("true or false".to_owned()),
                },
                _ => {
                    problems.push(format!("{key}: there is no such attribute"));
                    continue;
                }
            };
            if let Err(wanted) = taken {
                problems.push(format!("{key}: must be {wanted}, and is {text:?}"));
            }
        }
        if settings.minimum.zip(settings.maximum).is_some_and(|(low, high)| high < low) {
            settings.maximum = None;
            problems.push("maximum: must not be less than minimum".to_owned());
        }
        (settings, problems)
    }
}

/// Priorities as they are written.
pub const PRIORITIES: [(&str, Priority); 3] =
    [("low", Priority::Low), ("normal", Priority::Normal), ("high", Priority::High)];

/// Largest weight: enough for any ratio, too small to overflow a sum.
pub const MOST: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn table(which: Which, minimum: Option<u64>, weight: Option<u32>) -> VmTable {
        let settings = VmSettings { minimum: minimum.map(Bytes), weight, ..VmSettings::default() };
        VmTable { which, settings, labels: VmLabels::default() }
    }

    #[test]
    fn the_later_table_wins_key_by_key() {
        let tables = [
            table(Which::Match(Regex::new("^db-").unwrap()), Some(5), Some(2000)),
            table(Which::Name("db-1".to_owned()), Some(7), None),
            table(Which::Uuid(Uuid::from_u128(1)), None, Some(0)),
        ];
        let of = |name, uuid: Option<u128>| {
            let settings = VmSettings::of(&tables, name, uuid.map(Uuid::from_u128));
            (settings.minimum.map(|bytes| bytes.0), settings.weight)
        };
        assert_eq!(of("db-2", None), (Some(5), Some(2000)));
        assert_eq!(of("db-1", None), (Some(7), Some(2000)));
        assert_eq!(of("db-1", Some(1)), (Some(7), Some(0)));
        assert_eq!(of("my-db-1", Some(2)), (None, None));
    }
}
