//! What is decided as JSON: the values that it was decided by (`reason`), and beside them the
//! sentences that views make of them (`because`, `unless`), for programs that show or log them.

use serde_json::{Map, Value, json};

use memtrace_core::policy::decision::Suffering;
use memtrace_core::policy::thought::{Gate, Thought};
use memtrace_core::policy::{Call, Decision, Decisions};
use memtrace_core::reactor::{Called, Entry, HookMessage, Owed, Reaction, Report};

use crate::words;

/// A report, with whose it is.
pub fn report(report: &Report) -> Value {
    let mut value = reaction(&report.reaction);
    set(&mut value, "author", json!(report.author));
    set(&mut value, "at", json!(report.at));
    value
}

/// What was made of a sample.
pub fn reaction(reaction: &Reaction) -> Value {
    let mut value = json!(Reaction {
        decisions: Decisions::default(),
        entries: Vec::new(),
        called: None,
        farewell: None,
        ..reaction.clone()
    });
    set(&mut value, "decisions", decisions(&reaction.decisions));
    set(&mut value, "entries", reaction.entries.iter().map(entry).collect());
    if let Some(told) = &reaction.called {
        set(&mut value, "called", called(told));
    }
    let owed = |all: &Vec<Owed>| all.iter().map(owed).collect::<Value>();
    set(&mut value, "farewell", reaction.farewell.as_ref().map_or(Value::Null, owed));
    value
}

/// All of one step.
pub fn decisions(decisions: &Decisions) -> Value {
    let mut value = json!(Decisions {
        actions: Vec::new(),
        thoughts: Vec::new(),
        hook: None,
        ..decisions.clone()
    });
    set(&mut value, "actions", decisions.actions.iter().map(decision).collect());
    set(&mut value, "thoughts", decisions.thoughts.iter().map(thought).collect());
    if let Some(hook) = &decisions.hook {
        set(&mut value, "hook", call(hook));
    }
    value
}

/// Something to do.
pub fn decision(decision: &Decision) -> Value {
    let mut value = json!(decision);
    set(&mut value, "because", json!(words::because(decision)));
    set(&mut value, "unless", json!(words::unless(decision)));
    value
}

/// What the operator's hook reads: one line. Amounts in bytes, times in seconds and RFC 3339.
pub fn hook_line(message: &HookMessage) -> String {
    let HookMessage { wall, host, state, call, names } = message;
    let suffering = call.suffering.iter().map(|suffering| {
        json!({
            "vm": names.get(&suffering.vm),
            "vm_id": suffering.vm.to_string(),
            "from": words::distress(&suffering.from),
        })
    });
    let time = jiff::Timestamp::from_nanosecond(i128::from(wall.0)).ok();
    let line = json!({
        "time": time.map(|time| time.to_string()),
        "host": host,
        "state": state,
        "need": call.need.0,
        "missing": call.missing.0,
        "balloons": call.balloons.0,
        "reclaim": call.reclaim.0,
        "seconds": call.lasts.seconds(),
        "suffering": suffering.collect::<Vec<Value>>(),
        "text": words::call(call),
    });
    line.to_string()
}

fn entry(entry: &Entry) -> Value {
    let mut value = json!(entry);
    set(&mut value, "decision", decision(&entry.decision));
    value
}

fn called(called: &Called) -> Value {
    let mut value = json!(called);
    set(&mut value, "call", call(&called.call));
    value
}

fn call(call: &Call) -> Value {
    let mut value = json!(call);
    set(&mut value, "suffering", call.suffering.iter().map(suffering).collect());
    set(&mut value, "because", json!(words::call(call)));
    set(&mut value, "unless", json!(words::no_call(call)));
    value
}

fn suffering(suffering: &Suffering) -> Value {
    json!({ "vm": suffering.vm, "from": words::distress(&suffering.from) })
}

fn owed(owed: &Owed) -> Value {
    let mut value = json!(owed);
    set(&mut value, "because", json!(words::reason(&owed.reason)));
    value
}

fn thought(thought: &Thought) -> Value {
    let Thought { vm, inputs, gates, arithmetic, otherwise } = thought;
    json!({
        "vm": vm,
        "inputs": inputs.iter().map(words::input).collect::<Vec<String>>(),
        "gates": gates.iter().map(gate).collect::<Vec<Value>>(),
        "arithmetic": arithmetic.iter().map(words::term).collect::<Vec<String>>(),
        "otherwise": otherwise.iter().map(words::what_if).collect::<Vec<String>>(),
    })
}

fn gate(gate: &Gate) -> Value {
    let mut value = json!(gate);
    set(&mut value, "because", json!(words::reason(&gate.reason)));
    value
}

/// Into an object; nothing else comes here.
fn set(value: &mut Value, key: &str, to: Value) {
    if let Some(fields) = value.as_object_mut() {
        let fields: &mut Map<String, Value> = fields;
        fields.insert(key.to_owned(), to);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use memtrace_core::fixture;
    use memtrace_core::policy::Level;
    use memtrace_core::policy::reason::Distress;
    use memtrace_core::reactor::{Decided, Fate};
    use memtrace_core::sample::VmId;

    #[test]
    fn values_and_sentences_stand_beside_each_other() {
        let Decided::Report(decided) = fixture::enforced() else { panic!("nothing is decided") };
        let value = report(&decided);
        let action = &value["decisions"]["actions"][0];
        assert_eq!(action["reason"]["kind"], "short");
        assert_eq!(action["reason"]["need"], 205 << 20);
        assert!(action["because"].as_str().is_some_and(|text| text.contains("205 MiB are needed")));
        let gate = &value["decisions"]["thoughts"][1]["gates"][1];
        assert_eq!((&gate["name"], &gate["open"]), (&json!("at ease"), &json!(false)));
        assert_eq!(gate["reason"]["symptoms"][0]["kind"], "host_swap_in");
        assert!(gate["because"].as_str().is_some_and(|text| text.starts_with("in distress: ")));
        assert_eq!(value["decisions"]["state"], "soft");
        assert!(value["entries"][0]["decision"]["unless"].is_string());
    }

    #[test]
    fn the_hook_reads_one_line_with_all_that_it_needs() {
        let vm = VmId::Process { pid: 7, start: 1 };
        let mut call = fixture::called(Fate::Done).call;
        call.suffering = vec![Suffering { vm, from: Distress::Available(2.5) }];
        let names = BTreeMap::from([(vm, "web\n\u{1b}[2J".to_owned())]);
        let (wall, host, state) = (fixture::WALL, Some("kvm-7".to_owned()), Some(Level::Low));
        let line = hook_line(&HookMessage { wall, host, state, call, names });
        assert!(!line.contains('\n') && !line.contains('\u{1b}'), "{line}");
        let line: Value = serde_json::from_str(&line).expect("it is JSON");
        assert_eq!((&line["state"], &line["host"]), (&json!("low"), &json!("kvm-7")));
        assert_eq!((&line["missing"], &line["seconds"]), (&json!(600 << 20), &json!(31.0)));
        assert_eq!(line["suffering"][0]["from"], "2.5 % available in the guest");
        for field in ["time", "need", "balloons", "reclaim", "text"] {
            assert!(!line[field].is_null(), "{field}: {line}");
        }
    }
}
