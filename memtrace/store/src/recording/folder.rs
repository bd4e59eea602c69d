//! A recording: one file, or all those of a directory in the order of their names, which is
//! that of their time.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::read::{ReadError, Reader};
use super::{EXTENSION, Loss, Record};
use memtrace_core::units::{Nanos, WallNanos};

#[derive(Debug)]
pub struct Recording {
    /// All of them.
    all: Vec<PathBuf>,
    /// Those that come after the current one.
    files: VecDeque<PathBuf>,
    current: Option<Reader>,
    losses: Vec<Loss>,
    apart: Nanos,
}

impl Recording {
    /// Of a file or a directory.
    ///
    /// # Errors
    /// When nothing can be read of it. One file of several is a [`Loss`].
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        if !path.is_dir() {
            let (all, current) = (vec![path.to_owned()], Some(Reader::open(path)?));
            let (files, losses) = (VecDeque::new(), Vec::new());
            return Ok(Self { all, files, current, losses, apart: Nanos(0) });
        }
        let all = files(path)?;
        if all.is_empty() {
            let text = format!("there is no *.{EXTENSION} in it");
            return Err(io::Error::new(io::ErrorKind::NotFound, text).into());
        }
        let (files, losses) = (all.clone().into(), Vec::new());
        Ok(Self { files, all, current: None, losses, apart: Nanos(0) })
    }

    /// From now on leaves out moments that follow another of their file within less than `apart`,
    /// which takes a fraction of the time that reading all of them does.
    pub fn thin(&mut self, apart: Nanos) {
        self.apart = apart;
        if let Some(reader) = &mut self.current {
            reader.thin(apart);
        }
    }

    /// Goes on from before `to`, or from the beginning: from where a file can be read, at most
    /// some minutes before. What was lost on the way there isn't told.
    pub fn seek(&mut self, to: WallNanos) {
        let is_before = |path: &PathBuf| {
            let begin = Reader::open(path).ok().and_then(|mut reader| reader.begin());
            begin.is_some_and(|begin| begin <= to)
        };
        let first = self.all.iter().rposition(is_before).unwrap_or(0);
        self.files = self.all.iter().skip(first).cloned().collect();
        self.current = None;
        if let Some(path) = self.files.pop_front() {
            self.enter(path);
        }
        if let Some(reader) = &mut self.current {
            reader.seek(to);
        }
    }

    fn enter(&mut self, path: PathBuf) {
        match Reader::open(&path) {
            Ok(mut reader) => {
                reader.thin(self.apart);
                self.current = Some(reader);
            }
            Err(error) => self.lose(unread(path, &error)),
        }
    }

    /// Once, however often it is passed.
    fn lose(&mut self, loss: Loss) {
        if !self.losses.contains(&loss) {
            self.losses.push(loss);
        }
    }

    /// What could not be read so far, complete at the end.
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }
}

impl Iterator for Recording {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        loop {
            if let Some(mut reader) = self.current.take() {
                let moment = reader.next();
                reader.losses().iter().for_each(|loss| self.lose(loss.clone()));
                if moment.is_some() {
                    self.current = Some(reader);
                    return moment;
                }
            }
            let path = self.files.pop_front()?;
            self.enter(path);
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
