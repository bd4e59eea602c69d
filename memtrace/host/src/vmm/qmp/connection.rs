//! The protocol: JSON objects in both directions (docs/interop/qmp-spec.rst).

use std::future::Future;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::answers;
use super::framing::{Framing, NoMessage};
use memtrace_core::units::Bytes;

/// For one command, or the greeting.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest message that is read. Answers to our commands are a few hundred bytes.
const LONGEST_MESSAGE: usize = 1 << 20;
/// Most events and other messages that are skipped while waiting for an answer, and most bytes of
/// all: one thread reads what all monitors send.
const MOST_SKIPPED: u32 = 1000;
const MOST_BYTES: usize = 2 << 20;
const INVALID: &str = "invalid JSON from the monitor";

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The monitor refused; the connection is still usable.
    Refused { class: String, text: String },
    /// The connection is unusable.
    Broken(String),
}

#[derive(Debug)]
pub(super) struct Connection {
    stream: BufReader<UnixStream>,
    last_id: u64,
    balloon_changed: Option<Bytes>,
    /// Bytes that may come until the next command.
    room: usize,
}

impl Connection {
    /// Waits for the greeting, and leaves the mode in which nothing else is allowed.
    pub(super) async fn begin(stream: UnixStream) -> Result<Self, String> {
        let stream = BufReader::new(stream);
        let mut connection = Self { stream, last_id: 0, balloon_changed: None, room: MOST_BYTES };
        let greeting = within("no greeting; another client holds the socket", async {
            connection.message().await.map_err(Failure::Broken)
        });
        match greeting.await {
            Ok(message) if message.get("QMP").is_some() => {}
            Ok(_) => return Err("not a QMP monitor".to_owned()),
            Err(failure) => return Err(failure.text()),
        }
        connection.execute("qmp_capabilities", json!({})).await.map_err(Failure::text)?;
        Ok(connection)
    }

    /// Runs one command and gives what it returned.
    pub(super) async fn execute(
        &mut self,
        command: &str,
        arguments: Value,
    ) -> Result<Value, Failure> {
        within(&format!("no answer to {command}"), self.exchange(command, arguments)).await
    }

    /// The size in the last BALLOON_CHANGE since the last call, if one came between the answers.
    pub(super) fn balloon_changed(&mut self) -> Option<Bytes> {
        self.balloon_changed.take()
    }

    async fn exchange(&mut self, command: &str, arguments: Value) -> Result<Value, Failure> {
        self.last_id = self.last_id.wrapping_add(1);
        self.room = MOST_BYTES;
        let id = Value::from(self.last_id);
        let mut line = json!({ "execute": command, "arguments": arguments, "id": id }).to_string();
        line.push('\n');
        let sent = self.stream.get_mut().write_all(line.as_bytes()).await;
        sent.map_err(|error| Failure::Broken(error.to_string()))?;
        for _ in 0..MOST_SKIPPED {
            let mut message = self.message().await.map_err(Failure::Broken)?;
            self.balloon_changed = answers::balloon_change(&message).or(self.balloon_changed);
            // Events come at any time; an answer to an earlier command that was given up
            // has another id.
            if message.get("id").is_some_and(|other| *other != id) {
                continue;
            }
            if let Some(value) = message.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = message.get("error") {
                let field = |key| error.get(key).and_then(Value::as_str).unwrap_or("?");
                let (class, text) = (field("class").to_owned(), shorten(field("desc")));
                return Err(Failure::Refused { class, text });
            }
        }
        Err(Failure::Broken(format!("no answer to {command} among {MOST_SKIPPED} messages")))
    }

    /// The next message, which may take several lines.
    async fn message(&mut self) -> Result<Value, String> {
        let (mut text, mut framing) = (Vec::new(), Framing::default());
        let most = LONGEST_MESSAGE.min(self.room);
        loop {
            let left = most.saturating_sub(text.len());
            if left == 0 {
                let long = most == LONGEST_MESSAGE;
                self.room = self.room.saturating_sub(text.len());
                return Err(
                    if long { "answer too long" } else { "the monitor sends too much" }.to_owned()
                );
            }
            let bytes = self.stream.fill_buf().await.map_err(|error| error.to_string())?;
            if bytes.is_empty() {
                return Err("monitor closed the connection".to_owned());
            }
            let bytes = bytes.get(..left).unwrap_or(bytes);
            let (length, ended) = framing.advance(bytes).map_err(|NoMessage| INVALID.to_owned())?;
            text.extend(bytes.iter().take(length));
            self.stream.consume(length);
            if ended {
                self.room = self.room.saturating_sub(text.len());
                return serde_json::from_slice(&text).map_err(|_| INVALID.to_owned());
            }
        }
    }
}

impl Failure {
    pub(super) fn text(self) -> String {
        match self {
            Self::Refused { text, .. } | Self::Broken(text) => text,
        }
    }
}

async fn within<T>(
    what: &str,
    future: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let late = || Failure::Broken(format!("{what} within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| Err(late()))
}

/// A monitor's text, sanitised for display.
fn shorten(text: &str) -> String {
    crate::vmm::name::display(text)
}
