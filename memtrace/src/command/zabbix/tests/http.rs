//! The template by HTTP against a page of metrics, read as Zabbix reads it. The real server has it
//! in `tests/integrations`.

use std::collections::BTreeSet;

use regex::Regex;

use super::{demo, good, identities, macros};
use memtrace_core::fixture;
use memtrace_view::export::metrics::parse::{Sample, samples};

const TEMPLATE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/zabbix/memtrace-http.yaml"));

const URL: &str = "url: 'http://{HOST.CONN}:{$MEMTRACE.PORT}/metrics'\n";

/// An item that is made of the page.
struct Item {
    key: String,
    pattern: String,
    /// `value` or `label`, and which.
    what: (String, String),
    rest: String,
}

fn items() -> Vec<Item> {
    let item = Regex::new(concat!(
        r"(?m)^ +name: .*\n +type: DEPENDENT\n +key: '(?<key>.*)'\n(?<head>(?: .*\n)*?)",
        r" +preprocessing:\n +- type: PROMETHEUS_PATTERN\n +parameters:\n",
        r" +- '(?<pattern>.*)'\n +- '(?<how>.*)'\n +- '(?<label>.*)'\n(?<tail>(?: .*\n)*?)",
        r" +master_item:\n +key: memtrace\.metrics\n",
    ));
    let item = item.expect("it is an expression");
    let read = |found: regex::Captures<'_>| Item {
        key: found["key"].to_owned(),
        pattern: found["pattern"].to_owned(),
        what: (found["how"].to_owned(), found["label"].to_owned()),
        rest: [&found["head"], &found["tail"]].concat(),
    };
    item.captures_iter(TEMPLATE).map(read).collect()
}

/// What Zabbix makes of the page by a pattern: exactly one sample has to match.
fn found(page: &str, pattern: &str, what: (&str, &str)) -> String {
    let parts = Regex::new(r"^(\w+)(?:\{(.*)\})?(==1)?$").expect("it is an expression");
    let parts = parts.captures(pattern).unwrap_or_else(|| panic!("what is {pattern}?"));
    let label = Regex::new("(\\w+)=\"([^\"]*)\"").expect("it is an expression");
    let wanted: Vec<_> = parts
        .get(2)
        .map(|labels| label.captures_iter(labels.as_str()).collect())
        .unwrap_or_default();
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let fits = |(line, sample): (&str, Sample)| {
        let is_it = sample.name == parts[1]
            && wanted.iter().all(|one| sample.labels.get(&one[1]).is_some_and(|is| is == &one[2]))
            && (parts.get(3).is_none() || sample.value == 1.0);
        let value = line.rsplit(' ').next().unwrap_or_default().to_owned();
        let value =
            if what.0 == "label" { sample.labels.get(what.1).cloned() } else { Some(value) };
        is_it.then(|| value.unwrap_or_else(|| panic!("no label {what:?}")))
    };
    let all: Vec<String> = lines
        .flat_map(|line| samples(line).map(move |sample| (line, sample)))
        .filter_map(fits)
        .collect();
    assert_eq!(all.len(), 1, "{pattern}: {all:?}");
    all.into_iter().next().expect("just counted")
}

#[test]
fn each_item_is_made_of_one_page_and_has_the_agents_value() {
    let (page, victim) = (demo(), fixture::demo().vms[1].id.to_string());
    assert_eq!(fixture::demo().vms[1].name, "victim");
    let items = items();
    assert_eq!(items.len(), super::items().len(), "as many as by the agent");
    let of_agent: BTreeSet<String> = super::items().into_iter().map(|(key, _)| key).collect();
    for Item { key, pattern, what, rest } in &items {
        assert!(of_agent.contains(key), "{key}");
        let value = found(&page, &pattern.replace("{#VM.ID}", &victim), (&what.0, &what.1));
        let (typed, vm) = match key.strip_prefix("memtrace.vm[{#VM.ID},") {
            Some(typed) => (typed, Some("victim")),
            None => (key.strip_prefix("memtrace.host[").expect("it is the host's"), None),
        };
        assert_eq!(vm.is_some(), pattern.contains("id=\"{#VM.ID}\""), "{key}");
        let of_agent = good(typed.trim_end_matches(']'), vm);
        let is_word = rest.contains("value_type: CHAR");
        let is_float = rest.contains("value_type: FLOAT");
        assert!(is_word || is_float || value.parse::<u64>().is_ok(), "{key}: {value}");
        match (value.parse::<f64>(), of_agent.parse::<f64>()) {
            (Ok(here), Ok(there)) => assert_eq!(here, there, "{key}"),
            _ => assert!(is_word && value == of_agent, "{key}: {value}, {of_agent}"),
        }
    }
    let changes = |template: &str| template.matches("CHANGE_PER_SECOND").count();
    assert_eq!(changes(TEMPLATE), changes(super::TEMPLATE), "rates of the same counters");
}

#[test]
fn one_page_is_asked_for_and_all_else_is_made_of_it() {
    assert_eq!(TEMPLATE.matches("type: HTTP_AGENT\n").count(), 1);
    let begin = "type: HTTP_AGENT\n      key: memtrace.metrics\n      delay: 1m\n";
    assert!(TEMPLATE.contains(begin) && TEMPLATE.contains(URL));
    let typed = TEMPLATE.matches(" type: DEPENDENT\n").count();
    assert_eq!(TEMPLATE.matches("key: memtrace.metrics\n").count(), typed + 1);
    // Items, prototypes and the rule.
    assert_eq!(typed, items().len() + 1);
    assert!(!TEMPLATE.contains("memtrace by Zabbix agent/"));
}

#[test]
fn vms_are_discovered_by_labels_that_each_has() {
    let rule = "- type: PROMETHEUS_TO_JSON\n        parameters:\n        - memtrace_vm_info\n";
    assert!(TEMPLATE.contains(rule), "the rule is made of one metric");
    let path = Regex::new(r"lld_macro: '(.*)'\n +path: '\$\.labels\[''(\w+)''\]'");
    let path = path.expect("it is an expression");
    let macros: Vec<_> = path.captures_iter(TEMPLATE).collect();
    assert_eq!(macros.len(), 4);
    let infos: Vec<_> =
        samples(&demo()).filter(|sample| sample.name == "memtrace_vm_info").collect();
    assert_eq!(infos.len(), 3);
    for (found, info) in macros.iter().flat_map(|one| infos.iter().map(move |info| (one, info))) {
        assert!(info.labels.contains_key(&found[2]), "{found:?}");
    }
    let used = Regex::new(r"\{#[A-Z.]+\}").expect("it is an expression");
    for name in used.find_iter(TEMPLATE) {
        assert!(macros.iter().any(|one| &one[1] == name.as_str()), "{name:?}");
    }
}

#[test]
fn its_identities_are_its_own_and_its_macros_there() {
    let (own, agents) = (identities(TEMPLATE), identities(super::TEMPLATE));
    let both: Vec<_> = own.intersection(&agents).collect();
    assert_eq!(both.len(), 1, "the group: {both:?}");
    macros(TEMPLATE);
}
