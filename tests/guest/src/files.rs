//! The files that a load reads, on the guest's own disk: those that it reads again and again,
//! half of them mapped, and behind them those that it reads once.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result};
use rustix::fs::{Advice, fadvise};
use rustix::mount::{MountFlags, mount};
use vmap::{Advise, Map};

use crate::pages::Random;

const DISK: &str = "/dev/vda";
const FOLDER: &str = "/files";
const FILE: &str = "/files/content";
const PAGE: usize = 4096;
const MIB: u64 = 1 << 20;
/// One read of a file that is read once.
const PIECE: usize = 128 << 10;

pub struct Files {
    again: File,
    map: Map,
    once: File,
    /// Where files begin that are read once, and how far they were.
    begins: u64,
    at: u64,
    length: u64,
    /// So that what is read of the mapping is read.
    sum: u8,
}

impl Files {
    /// `None` in a guest without a disk. `cached`: most MiB that are read again and again.
    ///
    /// # Errors
    /// When its disk can't be read.
    pub fn open(cached: u64) -> Result<Option<Self>> {
        if !std::path::Path::new(DISK).exists() {
            return Ok(None);
        }
        match mount(DISK, FOLDER, "ext4", MountFlags::RDONLY, None) {
            // Of an earlier program.
            Ok(()) | Err(rustix::io::Errno::BUSY) => {}
            Err(error) => return Err(error).context("mount the disk"),
        }
        let (again, once) = (File::open(FILE)?, File::open(FILE)?);
        fadvise(&again, 0, None, Advice::Random)?;
        let map: Map = Map::with_options().map(&again)?;
        map.advise(Advise::Random)?;
        let length = again.metadata()?.len();
        let begins = cached * MIB;
        Ok(Some(Self { again, map, once, begins, at: begins, length, sum: 0 }))
    }

    /// Reads one page of the first `mib` MiB, any of them.
    ///
    /// # Errors
    /// When the disk can't be read.
    pub fn touch(&mut self, mib: u64, random: &mut Random) -> Result<()> {
        let pages = usize::try_from(mib * MIB)? / PAGE;
        let place = random.below(pages) * PAGE;
        if random.next() & 1 == 0 {
            let byte = self.map.get(place).copied().unwrap_or(0);
            self.sum = std::hint::black_box(self.sum.wrapping_add(byte));
            return Ok(());
        }
        let mut page = [0; PAGE];
        self.again.read_at(&mut page, place as u64).context("read a file")?;
        Ok(())
    }

    /// Reads all of the first `mib` MiB.
    ///
    /// # Errors
    /// When the disk can't be read.
    pub fn read_all(&mut self, mib: u64) -> Result<()> {
        let mut piece = vec![0; PIECE];
        let mut place = 0;
        while place < mib * MIB {
            self.once.read_at(&mut piece, place).context("read a file")?;
            place += PIECE as u64;
        }
        Ok(())
    }

    /// Reads the next piece of files that are read once; bytes.
    ///
    /// # Errors
    /// When the disk can't be read.
    pub fn stream(&mut self) -> Result<u64> {
        if self.at + PIECE as u64 > self.length {
            self.at = self.begins;
        }
        self.once.read_at(&mut vec![0; PIECE], self.at).context("read a file")?;
        self.at += PIECE as u64;
        Ok(PIECE as u64)
    }
}
