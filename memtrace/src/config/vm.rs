//! Settings of single VMs: `[[vm]]`.

use regex::Regex;
use uuid::Uuid;

use super::problem::Place;
use super::reader::Section;
use memtrace_core::sample::VmLabels;
use memtrace_core::settings::{MOST, PRIORITIES, Priority, VmSettings, VmTable, Which};

/// Reads one table at `place`. `None`: it doesn't identify VMs.
pub(super) fn read(place: &Place, section: &mut Section<'_, '_>) -> Option<VmTable> {
    let which = which(place, section);
    let mut settings = VmSettings::default();
    section.optional("minimum", &mut settings.minimum);
    let maximum = section.optional("maximum", &mut settings.maximum);
    if let (Some(place), Some(low), Some(high)) = (maximum, settings.minimum, settings.maximum)
        && high < low
    {
        section.problem(place, "maximum", "must not be less than minimum");
    }
    let weight = section.optional("weight", &mut settings.weight);
    if let (Some(place), Some(weight)) = (weight, settings.weight)
        && weight > MOST
    {
        section.problem(place, "weight", format!("must be at most {MOST}"));
    }
    let mut priority = Priority::Normal;
    if section.choose("priority", &PRIORITIES, &mut priority).is_some() {
        settings.priority = Some(priority);
    }
    section.optional("exclude", &mut settings.exclude);
    let mut labels = VmLabels::default();
    section.optional("alias", &mut labels.name);
    labels.more = section.texts("labels");
    Some(VmTable { which: which?, settings, labels })
}

fn which(place: &Place, section: &mut Section<'_, '_>) -> Option<Which> {
    let (mut name, mut uuid, mut pattern) = (None, None, None);
    section.optional::<String>("name", &mut name);
    let at_uuid = section.optional::<String>("uuid", &mut uuid);
    let at_pattern = section.optional::<String>("match", &mut pattern);
    match (name, uuid, pattern) {
        (Some(name), None, None) => Some(Which::Name(name)),
        (None, Some(uuid), None) => {
            let read = Uuid::parse_str(&uuid);
            if let (Err(error), Some(place)) = (&read, at_uuid) {
                section.problem(place, "uuid", error.to_string());
            }
            read.ok().map(Which::Uuid)
        }
        (None, None, Some(pattern)) => {
            let read = Regex::new(&pattern);
            if let (Err(error), Some(place)) = (&read, at_pattern) {
                // The error has several lines; the last is the message.
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                let last = last.trim_start_matches("error: ");
                section.problem(place, "match", format!("invalid regular expression: {last}"));
            }
            read.ok().map(Which::Match)
        }
        _ => {
            let text = "must have one of `name`, `uuid` and `match`";
            section.problem(place.clone(), "", text);
            None
        }
    }
}
