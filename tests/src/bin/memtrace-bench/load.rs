//! A process that faults and swaps at command. Under a VMM's name it is a VM's stand-in.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead, Read};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::scale::cpu_ns;

const PAGE: usize = 4096;
const MIB: usize = 1024 * 1024;
/// Most memory that it takes.
const MOST_MIB: usize = 1024;

/// Obeys a line at a time, and answers each with the nanoseconds of
/// CPU time that it took, in which other work on the host doesn't count: `fault N`
/// writes to each page of N fresh MiB, `zero N` lets the kernel do so, `hold N` takes
/// N MiB for good, `walk` writes to each page of them and `nudge N` to those of the next N
/// MiB, `spawn N` runs N processes.
pub fn play() -> Result<()> {
    let mut held = Vec::new();
    let mut nudged = 0;
    println!("0");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (order, number) = line.split_once(' ').unwrap_or((&line, "0"));
        let number: usize = number.parse().context("how many?")?;
        ensure!(number <= MOST_MIB, "{number} is more than {MOST_MIB}");
        let mut fresh = Vec::new();
        if matches!(order, "fault" | "zero" | "hold") {
            // Zeroed memory of this size is mapped, and not touched.
            fresh = vec![0_u8; number * MIB];
        }
        let begun = cpu_ns();
        match order {
            "fault" => touch(&mut fresh),
            "zero" => File::open("/dev/zero")?.read_exact(&mut fresh)?,
            "hold" => touch(&mut fresh),
            "walk" => touch(&mut held),
            "nudge" => {
                touch(held.chunks_mut(number.max(1) * MIB).nth(nudged).unwrap_or_default());
                nudged = (nudged + 1) % held.len().div_ceil(number.max(1) * MIB).max(1);
            }
            "spawn" => spawn(number)?,
            _ => bail!("what is {line:?}?"),
        }
        println!("{}", cpu_ns() - begun);
        if order == "hold" {
            held = fresh;
        }
    }
    Ok(())
}

/// Touches a fresh page every half second, so that it moves in each tick.
pub fn stir(time: Duration) {
    let mut memory = vec![0_u8; 8 * MIB];
    let begun = Instant::now();
    for page in memory.chunks_mut(PAGE) {
        if begun.elapsed() >= time {
            break;
        }
        touch(page);
        std::thread::park_timeout(Duration::from_millis(500));
    }
}

fn touch(memory: &mut [u8]) {
    for page in memory.chunks_mut(PAGE) {
        page[0] = page[0].wrapping_add(1);
    }
    black_box(memory);
}

fn spawn(count: usize) -> Result<()> {
    for _ in 0..count {
        ensure!(Command::new("true").status()?.success());
    }
    Ok(())
}
