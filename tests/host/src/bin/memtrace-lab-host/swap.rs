//! What the host swaps to: the disk that the lab made for it, zram, or the disk through
//! zswap.

use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use memtrace_lab_host::scenario::Swap;
use memtrace_lab_host::swap_header::swap_header;

use crate::child;

/// The disk that the lab made for it, empty.
const DISK: &str = "/dev/vda";
const ZRAM: &str = "/dev/zram0";
const ZRAM_SIZE: &str = "/sys/block/zram0/disksize";
const ZRAM_RESET: &str = "/sys/block/zram0/reset";
const ZRAM_BYTES: u32 = 256 << 20;
const ZSWAP: &str = "/sys/module/zswap/parameters";
const LIMIT: Duration = Duration::from_secs(60);

/// A swap that is on. It is off when this is dropped.
pub struct On {
    swap: Swap,
}

/// Why this kernel can't swap so, if it can't.
pub fn obstacle(swap: Swap) -> Option<&'static str> {
    match swap {
        Swap::Disk => None,
        Swap::Zram => (!Path::new(ZRAM_SIZE).exists()).then_some("this kernel has no zram"),
        Swap::Zswap => (!Path::new(ZSWAP).exists()).then_some("this kernel has no zswap"),
    }
}

impl On {
    /// Swaps so from now on.
    ///
    /// # Errors
    /// When the kernel doesn't take it.
    pub fn new(swap: Swap) -> Result<Self> {
        match swap {
            Swap::Disk => swap_on(DISK)?,
            Swap::Zram => {
                write(ZRAM_SIZE, &ZRAM_BYTES.to_string())?;
                swap_on(ZRAM)?;
            }
            Swap::Zswap => {
                zswap("Y")?;
                swap_on(DISK)?;
            }
        }
        Ok(Self { swap })
    }

    fn off(&self) -> Result<()> {
        match self.swap {
            Swap::Disk => run("/sbin/swapoff", &[DISK]),
            Swap::Zram => {
                run("/sbin/swapoff", &[ZRAM])?;
                write(ZRAM_RESET, "1")
            }
            Swap::Zswap => {
                run("/sbin/swapoff", &[DISK])?;
                zswap("N")
            }
        }
    }
}

impl Drop for On {
    fn drop(&mut self) {
        if let Err(error) = self.off() {
            eprintln!("host: {error:#}");
        }
    }
}

/// With a header for the pages of this kernel.
fn swap_on(device: &str) -> Result<()> {
    let mut file = OpenOptions::new().write(true).open(device)?;
    let bytes = file.seek(SeekFrom::End(0)).with_context(|| format!("the size of {device}"))?;
    file.rewind()?;
    file.write_all(&swap_header(bytes, rustix::param::page_size()))?;
    file.sync_all()?;
    run("/sbin/swapon", &[device])
}

/// Turns zswap on with the first compressor that the kernel has, or off.
fn zswap(state: &str) -> Result<()> {
    let parameters = Path::new(ZSWAP);
    for name in ["lzo", "lz4", "zstd"] {
        if fs::write(parameters.join("compressor"), name).is_ok() {
            break;
        }
    }
    write(&parameters.join("enabled").display().to_string(), state)
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let outcome = child::run(program, arguments, LIMIT)?;
    ensure!(outcome.code == Some(0), "{program} {arguments:?}: {}", outcome.errors);
    Ok(())
}

fn write(path: &str, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {text} to {path}"))
}
