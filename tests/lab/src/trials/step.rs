//! What a step of `memtrace mitigate --json` says of a guest. Pure.

use serde_json::Value;

/// The outcome of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    InFlight,
    Done,
    Failed(String),
}

/// An order that a guest's balloon got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub number: u64,
    /// Bytes.
    pub from: u64,
    pub to: u64,
    pub fate: Fate,
}

/// The orders for this guest that the step shows, oldest first.
pub fn orders(step: &Value, guest: &str) -> Vec<Order> {
    let entries = step.pointer("/reaction/entries").and_then(Value::as_array);
    let of_guest = |entry: &&Value| entry.get("name").and_then(Value::as_str) == Some(guest);
    entries.into_iter().flatten().filter(of_guest).filter_map(order).collect()
}

fn order(entry: &Value) -> Option<Order> {
    let balloon = entry.pointer("/decision/action/balloon")?;
    let bytes = |name: &str| balloon.get(name).and_then(Value::as_u64);
    let fate = entry.get("fate")?;
    Some(Order {
        number: entry.get("number")?.as_u64()?,
        from: bytes("from")?,
        to: bytes("to")?,
        fate: match fate.as_str() {
            Some("in_flight") => Fate::InFlight,
            Some("done") => Fate::Done,
            _ => Fate::Failed(fate.get("failed")?.as_str()?.to_owned()),
        },
    })
}

/// The last order for this guest, while it is under way.
pub fn in_flight(step: &Value, guest: &str) -> Option<Order> {
    orders(step, guest).pop().filter(|order| order.fate == Fate::InFlight && order.to < order.from)
}

/// Why nothing can be done at the moment.
pub fn problem(step: &Value) -> Option<&str> {
    step.pointer("/reaction/problem")?.as_str()
}

/// Whether the step's snapshot has this guest.
pub fn shows(step: &Value, guest: &str) -> bool {
    let vms = step.pointer("/snapshot/vms").and_then(Value::as_array);
    vms.into_iter().flatten().any(|vm| vm.get("name").and_then(Value::as_str) == Some(guest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn step() -> Value {
        let entry = |number: u64, name: &str, fate: Value| {
            let action = json!({"balloon": {"from": 768, "to": 600}});
            json!({"number": number, "name": name, "fate": fate, "decision": {"action": action}})
        };
        let entries = [
            entry(4, "noisy", json!({"failed": "no balloon"})),
            entry(5, "idle", json!("done")),
            entry(6, "noisy", json!("in_flight")),
        ];
        json!({
            "snapshot": {"vms": [{"name": "noisy"}]},
            "reaction": {"problem": "no space", "entries": entries},
        })
    }

    #[test]
    fn the_orders_of_a_guest_are_found_with_their_fates() {
        let fates: Vec<Fate> = orders(&step(), "noisy").into_iter().map(|o| o.fate).collect();
        assert_eq!(fates, [Fate::Failed("no balloon".to_owned()), Fate::InFlight]);
        assert_eq!(in_flight(&step(), "noisy").map(|order| order.number), Some(6));
        assert_eq!(in_flight(&step(), "idle"), None);
    }

    #[test]
    fn the_problem_and_the_guests_are_reported() {
        assert_eq!(problem(&step()), Some("no space"));
        assert!(shows(&step(), "noisy") && !shows(&step(), "idle"));
    }
}
