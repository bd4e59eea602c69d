//! What is decided as JSON: the values that it was decided by (`reason`), and beside them the
//! sentences that views make of them (`because`, `unless`), for programs that show or log them.
//!
//! The types are named as core's, whose form they have but for what is put into words. Comments of
//! fields describe them in docs/stream.md.

use memtrace_core::policy::decision::Suffering as Sufferer;
use memtrace_core::policy::reason::Ahead;
use memtrace_core::policy::thought;
use memtrace_core::policy::{self, Level};
use memtrace_core::reactor::{self, Author, Fate, HookMessage, Mode, Target};
use memtrace_core::sample::VmId;
use memtrace_core::units::{Bytes, WallNanos};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::words;

/// Decisions of the policy, and their derivation.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Reaction")]
pub(super) struct Report<'a> {
    /// Instance that decided.
    author: Author,
    /// Time of the policy step.
    at: WallNanos,
    #[serde(flatten)]
    reaction: Reaction<'a>,
}

/// What was made of a sample.
#[derive(Serialize, JsonSchema)]
struct Reaction<'a> {
    /// Whether decisions are carried out.
    mode: Mode,
    /// Why decisions can't be carried out now.
    problem: Option<&'a str>,
    /// Decisions of the newest step.
    decisions: Decisions<'a>,
    /// VMs outside the scope: not decided about, and without alerts.
    #[serde(skip_serializing_if = "<[VmId]>::is_empty")]
    outside_scope: &'a [VmId],
    /// Balloon targets.
    targets: &'a [Target],
    /// Recent decisions with their outcome, oldest first.
    entries: Vec<Entry<'a>>,
    /// Last call of the hook.
    #[serde(skip_serializing_if = "Option::is_none")]
    called: Option<Called<'a>>,
    /// At shutdown: memory taken from VMs and not yet given back.
    farewell: Option<Vec<Owed<'a>>>,
}

/// Result of one policy step.
#[derive(Serialize, JsonSchema)]
struct Decisions<'a> {
    /// State of the host, or of the scope.
    state: Option<Level>,
    /// Forecast for the next 10 minutes.
    ahead: &'a [Ahead],
    /// Memory that balloons could reclaim now.
    #[serde(skip_serializing_if = "Option::is_none")]
    reclaimable: Option<Bytes>,
    /// Actions.
    actions: Vec<Decision<'a>>,
    /// Call of the hook.
    #[serde(skip_serializing_if = "Option::is_none")]
    hook: Option<Call<'a>>,
    /// Derivation for the host (`vm` is `null`) and each VM.
    thoughts: Vec<Thought<'a>>,
    /// VMs whose balloon is stuck.
    flagged: &'a [VmId],
}

/// An action with its reasons.
#[derive(Serialize, JsonSchema)]
struct Decision<'a> {
    #[serde(flatten)]
    decision: &'a policy::Decision,
    /// Reason, with values.
    because: String,
    /// Condition under which it would have decided otherwise.
    unless: String,
}

/// Derivation of a decision.
#[derive(Serialize, JsonSchema)]
struct Thought<'a> {
    /// VM; `null`: the host.
    vm: Option<VmId>,
    /// Input values.
    inputs: Vec<String>,
    /// Preconditions, in order of evaluation.
    gates: Vec<Gate<'a>>,
    /// Calculation with values.
    arithmetic: Vec<String>,
    /// Changes that would lead to another decision.
    otherwise: Vec<String>,
}

/// A precondition for taking memory; all must be open.
#[derive(Serialize, JsonSchema)]
struct Gate<'a> {
    #[serde(flatten)]
    gate: &'a thought::Gate,
    /// Reason, with values.
    because: String,
}

/// A decision and its outcome.
#[derive(Serialize, JsonSchema)]
struct Entry<'a> {
    /// Sequence number.
    number: u64,
    /// Time.
    wall: WallNanos,
    /// Name of the VM; untrusted.
    name: &'a str,
    /// Decision.
    decision: Decision<'a>,
    /// Outcome.
    fate: Ended,
}

/// The outcome of a decision.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Fate")]
enum Ended {
    /// No order was given.
    Observed,
    /// An order whose end isn't known yet.
    InFlight,
    /// The hypervisor or the kernel accepted it. Its effect is seen in the next samples.
    Done,
    /// The reason.
    Failed(String),
}

impl From<&Fate> for Ended {
    fn from(fate: &Fate) -> Self {
        match fate {
            Fate::Observed => Self::Observed,
            Fate::InFlight => Self::InFlight,
            Fate::Done => Self::Done,
            Fate::Failed(failure) => Self::Failed(words::failure(failure)),
        }
    }
}

/// A call of the hook and its outcome.
#[derive(Serialize, JsonSchema)]
struct Called<'a> {
    /// Sequence number.
    number: u64,
    /// Time.
    wall: WallNanos,
    /// Call.
    call: Call<'a>,
    /// Outcome.
    fate: Ended,
}

/// Memory that can't be reclaimed by memtrace.
#[derive(Serialize, JsonSchema)]
struct Call<'a> {
    #[serde(flatten)]
    call: &'a policy::Call,
    /// VMs in distress.
    // Takes the place of the call's own, which has values: of two keys the later one stays.
    suffering: Vec<Suffering>,
    /// Reason, with values.
    because: String,
    /// Condition under which the hook would not be called.
    unless: String,
}

/// A VM in distress.
#[derive(Serialize, JsonSchema)]
struct Suffering {
    /// VM.
    vm: VmId,
    /// Cause of distress.
    from: String,
}

/// Memory taken from a VM and not yet given back.
#[derive(Serialize, JsonSchema)]
struct Owed<'a> {
    #[serde(flatten)]
    owed: &'a reactor::Owed,
    /// Reason.
    because: String,
}

/// A report, with whose it is.
pub fn report(report: &reactor::Report) -> Value {
    let reactor::Report { author, at, reaction } = report;
    json!(Report { author: *author, at: *at, reaction: reaction.into() })
}

/// What was made of a sample.
pub fn reaction(reaction: &reactor::Reaction) -> Value {
    json!(Reaction::from(reaction))
}

/// All of one step.
pub fn decisions(decisions: &policy::Decisions) -> Value {
    json!(Decisions::from(decisions))
}

/// Something to do.
pub fn decision(decision: &policy::Decision) -> Value {
    json!(Decision::from(decision))
}

/// What the operator's hook reads: one line. Amounts in bytes, times in seconds and RFC 3339.
pub fn hook_line(message: &HookMessage) -> String {
    let HookMessage { wall, host, state, call, names, labels } = message;
    let suffering = call.suffering.iter().map(|suffering| {
        json!({
            "vm": names.get(&suffering.vm),
            "vm_id": suffering.vm.to_string(),
            "labels": labels.get(&suffering.vm),
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

impl<'a> From<&'a reactor::Reaction> for Reaction<'a> {
    fn from(reaction: &'a reactor::Reaction) -> Self {
        let reactor::Reaction {
            mode,
            problem,
            decisions,
            outside_scope,
            targets,
            entries,
            called,
            farewell,
        } = reaction;
        Self {
            mode: *mode,
            problem: problem.as_deref(),
            decisions: decisions.into(),
            outside_scope,
            targets,
            entries: entries.iter().map(Entry::from).collect(),
            called: called.as_ref().map(Called::from),
            farewell: farewell.as_ref().map(|all| all.iter().map(Owed::from).collect()),
        }
    }
}

impl<'a> From<&'a policy::Decisions> for Decisions<'a> {
    fn from(decisions: &'a policy::Decisions) -> Self {
        let policy::Decisions { state, ahead, reclaimable, actions, hook, thoughts, flagged } =
            decisions;
        Self {
            state: *state,
            ahead,
            reclaimable: *reclaimable,
            actions: actions.iter().map(Decision::from).collect(),
            hook: hook.as_ref().map(Call::from),
            thoughts: thoughts.iter().map(Thought::from).collect(),
            flagged,
        }
    }
}

impl<'a> From<&'a policy::Decision> for Decision<'a> {
    fn from(decision: &'a policy::Decision) -> Self {
        Self { decision, because: words::because(decision), unless: words::unless(decision) }
    }
}

impl<'a> From<&'a thought::Thought> for Thought<'a> {
    fn from(thought: &'a thought::Thought) -> Self {
        let thought::Thought { vm, inputs, gates, arithmetic, otherwise } = thought;
        Self {
            vm: *vm,
            inputs: inputs.iter().map(words::input).collect(),
            gates: gates.iter().map(Gate::from).collect(),
            arithmetic: arithmetic.iter().map(words::term).collect(),
            otherwise: otherwise.iter().map(words::what_if).collect(),
        }
    }
}

impl<'a> From<&'a thought::Gate> for Gate<'a> {
    fn from(gate: &'a thought::Gate) -> Self {
        Self { gate, because: words::reason(&gate.reason) }
    }
}

impl<'a> From<&'a reactor::Entry> for Entry<'a> {
    fn from(entry: &'a reactor::Entry) -> Self {
        let reactor::Entry { number, wall, name, decision, fate } = entry;
        Self { number: *number, wall: *wall, name, decision: decision.into(), fate: fate.into() }
    }
}

impl<'a> From<&'a reactor::Called> for Called<'a> {
    fn from(called: &'a reactor::Called) -> Self {
        let reactor::Called { number, wall, call, fate } = called;
        Self { number: *number, wall: *wall, call: call.into(), fate: fate.into() }
    }
}

impl<'a> From<&'a policy::Call> for Call<'a> {
    fn from(call: &'a policy::Call) -> Self {
        Self {
            call,
            suffering: call.suffering.iter().map(Suffering::from).collect(),
            because: words::call(call),
            unless: words::no_call(call),
        }
    }
}

impl From<&Sufferer> for Suffering {
    fn from(suffering: &Sufferer) -> Self {
        Self { vm: suffering.vm, from: words::distress(&suffering.from) }
    }
}

impl<'a> From<&'a reactor::Owed> for Owed<'a> {
    fn from(owed: &'a reactor::Owed) -> Self {
        Self { owed, because: words::reason(&owed.reason) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use memtrace_core::fixture;
    use memtrace_core::policy::reason::Distress;
    use memtrace_core::reactor::Decided;

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
        call.suffering = vec![Sufferer { vm, from: Distress::Available(2.5) }];
        let names = BTreeMap::from([(vm, "web\n\u{1b}[2J".to_owned())]);
        let (wall, host, state) = (fixture::WALL, Some("kvm-7".to_owned()), Some(Level::Low));
        let line =
            hook_line(&HookMessage { wall, host, state, call, names, labels: BTreeMap::new() });
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
