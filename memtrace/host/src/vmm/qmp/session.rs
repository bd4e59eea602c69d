//! One polling round of one VM.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::net::UnixStream;

use super::connection::{Connection, Failure};
use super::{Target, answers, socket};
use crate::vmm::guest::{GuestAnswer, PERIOD_SECONDS, is_too_slow};
use memtrace_core::sample::{GuestSample, GuestStats, VmState};
use memtrace_core::units::Bytes;

/// Where QEMU keeps devices: those with an id, and those without.
pub(super) const CONTAINERS: [&str; 2] = ["/machine/peripheral", "/machine/peripheral-anon"];
/// Of Windows' driver without its service, as virtio-win installs it.
const UNSERVED: &str = "the balloon driver reports no statistics; on Windows its service is missing: \
                        blnsvr.exe -i";
const NO_BALLOON: &str = "the VM has no balloon device";
pub(super) const POLLING: &str = "guest-stats-polling-interval";

/// The state of a VM between rounds.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// QOM path of its balloon whose statistics are switched on.
    balloon: Option<String>,
}

impl Session {
    /// # Errors
    /// A message for the operator, when the monitor can't be reached or the connection breaks.
    /// Refused queries are missing in the answer.
    pub(super) async fn run(&mut self, target: &Target) -> Result<GuestAnswer, String> {
        self.poll(socket::connect(target).await?).await
    }

    /// The same over a stream that is connected.
    pub(super) async fn poll(&mut self, stream: UnixStream) -> Result<GuestAnswer, String> {
        let mut connection = Connection::begin(stream).await?;
        self.ask(&mut connection).await.map_err(Failure::text)
    }

    /// Sets the balloon target (`balloon`, qapi/machine.json).
    ///
    /// # Errors
    /// A message for the operator. A command without an answer may have been carried out.
    pub(super) async fn set_balloon(&mut self, target: &Target, to: Bytes) -> Result<(), String> {
        let stream = socket::connect(target).await?;
        let mut connection = Connection::begin(stream).await?;
        match connection.execute("balloon", json!({ "value": to.0 })).await {
            Ok(_) => Ok(()),
            Err(Failure::Refused { class, .. }) if class == "DeviceNotActive" => {
                Err(NO_BALLOON.to_owned())
            }
            Err(Failure::Refused { text, .. }) => Err(format!("refused: {text}")),
            Err(Failure::Broken(text)) => Err(format!("sent; outcome unknown: {text}")),
        }
    }

    async fn ask(&mut self, connection: &mut Connection) -> Result<GuestAnswer, Failure> {
        let mut answer = GuestAnswer::default();
        let mut guest = GuestSample::default();
        let status = optional(connection.execute("query-status", json!({})).await)?;
        answer.state = status.as_ref().and_then(answers::state);
        let migration = optional(connection.execute("query-migrate", json!({})).await)?;
        if migration.as_ref().is_some_and(answers::is_migrating) {
            answer.state = Some(VmState::Migrating);
        }
        let sizes = sizes(connection).await?;
        (answer.size, guest.maximum) = (sizes.whole, sizes.of_balloon);
        match connection.execute("query-balloon", json!({})).await {
            Ok(balloon) => {
                guest.actual = answers::actual(&balloon);
                // Events before this answer are older than it.
                connection.balloon_changed();
                match self.statistics(connection).await {
                    Ok(stats) => guest.stats = Some(stats),
                    Err(Failure::Refused { text, .. }) => guest.problem = Some(text),
                    Err(broken) => return Err(broken),
                }
            }
            Err(Failure::Refused { class, text }) => {
                self.balloon = None;
                let none = class == "DeviceNotActive";
                guest.problem = Some(if none { NO_BALLOON.to_owned() } else { text });
            }
            Err(broken) => return Err(broken),
        }
        if let Some(reason) = guest.stats.and_then(|stats| missing(&stats)) {
            guest.stats = None;
            guest.problem = Some(reason.to_owned());
        }
        // It moved while we asked.
        guest.actual = connection.balloon_changed().or(guest.actual);
        answer.guest = guest;
        Ok(answer)
    }

    async fn statistics(&mut self, connection: &mut Connection) -> Result<GuestStats, Failure> {
        let path = match self.balloon.take() {
            Some(path) => path,
            None => {
                let path = find_balloon(connection).await?;
                switch_on(connection, &path).await?;
                path
            }
        };
        let arguments = json!({ "path": path, "property": "guest-stats" });
        // When it refuses, the balloon was unplugged perhaps: look again next time.
        let stats = answers::statistics(&connection.execute("qom-get", arguments).await?);
        // Without an update, polling may have been switched off meanwhile.
        self.balloon = is_fresh(&stats).then_some(path);
        Ok(stats)
    }
}

/// Why statistics tell nothing.
fn missing(stats: &GuestStats) -> Option<&'static str> {
    if stats.updated.is_none() {
        return Some("no answer from the guest's balloon driver yet");
    }
    // The driver hands in its first buffer, and a service fills the later ones.
    let told = [stats.total, stats.free, stats.available].iter().any(Option::is_some);
    (!told).then_some(UNSERVED)
}

/// The guest answered within the last five periods.
fn is_fresh(stats: &GuestStats) -> bool {
    let limit = Duration::from_secs(5 * u64::from(PERIOD_SECONDS));
    let updated = stats.updated.map(|updated| UNIX_EPOCH + Duration::from_nanos(updated.0));
    updated.is_some_and(|updated| updated.elapsed().is_ok_and(|age| age < limit))
}

/// How large a VM is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sizes {
    pub(super) whole: Option<Bytes>,
    /// Without what no balloon counts.
    pub(super) of_balloon: Option<Bytes>,
}

pub(super) async fn sizes(connection: &mut Connection) -> Result<Sizes, Failure> {
    let summary = optional(connection.execute("query-memory-size-summary", json!({})).await)?;
    let whole = summary.as_ref().and_then(answers::maximum);
    let mut beyond = Bytes(0);
    if summary.as_ref().is_some_and(answers::has_plugged) {
        let devices = optional(connection.execute("query-memory-devices", json!({})).await)?;
        beyond = devices.as_ref().map(answers::beyond_balloon).unwrap_or_default();
    }
    Ok(Sizes { whole, of_balloon: whole.map(|whole| whole.saturating_sub(beyond)) })
}

pub(super) async fn find_balloon(connection: &mut Connection) -> Result<String, Failure> {
    for container in CONTAINERS {
        let list = connection.execute("qom-list", json!({ "path": container })).await?;
        if let Some(path) = answers::balloon_in(container, &list) {
            return Ok(path);
        }
    }
    let text = "balloon device not found in QEMU's device containers".to_owned();
    Err(Failure::Refused { class: "NotFound".to_owned(), text })
}

/// Enables polling of guest statistics, unless it is on already, and often enough.
async fn switch_on(connection: &mut Connection, path: &str) -> Result<(), Failure> {
    let get = json!({ "path": path, "property": POLLING });
    let interval = connection.execute("qom-get", get).await?;
    if interval.as_u64().is_some_and(is_too_slow) {
        let set = json!({ "path": path, "property": POLLING, "value": PERIOD_SECONDS });
        connection.execute("qom-set", set).await?;
    }
    Ok(())
}

/// What the monitor refused is missing; what broke is an error.
pub(super) fn optional(result: Result<Value, Failure>) -> Result<Option<Value>, Failure> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Failure::Refused { .. }) => Ok(None),
        Err(broken) => Err(broken),
    }
}
