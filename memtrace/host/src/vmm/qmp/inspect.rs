//! One-time inspection of VMs' devices through QMP, and enabling of statistics polling. Changes
//! nothing else; waits at most [`LIMIT`] per monitor.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connection::{Connection, Failure};
use super::session::{CONTAINERS, POLLING, find_balloon, optional, sizes};
use super::{Target, answers, socket};
use crate::vmm::inspection::{BalloonDevice, Inspection};

/// Time limit for one monitor.
const LIMIT: Duration = Duration::from_secs(6);

/// The answers of all monitors, by process id. They are queried concurrently.
pub fn inspect(targets: Vec<(u32, Target)>) -> BTreeMap<u32, Result<Inspection, String>> {
    let ids: Vec<u32> = targets.iter().map(|(pid, _)| *pid).collect();
    let answered = on_runtime(async move {
        let mut asked = JoinSet::new();
        for (pid, target) in targets {
            asked.spawn(async move { (pid, limited(look(&target)).await) });
        }
        let mut answers = BTreeMap::new();
        while let Some(answer) = asked.join_next().await {
            // A result lost by a panic is reported below.
            answers.extend(answer);
        }
        answers
    });
    let answers = answered.unwrap_or_default();
    let missing = || Err("QMP: cannot start the client".to_owned());
    ids.into_iter().map(|pid| (pid, answers.get(&pid).cloned().unwrap_or_else(missing))).collect()
}

/// Sets the polling period of guest statistics.
///
/// # Errors
/// A message for the operator.
pub fn switch_statistics_on(target: &Target, seconds: u32) -> Result<(), String> {
    on_runtime(limited(switch_on(target, seconds)))
        .unwrap_or_else(|error| Err(format!("QMP: {error}")))
}

fn on_runtime<T>(future: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime: Runtime = Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(future);
    // A socket on a file system that hangs may keep its thread.
    runtime.shutdown_background();
    Ok(result)
}

async fn limited<T>(future: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = || Err(format!("not done within {} s", LIMIT.as_secs()));
    let result = timeout(LIMIT, future).await.unwrap_or_else(|_| late());
    result.map_err(|text| format!("QMP: {text}"))
}

async fn look(target: &Target) -> Result<Inspection, String> {
    look_over(socket::connect(target).await?).await
}

/// The same over a stream that is connected.
pub(super) async fn look_over(stream: UnixStream) -> Result<Inspection, String> {
    let mut connection = Connection::begin(stream).await?;
    ask(&mut connection).await.map_err(Failure::text)
}

async fn ask(connection: &mut Connection) -> Result<Inspection, Failure> {
    let sizes = sizes(connection).await?;
    let (mut vfio, mut path) = (false, None);
    for container in CONTAINERS {
        let list = connection.execute("qom-list", json!({ "path": container })).await?;
        vfio |= answers::has_vfio(&list);
        path = path.or_else(|| answers::balloon_in(container, &list));
    }
    let mut inspection = Inspection { maximum: sizes.of_balloon, vfio, ..Inspection::default() };
    if let Some(path) = path {
        let actual = optional(connection.execute("query-balloon", json!({})).await)?;
        inspection.actual = actual.as_ref().and_then(answers::actual);
        inspection.balloon = Some(balloon(connection, path).await?);
    }
    Ok(inspection)
}

async fn balloon(connection: &mut Connection, path: String) -> Result<BalloonDevice, Failure> {
    let mut values = Vec::new();
    for property in ["deflate-on-oom", "free-page-reporting", POLLING, "guest-stats"] {
        let arguments = json!({ "path": path, "property": property });
        let value = optional(connection.execute("qom-get", arguments).await)?;
        values.push(value.unwrap_or(Value::Null));
    }
    let mut values = values.iter();
    let mut next = || values.next().unwrap_or(&Value::Null);
    Ok(BalloonDevice {
        deflate_on_oom: next().as_bool(),
        free_page_reporting: next().as_bool(),
        period: next().as_u64(),
        stats: answers::statistics(next()),
        path: Some(path),
    })
}

async fn switch_on(target: &Target, seconds: u32) -> Result<(), String> {
    let mut connection = Connection::begin(socket::connect(target).await?).await?;
    let path = find_balloon(&mut connection).await.map_err(Failure::text)?;
    let set = json!({ "path": path, "property": POLLING, "value": seconds });
    connection.execute("qom-set", set).await.map(drop).map_err(Failure::text)
}

#[cfg(test)]
mod tests {
    use std::io::BufRead;

    use super::*;
    use crate::vmm::qmp::fake::{ACTUAL, Device, Monitor, device};
    use memtrace_core::units::Bytes;

    fn one(monitor: &Monitor) -> Result<Inspection, String> {
        inspect(vec![(1, monitor.target())]).remove(&1).expect("it was asked")
    }

    #[test]
    fn a_balloon_is_reported_with_all_properties_and_not_changed() {
        let monitor = Monitor::serial(device(Device::default()));
        for _ in 0..2 {
            let inspection = one(&monitor).expect("it answers");
            assert_eq!(inspection.maximum, Some(Bytes(536_870_912)));
            assert_eq!((inspection.actual, inspection.vfio), (Some(Bytes(ACTUAL)), false));
            let balloon = inspection.balloon.expect("there is one");
            assert_eq!(balloon.path.as_deref(), Some("/machine/peripheral-anon/device[0]"));
            assert_eq!(balloon.deflate_on_oom, Some(false));
            assert_eq!(balloon.free_page_reporting, Some(true));
            assert_eq!((balloon.period, balloon.stats.total), (Some(0), None));
        }
    }

    #[test]
    fn statistics_are_switched_on_when_that_is_wanted() {
        let monitor = Monitor::serial(device(Device::default()));
        assert_eq!(switch_statistics_on(&monitor.target(), 2), Ok(()));
        let balloon = one(&monitor).expect("it answers").balloon.expect("there is one");
        assert_eq!((balloon.period, balloon.stats.total), (Some(2), Some(Bytes(500_000_000))));
    }

    #[test]
    fn no_balloon_and_a_passed_through_device_are_reported() {
        let bare = Device { balloon: false, vfio: true, ..Device::default() };
        let monitor = Monitor::serial(device(bare));
        let inspection = one(&monitor).expect("it answers");
        assert!(inspection.vfio && inspection.balloon.is_none(), "{inspection:?}");
        let error = switch_statistics_on(&monitor.target(), 2).expect_err("there is none");
        assert!(error.contains("not found in QEMU's device containers"), "{error}");
    }

    #[test]
    fn a_monitor_that_is_silent_or_gone_costs_its_own_vm_alone() {
        let silent = Monitor::serial(|stream| {
            // Until the client gives up.
            let _ = std::io::BufReader::new(stream).lines().count();
        });
        let good = Monitor::serial(device(Device::default()));
        let gone = Target { path: "/nowhere/q.sock".to_owned(), ..good.target() };
        let targets = vec![(1, silent.target()), (2, good.target()), (3, gone)];
        let answers = inspect(targets);
        assert!(answers[&2].is_ok(), "{answers:?}");
        for (pid, word) in [(1, "no greeting"), (3, "No such file")] {
            let error = answers[&pid].as_ref().expect_err("it can't tell");
            assert!(error.starts_with("QMP: ") && error.contains(word), "{error}");
        }
    }
}
