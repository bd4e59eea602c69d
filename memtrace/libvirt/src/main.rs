//! memtrace's helper: asks libvirt what memtrace wants to know, over the socket that is its
//! standard input. It is a process of its own so that memtrace neither links libvirt nor suffers
//! where a call hangs, leaks or crashes: it is killed then, and started again. It ends when
//! memtrace does.
#![forbid(unsafe_code)]

mod channel;
mod daemons;
mod domains;
mod requests;

use std::process::ExitCode;
use std::sync::Arc;

use memtrace_host::protocol::VERSION;
use rustix::process::{Signal, getpid, kill_process, set_parent_process_death_signal};

use self::channel::Channel;
use self::requests::Requests;

const USAGE: &str = "memtrace-libvirt is started by memtrace, and of no use by itself";

fn main() -> ExitCode {
    let argument = std::env::args().nth(1).unwrap_or_default();
    match argument.as_str() {
        VERSION => {}
        "--version" => {
            println!("memtrace-libvirt {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        "" => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
        other => {
            eprintln!("memtrace-libvirt speaks protocol {VERSION}, not {other:?}");
            return ExitCode::from(2);
        }
    }
    close_inherited();
    be_ordinary();
    let channel = Arc::new(Channel::of_stdin());
    let ended = Requests::new(Arc::clone(&channel)).serve();
    if let Err(error) = ended {
        eprintln!("memtrace-libvirt: {error}");
        return ExitCode::FAILURE;
    }
    // Threads that hang in libvirt, and what its libraries do at exit, hold nothing up.
    let _ = kill_process(getpid(), Signal::KILL);
    ExitCode::SUCCESS
}

/// Closes what whoever started memtrace has left open. No other thread runs yet.
fn close_inherited() {
    let Ok(listing) = std::fs::read_dir("/proc/self/fd") else { return };
    let names = listing.flatten().map(|entry| entry.file_name());
    let open: Vec<i32> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // The listing's own is closed already.
        let _ = nix::unistd::close(descriptor);
    }
}

/// memtrace may be exempt from OOM kills; what it starts isn't. A stopped helper doesn't outlive it
/// either.
fn be_ordinary() {
    let _ = std::fs::write("/proc/self/oom_score_adj", "0");
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
}
