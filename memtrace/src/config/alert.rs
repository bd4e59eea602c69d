//! Alert rules and receivers: `[alert]`.

use super::problem::Place;
use super::reader::Section;
use super::value::{MibPerSecond, Seconds};
use memtrace_core::alert::{Condition, LimitUnit, Rule, SendConfig};
use memtrace_core::units::{Nanos, Percent};

/// Alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertConfig {
    pub send: SendConfig,
    /// Every rule there is, and whether it is used.
    rules: Vec<(Rule, bool)>,
}

impl Default for AlertConfig {
    fn default() -> Self {
        let rules = Condition::ALL.map(|condition| (condition.rule(), true)).to_vec();
        Self { send: SendConfig::default(), rules }
    }
}

impl AlertConfig {
    /// The rules that are used.
    pub fn rules(&self) -> Vec<Rule> {
        self.rules.iter().filter(|(_, used)| *used).map(|(rule, _)| *rule).collect()
    }
}

pub(super) fn read(config: &mut AlertConfig, section: &mut Section<'_, '_>) {
    let send = &mut config.send;
    section.set("log", &mut send.log);
    section.set("command", &mut send.command);
    let place = section.optional("webhook", &mut send.webhook);
    check_url(section, "webhook", place, send.webhook.as_deref());
    let place = section.optional("alertmanager", &mut send.alertmanager);
    check_url(section, "alertmanager", place, send.alertmanager.as_deref());
    section.optional("bearer_token_file", &mut send.bearer_token_file);
    section.optional("basic_auth_file", &mut send.basic_auth_file);
    for (rule, used) in &mut config.rules {
        let mut section = section.section(rule.condition.name());
        section.set("use", used);
        limit(&mut section, rule);
        section.within("for", (Nanos(0), DAY), "at most 24h", &mut rule.lasting);
    }
}

/// In the unit of the condition, which a text names. Rules about memtrace itself have none.
fn limit(section: &mut Section<'_, '_>, rule: &mut Rule) {
    let (mut share, mut rate, mut age) =
        (Percent(rule.limit), MibPerSecond(rule.limit), Seconds(rule.limit));
    rule.limit = match rule.condition.unit() {
        None => return,
        Some(LimitUnit::Percent) => {
            section.set("limit", &mut share);
            share.0
        }
        Some(LimitUnit::MibPerSecond) => {
            section.set("limit", &mut rate);
            rate.0
        }
        Some(LimitUnit::Seconds) => {
            section.set("limit", &mut age);
            age.0
        }
    };
}

const DAY: Nanos = Nanos(86_400 * Nanos::SECOND.0);

fn check_url(section: &Section<'_, '_>, key: &str, place: Option<Place>, url: Option<&str>) {
    let (Some(place), Some(url)) = (place, url) else { return };
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some(rest) = rest else {
        return section.problem(place, key, "must begin with http:// or https://");
    };
    if rest.split('/').next().is_some_and(|host| host.contains('@')) {
        section.problem(place, key, "must have no user and password; use basic_auth_file");
    }
}
