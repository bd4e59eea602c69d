//! Interprets QEMU's answers (qapi/run-state.json, machine.json, migration.json;
//! docs/interop/virtio-balloon-stats.rst). Pure.

use serde_json::Value;

use crate::vmm::qemu::is_passed_through;
use memtrace_core::sample::{GuestStats, VmState};
use memtrace_core::units::{Bytes, WallNanos};

/// `query-status`.
pub(super) fn state(answer: &Value) -> Option<VmState> {
    Some(match answer.get("status")?.as_str()? {
        "running" | "colo" => VmState::Running,
        "paused" | "debug" | "suspended" | "io-error" | "watchdog" | "save-vm" | "restore-vm" => {
            VmState::Paused
        }
        "prelaunch" | "inmigrate" => VmState::Starting,
        "finish-migrate" | "postmigrate" => VmState::Migrating,
        "shutdown" => VmState::ShuttingDown,
        "guest-panicked" | "internal-error" => VmState::Crashed,
        _ => return None,
    })
}

/// `query-migrate`: an outgoing migration is in progress; not part of the VM's status.
pub(super) fn is_migrating(answer: &Value) -> bool {
    let status = answer.get("status").and_then(Value::as_str);
    // All others are under way, those of later versions too.
    status.is_some_and(|status| !["none", "completed", "failed", "cancelled"].contains(&status))
}

/// `query-balloon`: the logical size of the VM.
pub(super) fn actual(answer: &Value) -> Option<Bytes> {
    number(answer, "actual").map(Bytes)
}

/// The event BALLOON_CHANGE (at most one a second): the logical size of the VM.
pub(super) fn balloon_change(message: &Value) -> Option<Bytes> {
    if message.get("event")? != "BALLOON_CHANGE" {
        return None;
    }
    actual(message.get("data")?)
}

/// `query-memory-size-summary`: what it was started with, and what was plugged in.
pub(super) fn maximum(answer: &Value) -> Option<Bytes> {
    let plugged = number(answer, "plugged-memory").unwrap_or(0);
    Some(Bytes(number(answer, "base-memory")?.saturating_add(plugged)))
}

/// Whether more than the boot memory is plugged in.
pub(super) fn has_plugged(answer: &Value) -> bool {
    number(answer, "plugged-memory").is_some_and(|bytes| bytes > 0)
}

/// `query-memory-devices`: what virtio-mem devices have plugged in, which no balloon counts
/// (`get_current_ram_size` in hw/virtio/virtio-balloon.c: boot memory and DIMMs alone).
pub(super) fn beyond_balloon(answer: &Value) -> Bytes {
    let devices = answer.as_array().into_iter().flatten();
    let others =
        devices.filter(|device| device.get("type").is_some_and(|kind| kind == "virtio-mem"));
    let sizes = others.filter_map(|device| number(device.get("data")?, "size"));
    Bytes(sizes.fold(0, u64::saturating_add))
}

/// `qom-list` of a container: the path of the balloon in it.
pub(super) fn balloon_in(container: &str, answer: &Value) -> Option<String> {
    answer.as_array()?.iter().find_map(|child| {
        child.get("type")?.as_str()?.strip_prefix("child<virtio-balloon")?;
        Some(format!("{container}/{}", child.get("name")?.as_str()?))
    })
}

/// `qom-list` of a container: whether a passed-through device is in it.
pub(super) fn has_vfio(answer: &Value) -> bool {
    let is_vfio = |child: &Value| {
        let kind = child.get("type").and_then(Value::as_str);
        let driver = kind.and_then(|kind| kind.strip_prefix("child<")?.strip_suffix('>'));
        driver.is_some_and(is_passed_through)
    };
    answer.as_array().is_some_and(|children| children.iter().any(is_vfio))
}

/// `guest-stats` of a balloon. A value of all ones is one that the guest didn't give.
pub(super) fn statistics(answer: &Value) -> GuestStats {
    let stats = answer.get("stats").unwrap_or(&Value::Null);
    let count = |key| number(stats, key);
    let bytes = |key| number(stats, key).map(Bytes);
    let updated = number(answer, "last-update").filter(|&seconds| seconds > 0);
    GuestStats {
        updated: updated.and_then(|seconds| seconds.checked_mul(1_000_000_000)).map(WallNanos),
        total: bytes("stat-total-memory"),
        free: bytes("stat-free-memory"),
        available: bytes("stat-available-memory"),
        disk_caches: bytes("stat-disk-caches"),
        swap_in: bytes("stat-swap-in"),
        swap_out: bytes("stat-swap-out"),
        major_faults: count("stat-major-faults"),
        minor_faults: count("stat-minor-faults"),
        oom_kills: count("stat-oom-kills"),
    }
}

fn number(object: &Value, key: &str) -> Option<u64> {
    object.get(key)?.as_u64().filter(|&value| value != u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statistics_missing_from_the_guest_are_unknown() {
        let stats = statistics(&json!({
            "stats": {
                "stat-total-memory": 536_870_912, "stat-free-memory": u64::MAX,
                "stat-available-memory": 1024, "stat-swap-in": 0, "stat-major-faults": -1,
            },
            "last-update": 1_700_000_000_u64,
        }));
        assert_eq!(stats.total, Some(Bytes(536_870_912)));
        assert_eq!(stats.free, None);
        assert_eq!(stats.major_faults, None);
        assert_eq!(stats.swap_in, Some(Bytes(0)));
        assert_eq!(stats.updated, Some(WallNanos(1_700_000_000_000_000_000)));
    }

    #[test]
    fn a_guest_that_tells_nothing_of_all_is_none_of_the_numbers() {
        for nothing in [json!(u64::MAX), json!(-1)] {
            let stats = statistics(&json!({
                "stats": {
                    "stat-total-memory": nothing, "stat-free-memory": nothing,
                    "stat-available-memory": nothing, "stat-disk-caches": nothing,
                    "stat-swap-in": nothing, "stat-swap-out": nothing,
                    "stat-major-faults": nothing, "stat-minor-faults": nothing,
                    "stat-htlb-pgalloc": nothing, "stat-htlb-pgfail": nothing, "stat-news": 7,
                },
                "last-update": 0,
            }));
            assert_eq!(stats, GuestStats::default(), "{nothing}");
        }
    }

    #[test]
    fn kills_inside_the_guest_are_known_only_if_reported() {
        let told = |kills| statistics(&json!({ "stats": { "stat-oom-kills": kills } })).oom_kills;
        assert_eq!(told(json!(3)), Some(3));
        assert_eq!(told(json!(0)), Some(0));
        for nothing in [json!(u64::MAX), json!(-1), json!(1.5), json!("3"), json!(null)] {
            assert_eq!(told(nothing.clone()), None, "{nothing}");
        }
        assert_eq!(statistics(&json!({ "stats": { "stat-swap-in": 0 } })).oom_kills, None);
    }

    #[test]
    fn never_updated_is_no_time() {
        assert_eq!(statistics(&json!({ "last-update": 0 })), GuestStats::default());
        assert_eq!(statistics(&json!({ "last-update": 18_000_000_000_000_u64 })).updated, None);
        assert_eq!(statistics(&Value::Null), GuestStats::default());
    }

    #[test]
    fn a_balloons_event_is_distinguished_from_others() {
        let of = |event: &str| {
            balloon_change(&json!({ "event": event, "data": { "actual": 5 }, "timestamp": {} }))
        };
        assert_eq!(of("BALLOON_CHANGE"), Some(Bytes(5)));
        assert_eq!(of("STOP"), None);
        assert_eq!(balloon_change(&json!({ "return": { "actual": 5 } })), None);
        assert_eq!(balloon_change(&json!({ "event": "BALLOON_CHANGE" })), None);
    }

    #[test]
    fn the_balloon_is_found_under_any_name() {
        let answer = json!([
            { "name": "type", "type": "string" },
            { "name": "net0", "type": "child<virtio-net-pci>" },
            { "name": "device[1]", "type": "child<virtio-balloon-pci>" },
        ]);
        assert_eq!(
            balloon_in("/machine/peripheral-anon", &answer).as_deref(),
            Some("/machine/peripheral-anon/device[1]")
        );
        assert!(!has_vfio(&answer) && !has_vfio(&json!({ "type": "child<vfio-pci>" })));
        let of =
            |driver: &str| has_vfio(&json!([{ "name": "h", "type": format!("child<{driver}>") }]));
        assert!(
            of("pci-assign")
                && of("vfio-pci")
                && of("vhost-vdpa-device-pci")
                && !of("vfio-user-pci")
        );
        assert_eq!(balloon_in("/x", &json!([])), None);
        assert_eq!(balloon_in("/x", &json!({ "name": 1 })), None);
    }

    #[test]
    fn sizes_add_up_without_overflow() {
        assert_eq!(maximum(&json!({ "base-memory": 5, "plugged-memory": 6 })), Some(Bytes(11)));
        assert_eq!(maximum(&json!({ "base-memory": 5 })), Some(Bytes(5)));
        let lie = json!({ "base-memory": u64::MAX - 1, "plugged-memory": u64::MAX - 1 });
        assert_eq!(maximum(&lie), Some(Bytes(u64::MAX)));
    }

    #[test]
    fn memory_that_no_balloon_counts_is_told_apart() {
        let answer = json!([
            { "type": "dimm", "data": { "size": 5, "memdev": "/objects/d" } },
            { "type": "virtio-mem", "data": { "size": 7, "max-size": 100 } },
            { "type": "virtio-mem", "data": { "size": 2 } },
            { "type": "news" },
        ]);
        assert_eq!(beyond_balloon(&answer), Bytes(9));
        assert_eq!(beyond_balloon(&json!({})), Bytes(0));
        assert!(has_plugged(&json!({ "base-memory": 5, "plugged-memory": 6 })));
        assert!(!has_plugged(&json!({ "base-memory": 5, "plugged-memory": 0 })));
    }

    #[test]
    fn states() {
        let of = |status: &str| state(&json!({ "status": status }));
        assert_eq!(of("running"), Some(VmState::Running));
        assert_eq!(of("prelaunch"), Some(VmState::Starting));
        assert_eq!(of("postmigrate"), Some(VmState::Migrating));
        assert_eq!(of("something new"), None);
        let more = json!({ "status": "running", "singlestep": false, "running": true, "new": {} });
        assert_eq!(state(&more), Some(VmState::Running));
        assert!(is_migrating(&json!({ "status": "active" })));
        for underway in ["setup", "device", "postcopy-recover-setup", "cancelling", "news of 2031"]
        {
            assert!(is_migrating(&json!({ "status": underway })), "{underway}");
        }
        for over in ["none", "completed", "failed", "cancelled"] {
            assert!(!is_migrating(&json!({ "status": over })), "{over}");
        }
        assert!(!is_migrating(&json!({ "status": 5 })));
        assert!(!is_migrating(&json!({})));
    }
}
