//! What is decided: by this memtrace, or by the one that mitigates here.

use super::Form::*;
use super::{Shape, either, list, optional, plain, shape};

const REASON: &str = "as values: its `kind`, and numbers in bytes, nanoseconds and per cent";
const FATES: &str = "observed, in_flight, done";

pub const SHAPES: &[Shape] = &[
    shape(
        "reaction",
        "what is decided, and what was thought",
        &[
            plain("author", WordOr("ourselves", "author"), "who decided"),
            plain("at", Time, "when it was thought"),
            plain("mode", Word("observe, enforce"), "whether it is done"),
            plain("problem", Text, "why nothing can be done at the moment"),
            plain("decisions", Shape("decisions"), "of the newest step"),
            list("targets", Shape("target"), "the size of each VM that has one to come to"),
            list("entries", Shape("entry"), "the last decisions with their outcome, oldest first"),
            optional(plain("called", Shape("called"), "what the hook was told last")),
            list("farewell", Shape("owed"), "at the end of a run: what is still owed to VMs"),
        ],
    ),
    either(
        "author",
        "another memtrace",
        &[plain("another", Shape("another"), "it has the journal")],
    ),
    shape("another", "the memtrace that mitigates here", &[plain("pid", Count, "its process id")]),
    shape(
        "decisions",
        "of one step",
        &[
            plain("state", Word("calm, soft, hard, low"), "the host's, or the scope's"),
            list("ahead", Shape("ahead"), "what comes within ten minutes if it goes on like this"),
            optional(plain("reclaimable", Bytes, "what balloons could give now")),
            list("actions", Shape("decision"), "what to do"),
            optional(plain("hook", Shape("call"), "what somebody else is told")),
            list("thoughts", Shape("thought"), "of the host (`vm` is `null`) and of each VM"),
            list("flagged", Shape("id"), "VMs whose balloon has not moved for long"),
        ],
    ),
    shape(
        "ahead",
        "where the trend leads",
        &[plain("what", Text, "a state, or swap"), plain("seconds", Seconds, "until then")],
    ),
    shape(
        "decision",
        "something to do",
        &[
            plain("vm", Shape("id"), "to whom"),
            plain("action", Shape("action"), "what"),
            plain("rule", Text, "in one word: distress, pressure, calm, dead, ..."),
            plain("reason", Anything, REASON),
            plain("because", Text, "why, with its numbers"),
            plain("unless", Text, "what would have led to another decision"),
        ],
    ),
    either(
        "action",
        "one of these",
        &[
            plain("balloon", Shape("balloon"), "sets its size"),
            plain("reclaim", Shape("reclaim"), "has its cgroup give back"),
        ],
    ),
    shape(
        "balloon",
        "less than `from` inflates the balloon",
        &[plain("from", Bytes, "what it has"), plain("to", Bytes, "what it is to have")],
    ),
    shape("reclaim", "through memory.reclaim", &[plain("bytes", Bytes, "how much")]),
    shape(
        "thought",
        "what was considered",
        &[
            plain("vm", Shape("id"), "of whom; `null`: of the host"),
            list("inputs", Text, "what was seen"),
            list("gates", Shape("gate"), "in the order in which they are asked"),
            list("arithmetic", Text, "the sums with their numbers"),
            list("otherwise", Text, "what would have to change"),
        ],
    ),
    shape(
        "gate",
        "a VM gives only when all are open",
        &[
            plain("name", Text, "which"),
            plain("open", Flag, "whether it is"),
            plain("reason", Anything, REASON),
            plain("because", Text, "why, with the numbers"),
        ],
    ),
    shape(
        "target",
        "where a VM's size is going",
        &[
            plain("vm", Shape("id"), "whose"),
            plain("to", Bytes, "the size"),
            plain("at", Time, "since when"),
            plain("ordered", Flag, "else it is what would be ordered"),
        ],
    ),
    shape(
        "entry",
        "a decision, and what became of it",
        &[
            plain("number", Count, "counts up by one"),
            plain("wall", Time, "when"),
            plain("name", Text, "of the VM"),
            plain("decision", Shape("decision"), "what"),
            plain("fate", WordOr(FATES, "fate"), "what became of it"),
        ],
    ),
    either("fate", "it failed", &[plain("failed", Text, "why")]),
    shape(
        "called",
        "what the hook was told, and what became of it",
        &[
            plain("number", Count, "counts up by one"),
            plain("wall", Time, "when"),
            plain("call", Shape("call"), "what"),
            plain("fate", WordOr(FATES, "fate"), "what became of it"),
        ],
    ),
    shape(
        "call",
        "what can't be won back",
        &[
            plain("need", Bytes, "to be freed"),
            plain("missing", Bytes, "of it that nothing here can give"),
            plain("balloons", Bytes, "that balloons can still give"),
            plain("reclaim", Bytes, "that the next step of reclaim gives"),
            plain("lasts", Nanoseconds, "that it has been missing"),
            plain("after", Nanoseconds, "that it has to be missing"),
            list("suffering", Shape("suffering"), "VMs in distress"),
            plain("host", Shape("standing"), "as it stands"),
            plain("unknown", Count, "VMs of which it is not known what they could give"),
            plain("vms", Count, "VMs in all"),
            plain("leave", Percent, "from so much available it would not be called"),
            plain("least", Bytes, "nor with less missing"),
            plain("because", Text, "why, with its numbers"),
            plain("unless", Text, "what would have led to no call"),
        ],
    ),
    shape(
        "standing",
        "the host, or the scope",
        &[
            plain("share", Percent, "available"),
            plain("total", Bytes, "of how much"),
            plain("level", Word("calm, soft, hard, low"), "its state"),
        ],
    ),
    shape(
        "suffering",
        "a VM in distress",
        &[plain("vm", Shape("id"), "who"), plain("from", Text, "from what")],
    ),
    shape(
        "owed",
        "taken from a VM and not given back yet",
        &[
            plain("name", Text, "of the VM"),
            plain("bytes", Bytes, "how much"),
            plain("reason", Anything, REASON),
            plain("because", Text, "why"),
            plain("waits", Flag, "it may still be given"),
        ],
    ),
];
