//! Prints what the live source reads, without the kernel side: for a look by eye at the
//! files and hypervisors of a host. `cargo run --example sample -- [COUNT] [--brief]`

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use memtrace_core::source::Source;
use memtrace_host::hostfs::HostRoot;
use memtrace_host::live::{LiveOptions, LiveSource};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let brief = arguments.iter().any(|argument| argument == "--brief");
    let count: u32 = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(1);
    let root = HostRoot::live().context("reading the table of mounts")?;
    let absent = Err("this example runs without it".to_owned());
    let mut source = LiveSource::new(root, absent, LiveOptions::default());
    for number in 0..count {
        if number > 0 {
            source.wait(Duration::from_secs(1));
        }
        let begun = Instant::now();
        let sample = source.sample(None)?;
        let took = begun.elapsed();
        if brief {
            println!("--- {took:?}");
            for vm in &sample.vms {
                println!(
                    "{} {:?} {:?} {:?} {:?} {:?}",
                    vm.id, vm.name, vm.accelerator, vm.manager, vm.state, vm.guest
                );
            }
            for notice in &sample.notices {
                println!("! {}: {}", notice.about.word(), notice.text);
            }
        } else {
            println!("{}", serde_json::to_string_pretty(&sample)?);
        }
    }
    Ok(())
}
