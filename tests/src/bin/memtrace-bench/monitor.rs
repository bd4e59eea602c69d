//! A process that looks like a QEMU with a balloon, and says at once when it is told to move
//! it: the wire's other end. Its guest is made up: nearly all of its memory is available.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// Room for a thousand steps down.
pub const MEMORY_MIB: u64 = 512 * 1024;
const MIB: u64 = 1024 * 1024;

/// On [`ClockId::Monotonic`].
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Serves one client after the other, as QEMU does. A line for each command that moves the
/// balloon (`balloon`, and the nanosecond in which it was there). Ends with who started it.
pub fn serve(socket: &str) -> Result<()> {
    let listener = UnixListener::bind(socket).with_context(|| format!("listen at {socket}"))?;
    std::thread::spawn(move || {
        let mut balloon = Balloon { actual: MEMORY_MIB * MIB };
        for client in listener.incoming().flatten() {
            // One that breaks off is followed by the next.
            let _ = balloon.talk(&client);
        }
    });
    println!("ready");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

struct Balloon {
    actual: u64,
}

impl Balloon {
    fn talk(&mut self, client: &UnixStream) -> Result<()> {
        let mut writer = client;
        writeln!(writer, "{}\r", json!({ "QMP": { "version": {}, "capabilities": [] } }))?;
        for line in BufReader::new(client).lines() {
            let (line, at) = (line?, now_ns());
            let command: Value = serde_json::from_str(&line)?;
            let answer = match self.answer(&command, at) {
                Some(result) => json!({ "return": result, "id": command["id"] }),
                None => {
                    let error = json!({ "class": "CommandNotFound", "desc": "no such command" });
                    json!({ "error": error, "id": command["id"] })
                }
            };
            writeln!(writer, "{answer}\r")?;
        }
        Ok(())
    }

    fn answer(&mut self, command: &Value, at: u64) -> Option<Value> {
        let argument = |key: &str| command["arguments"][key].as_str().unwrap_or("");
        Some(match command["execute"].as_str()? {
            "qmp_capabilities" | "qom-set" => json!({}),
            "query-status" => json!({ "status": "running", "running": true }),
            "query-memory-size-summary" => json!({ "base-memory": MEMORY_MIB * MIB }),
            "query-balloon" => {
                json!({ "actual": self.actual })
            }
            "balloon" => {
                println!("balloon {at}");
                self.actual = command["arguments"]["value"].as_u64()?;
                json!({})
            }
            "qom-list" => json!([{ "name": "balloon0", "type": "child<virtio-balloon-pci>" }]),
            "qom-get" if argument("property") == "guest-stats" => self.statistics(),
            "qom-get" => json!(2),
            _ => return None,
        })
    }

    fn statistics(&self) -> Value {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let available = self.actual - self.actual / 16;
        json!({
            "last-update": seconds,
            "stats": {
                "stat-total-memory": self.actual,
                "stat-free-memory": available,
                "stat-available-memory": available,
                "stat-disk-caches": 0,
                "stat-swap-in": 0,
                "stat-swap-out": 0,
                "stat-major-faults": 0,
                "stat-minor-faults": 0,
            },
        })
    }
}
