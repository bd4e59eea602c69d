//! The parts of `cargo xtask bench` that need memtrace's insides, and the processes whose
//! slowing-down it measures. Prints JSON, a document a line.

mod empty;
mod files;
mod herd;
mod latency;
mod load;
mod monitor;
mod record;
mod scale;
mod watched;
mod wire;

use std::time::Duration;

use anyhow::{Context, Result, bail};

const USAGE: &str = "memtrace-bench load | empty TRACEPOINT... | sleep SECONDS | stir SECONDS | \
                     scale POOL VMS quiet|busy | \
                     record POOL VMS quiet|busy | latency SECONDS | wire POOL TIMES";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["load", ..] => load::play(),
        ["empty", tracepoints @ ..] => empty::attach(tracepoints),
        ["monitor", socket, ..] => monitor::serve(socket),
        // What else it is given makes it look like a VM.
        ["sleep", seconds, ..] => {
            std::thread::park_timeout(Duration::from_secs(seconds.parse().context(USAGE)?));
            Ok(())
        }
        ["stir", seconds, ..] => {
            load::stir(Duration::from_secs(seconds.parse().context(USAGE)?));
            Ok(())
        }
        ["scale", pool, vms, how @ ("quiet" | "busy")] => {
            let vms = vms.parse().context(USAGE)?;
            let scale = scale::measure(pool.as_ref(), vms, *how == "busy")?;
            println!("{}", serde_json::to_string(&scale)?);
            Ok(())
        }
        ["record", pool, vms, how @ ("quiet" | "busy")] => {
            let vms = vms.parse().context(USAGE)?;
            print(&[record::measure(pool.as_ref(), vms, *how == "busy")?])
        }
        ["latency", seconds] => print(&latency::measure(seconds.parse().context(USAGE)?)?),
        ["wire", pool, times] => {
            print(&wire::measure(pool.as_ref(), times.parse().context(USAGE)?)?)
        }
        _ => bail!(USAGE),
    }
}

fn print(rows: &[impl serde::Serialize]) -> Result<()> {
    for row in rows {
        println!("{}", serde_json::to_string(row)?);
    }
    Ok(())
}
