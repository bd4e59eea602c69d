//! The keys for decisions: of this instance, or of the `memtrace mitigate` on this host.

use super::Form::*;
use super::{Shape, either, list, optional, plain, shape};

const REASON: &str = "as values: its `kind`, and numbers in bytes, nanoseconds and per cent";
const FATES: &str = "observed, in_flight, done";

pub const SHAPES: &[Shape] = &[
    shape(
        "reaction",
        "decisions of the policy, and their derivation",
        &[
            plain("author", WordOr("ourselves", "author"), "instance that decided"),
            plain("at", Time, "time of the policy step"),
            plain("mode", Word("observe, enforce"), "whether decisions are carried out"),
            plain("problem", Text, "why decisions can't be carried out now"),
            plain("decisions", Shape("decisions"), "decisions of the newest step"),
            list("targets", Shape("target"), "balloon targets"),
            list("entries", Shape("entry"), "recent decisions with their outcome, oldest first"),
            optional(plain("called", Shape("called"), "last call of the hook")),
            list(
                "farewell",
                Shape("owed"),
                "at shutdown: memory taken from VMs and not yet given back",
            ),
        ],
    ),
    either(
        "author",
        "another memtrace",
        &[plain("another", Shape("another"), "holder of the journal")],
    ),
    shape("another", "the `memtrace mitigate` on this host", &[plain("pid", Count, "process id")]),
    shape(
        "decisions",
        "result of one policy step",
        &[
            plain("state", Word("calm, soft, hard, low"), "state of the host, or of the scope"),
            list("ahead", Shape("ahead"), "forecast for the next 10 minutes"),
            optional(plain("reclaimable", Bytes, "memory that balloons could reclaim now")),
            list("actions", Shape("decision"), "actions"),
            optional(plain("hook", Shape("call"), "call of the hook")),
            list(
                "thoughts",
                Shape("thought"),
                "derivation for the host (`vm` is `null`) and each VM",
            ),
            list("flagged", Shape("id"), "VMs whose balloon is stuck"),
        ],
    ),
    shape(
        "ahead",
        "forecast from the trend",
        &[
            plain("what", Text, "host state, or `swap`"),
            plain("seconds", Seconds, "seconds until then"),
        ],
    ),
    shape(
        "decision",
        "an action with its reasons",
        &[
            plain("vm", Shape("id"), "VM to act on"),
            plain("action", Shape("action"), "action"),
            plain("rule", Text, "rule: distress, pressure, calm, dead, ..."),
            plain("reason", Anything, REASON),
            plain("because", Text, "reason, with values"),
            plain("unless", Text, "condition under which it would have decided otherwise"),
        ],
    ),
    either(
        "action",
        "one of these keys",
        &[
            plain("balloon", Shape("balloon"), "set the balloon target"),
            plain("reclaim", Shape("reclaim"), "reclaim from its cgroup"),
        ],
    ),
    shape(
        "balloon",
        "a balloon target; below `from` it inflates",
        &[plain("from", Bytes, "current size"), plain("to", Bytes, "target size")],
    ),
    shape("reclaim", "a write to memory.reclaim", &[plain("bytes", Bytes, "bytes to reclaim")]),
    shape(
        "thought",
        "derivation of a decision",
        &[
            plain("vm", Shape("id"), "VM; `null`: the host"),
            list("inputs", Text, "input values"),
            list("gates", Shape("gate"), "preconditions, in order of evaluation"),
            list("arithmetic", Text, "calculation with values"),
            list("otherwise", Text, "changes that would lead to another decision"),
        ],
    ),
    shape(
        "gate",
        "a precondition for taking memory; all must be open",
        &[
            plain("name", Text, "name"),
            plain("open", Flag, "whether it holds"),
            plain("reason", Anything, REASON),
            plain("because", Text, "reason, with values"),
        ],
    ),
    shape(
        "target",
        "a balloon target",
        &[
            plain("vm", Shape("id"), "VM"),
            plain("to", Bytes, "target size"),
            plain("at", Time, "time it was set"),
            plain("ordered", Flag, "true: ordered; false: proposed only (observe mode)"),
        ],
    ),
    shape(
        "entry",
        "a decision and its outcome",
        &[
            plain("number", Count, "sequence number"),
            plain("wall", Time, "time"),
            plain("name", Text, "name of the VM"),
            plain("decision", Shape("decision"), "decision"),
            plain("fate", WordOr(FATES, "fate"), "outcome"),
        ],
    ),
    either("fate", "a failure", &[plain("failed", Text, "reason")]),
    shape(
        "called",
        "a call of the hook and its outcome",
        &[
            plain("number", Count, "sequence number"),
            plain("wall", Time, "time"),
            plain("call", Shape("call"), "call"),
            plain("fate", WordOr(FATES, "fate"), "outcome"),
        ],
    ),
    shape(
        "call",
        "memory that can't be reclaimed by memtrace",
        &[
            plain("need", Bytes, "memory that must be freed"),
            plain("missing", Bytes, "part of it that memtrace can't free"),
            plain("balloons", Bytes, "memory that balloons can still free"),
            plain("reclaim", Bytes, "memory that the next cgroup reclaim frees"),
            plain("lasts", Nanoseconds, "time since it first was missing"),
            plain("after", Nanoseconds, "time that it must be missing"),
            list("suffering", Shape("suffering"), "VMs in distress"),
            plain("host", Shape("standing"), "state of the host or scope"),
            plain("unknown", Count, "VMs of which it is unknown what they could give"),
            plain("vms", Count, "VMs in all"),
            plain("leave", Percent, "available memory from which it would not be called"),
            plain("least", Bytes, "missing memory from which it is called"),
            plain("because", Text, "reason, with values"),
            plain("unless", Text, "condition under which the hook would not be called"),
        ],
    ),
    shape(
        "standing",
        "the host, or the scope",
        &[
            plain("share", Percent, "available memory"),
            plain("total", Bytes, "total memory"),
            plain("level", Word("calm, soft, hard, low"), "state"),
        ],
    ),
    shape(
        "suffering",
        "a VM in distress",
        &[plain("vm", Shape("id"), "VM"), plain("from", Text, "cause of distress")],
    ),
    shape(
        "owed",
        "memory taken from a VM and not yet given back",
        &[
            plain("name", Text, "name of the VM"),
            plain("bytes", Bytes, "amount"),
            plain("reason", Anything, REASON),
            plain("because", Text, "reason"),
            plain("waits", Flag, "true: may still be given back"),
        ],
    ),
];
