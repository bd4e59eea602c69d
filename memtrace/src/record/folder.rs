//! A recording: one file, or all those of a directory in the order of their names, which is
//! that of their time.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::read::{ReadError, Reader};
use super::{EXTENSION, Loss, Moment};

#[derive(Debug)]
pub struct Recording {
    files: VecDeque<PathBuf>,
    current: Option<Reader>,
    losses: Vec<Loss>,
}

impl Recording {
    /// Of a file or a directory.
    ///
    /// # Errors
    /// When nothing can be read of it. One file of several is a [`Loss`].
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let mut recording = Self { files: VecDeque::new(), current: None, losses: Vec::new() };
        if !path.is_dir() {
            recording.current = Some(Reader::open(path)?);
            return Ok(recording);
        }
        recording.files = files(path)?.into();
        if recording.files.is_empty() {
            let text = format!("there is no *.{EXTENSION} in it");
            return Err(io::Error::new(io::ErrorKind::NotFound, text).into());
        }
        Ok(recording)
    }

    /// What could not be read, complete at the end.
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }
}

impl Iterator for Recording {
    type Item = Moment;

    fn next(&mut self) -> Option<Moment> {
        loop {
            if let Some(mut reader) = self.current.take() {
                if let Some(moment) = reader.next() {
                    self.current = Some(reader);
                    return Some(moment);
                }
                self.losses.extend_from_slice(reader.losses());
            }
            let path = self.files.pop_front()?;
            match Reader::open(&path) {
                Ok(reader) => self.current = Some(reader),
                Err(error) => self.losses.push(unread(path, &error)),
            }
        }
    }
}

fn unread(file: PathBuf, error: &ReadError) -> Loss {
    let bytes = fs::metadata(&file).map_or(0, |metadata| metadata.len());
    Loss { file, offset: 0, bytes, samples: None, because: error.to_string() }
}

/// All files of recordings in a directory, oldest first.
pub(super) fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
