//! The disk of guests that read files: one image for all of them, made once and kept.

use std::fs::{self, File};
use std::io::{BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::{paths, progress};

const CONTENT_MIB: usize = 1536;
/// With what the file system itself takes.
const IMAGE: &str = "1600M";
const MIB: usize = 1 << 20;
const PAGE: usize = 4096;

/// The image, all of it in the host's page cache: read by this process, it is charged to no
/// guest's cgroup, and no guest waits for the host's own disk.
///
/// # Errors
/// When it can't be made or read.
pub fn ready() -> Result<PathBuf> {
    let folder = paths::target().join("lab/files");
    let image = folder.join("image");
    if !image.exists() {
        make(&folder, &image)?;
    }
    let mut file = File::open(&image)?;
    let mut piece = vec![0; MIB];
    while file.read(&mut piece).context("read the image")? > 0 {}
    Ok(image)
}

fn make(folder: &Path, image: &Path) -> Result<()> {
    let content = folder.join("content");
    fs::create_dir_all(&content)?;
    write_content(&content.join("content")).context("write the files")?;
    let new = image.with_extension("new");
    let mut command = Command::new("mke2fs");
    command.args(["-q", "-F", "-t", "ext4", "-m", "0", "-O", "^has_journal", "-d"]);
    command.arg(&content).arg(&new).arg(IMAGE);
    progress::run("making a disk of files", &mut command, Duration::from_secs(120))?;
    fs::remove_dir_all(&content)?;
    fs::rename(&new, image).context("name the image")
}

/// Not zeros, which swap would not write, and no page like another.
fn write_content(path: &Path) -> Result<()> {
    let mut file = BufWriter::with_capacity(MIB, File::create(path)?);
    let mut piece = vec![0x5A_u8; MIB];
    for number in 0..CONTENT_MIB {
        for (page, bytes) in piece.chunks_mut(PAGE).enumerate() {
            let stamp = (number * MIB + page * PAGE + 1).to_le_bytes();
            if let Some(begin) = bytes.get_mut(..stamp.len()) {
                begin.copy_from_slice(&stamp);
            }
        }
        file.write_all(&piece)?;
    }
    Ok(file.flush()?)
}
