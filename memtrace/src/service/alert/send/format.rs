//! Alerts as JSON, in memtrace's own form and in Alertmanager's (its API v2,
//! `postableAlerts`). Pure.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use memtrace_core::alert::{Alert, AlertState};
use memtrace_core::units::WallNanos;
use memtrace_view::words;

/// One alert.
pub(super) fn json(alert: &Alert) -> Value {
    let vm = alert.vm.as_ref();
    json!({
        "alert": alert.condition.name(),
        "state": match alert.state { AlertState::Firing => "firing", AlertState::Resolved => "resolved" },
        "severity": alert.severity.word(),
        "host": alert.host,
        "vm": vm.map(|vm| &vm.name),
        "vm_id": vm.map(|vm| vm.vm.to_string()),
        "vm_labels": vm.map(|vm| &vm.labels).filter(|labels| !labels.is_empty()),
        "text": words::alert(alert),
        "since": time(alert.since),
        "at": time(alert.at),
    })
}

/// A list for `POST /api/v2/alerts`. Firing alerts have no end: Alertmanager resolves them when
/// they aren't repeated.
pub(super) fn alertmanager<'a>(alerts: impl IntoIterator<Item = &'a Alert>) -> Value {
    alerts.into_iter().map(postable).collect()
}

fn postable(alert: &Alert) -> Value {
    let mut labels = Map::new();
    let mut label = |name: &str, value: Option<String>| {
        labels.extend(value.map(|value| (name.to_owned(), Value::String(value))));
    };
    label("alertname", Some(alert.condition.name().to_owned()));
    label("severity", Some(alert.severity.word().to_owned()));
    label("instance", alert.host.clone());
    label("vm", alert.vm.as_ref().map(|vm| vm.name.clone()));
    label("vm_id", alert.vm.as_ref().map(|vm| vm.vm.to_string()));
    label("vm_called", alert.vm.as_ref().and_then(|vm| vm.labels.handle()));
    let mut postable = json!({
        "labels": labels,
        "annotations": { "summary": words::alert(alert) },
        "startsAt": time(alert.since),
    });
    if let (AlertState::Resolved, Some(fields)) = (alert.state, postable.as_object_mut()) {
        fields.insert("endsAt".to_owned(), json!(time(alert.at)));
    }
    postable
}

/// RFC 3339.
fn time(wall: WallNanos) -> Option<String> {
    Some(Timestamp::from_nanosecond(i128::from(wall.0)).ok()?.to_string())
}
