//! A monitor for tests.

use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::{Value, json};
use tokio::runtime::Builder;

use super::Target;
use super::inspect::look_over;
use super::session::Session;
use crate::hostfs::process::sight::Start;
use crate::vmm::guest::GuestAnswer;
use crate::vmm::inspection::Inspection;

/// Where the balloon of [`qemu`] is at first.
pub const ACTUAL: u64 = 209_715_200;

/// What a poll makes of a monitor that sends `bytes`, 64 KiB at most, and closes.
pub fn poll(bytes: &[u8]) -> Result<GuestAnswer, String> {
    talk(bytes, async |stream| Session::default().poll(stream).await)
}

/// The same of an inspection.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, String> {
    talk(bytes, look_over)
}

fn talk<T>(bytes: &[u8], ask: impl AsyncFnOnce(tokio::net::UnixStream) -> T) -> T {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(bytes).unwrap();
    theirs.shutdown(Shutdown::Write).unwrap();
    ours.set_nonblocking(true).unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { ask(tokio::net::UnixStream::from_std(ours).unwrap()).await })
}

/// A socket that clients can connect to.
pub struct Monitor {
    directory: tempfile::TempDir,
}

impl Monitor {
    /// Serves each connection with `serve`, on a thread that ends with the test.
    pub fn start(serve: impl Fn(UnixStream) + Send + Sync + 'static) -> Self {
        let serve = Arc::new(serve);
        Self::listen(move |listener| {
            for stream in listener.incoming().map_while(Result::ok) {
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(stream));
            }
        })
    }

    /// The same, one after the other, as QEMU does it.
    pub fn serial(serve: impl Fn(UnixStream) + Send + 'static) -> Self {
        Self::listen(move |listener| listener.incoming().map_while(Result::ok).for_each(&serve))
    }

    fn listen(accept: impl FnOnce(UnixListener) + Send + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/", directory.path().join("root")).unwrap();
        let user = rustix::process::getuid().as_raw();
        std::fs::write(directory.path().join("status"), format!("Uid:\t{user}\n")).unwrap();
        let listener = UnixListener::bind(directory.path().join("q.sock")).unwrap();
        thread::spawn(move || accept(listener));
        Self { directory }
    }

    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    pub fn target(&self) -> Target {
        Target {
            process: self.directory.path().to_owned(),
            path: self.directory.path().join("q.sock").to_str().unwrap().to_owned(),
            start: Start::default(),
            user: None,
            peer: Some(std::process::id()),
        }
    }
}

/// A QEMU with a balloon, with an event before each answer.
pub fn qemu(stream: UnixStream) {
    serve(stream, &AtomicU64::new(ACTUAL));
}

/// The same, whose balloon is at `actual` and obeys at once.
pub fn obedient(actual: &Arc<AtomicU64>) -> impl Fn(UnixStream) + Send + Sync + 'static {
    let actual = Arc::clone(actual);
    move |stream| serve(stream, &actual)
}

/// What devices a QEMU has, for [`device`].
#[derive(Clone, Copy, Debug)]
pub struct Device {
    pub balloon: bool,
    pub vfio: bool,
    /// Of its balloon.
    pub free_page_reporting: bool,
    pub deflate_on_oom: bool,
}

impl Default for Device {
    fn default() -> Self {
        Self { balloon: true, vfio: false, free_page_reporting: true, deflate_on_oom: false }
    }
}

/// A QEMU with these devices, which remembers what it is told from one client to the next.
pub fn device(device: Device) -> impl Fn(UnixStream) + Send + Sync + 'static {
    let (actual, interval) = (AtomicU64::new(ACTUAL), AtomicU64::new(0));
    move |stream| answer(stream, &actual, &interval, device)
}

/// The same with a balloon whose guest is asked at this interval, which a client may change.
pub fn polled(interval: &Arc<AtomicU64>) -> impl Fn(UnixStream) + Send + Sync + 'static {
    let interval = Arc::clone(interval);
    move |stream| answer(stream, &AtomicU64::new(ACTUAL), &interval, Device::default())
}

fn serve(stream: UnixStream, actual: &AtomicU64) {
    answer(stream, actual, &AtomicU64::new(0), Device::default());
}

fn answer(stream: UnixStream, actual: &AtomicU64, interval: &AtomicU64, device: Device) {
    let mut writer = stream.try_clone().unwrap();
    let mut send = |value: Value| writeln!(writer, "{value}\r").is_ok();
    send(json!({ "QMP": { "version": {}, "capabilities": [] } }));
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let command: Value = serde_json::from_str(&line).unwrap();
        let argument = |key: &str| command["arguments"][key].as_str().unwrap_or("").to_owned();
        let result = match command["execute"].as_str().unwrap() {
            "qmp_capabilities" => json!({}),
            "query-status" => json!({ "status": "running", "running": true }),
            "query-balloon" => json!({ "actual": actual.load(Ordering::Relaxed) }),
            "balloon" => {
                let to = command["arguments"]["value"].as_u64().unwrap();
                actual.store(to, Ordering::Relaxed);
                json!({})
            }
            "query-memory-size-summary" => json!({ "base-memory": 536_870_912 }),
            "qom-list" if argument("path") == "/machine/peripheral" => json!([]),
            "qom-list" => {
                let child = |has: bool, kind: &str| {
                    has.then(|| json!({ "name": "device[0]", "type": format!("child<{kind}>") }))
                };
                let vfio = child(device.vfio, "vfio-pci");
                json!([child(device.balloon, "virtio-balloon-pci"), vfio])
            }
            "qom-get" if argument("property") == "guest-stats" => {
                let on = interval.load(Ordering::Relaxed) == 2;
                let total = if on { 500_000_000 } else { u64::MAX };
                json!({ "stats": { "stat-total-memory": total }, "last-update": 1_700_000_000 })
            }
            "qom-get" if argument("property") == "deflate-on-oom" => json!(device.deflate_on_oom),
            "qom-get" if argument("property") == "free-page-reporting" => {
                json!(device.free_page_reporting)
            }
            "qom-get" => json!(interval.load(Ordering::Relaxed)),
            "qom-set" => {
                let value = command["arguments"]["value"].as_u64().unwrap();
                interval.store(value, Ordering::Relaxed);
                json!({})
            }
            _ => {
                let error = json!({ "class": "CommandNotFound", "desc": "no such command" });
                send(json!({ "error": error, "id": command["id"] }));
                continue;
            }
        };
        send(json!({ "event": "STOP", "data": { "actual": 1 } }));
        send(json!({ "return": result, "id": command["id"] }));
    }
}
