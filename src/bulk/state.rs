//! What was done: records that are only added, each synced before the next image is begun.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::work::{Shard, Work};
use crate::digest::Digest;
use crate::error::{Error, Result};

/// Bytes of a line.
const LINE: u64 = 1 << 20;

/// A record: what an image became with these options.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    src: String,
    options: String,
    digest: Digest,
}

/// The records of a folder, which several runs may share: each writes a file of its own.
#[derive(Debug)]
pub struct State {
    known: HashMap<(String, String), Digest>,
    /// None where nothing is kept.
    file: Option<(PathBuf, File)>,
}

impl State {
    /// Keeps nothing.
    pub fn none() -> Self {
        Self { known: HashMap::new(), file: None }
    }

    /// Reads all records of a folder, which is made where it is missing, and adds those of this shard.
    ///
    /// # Errors
    ///
    /// If they can't be read or written, or another run of the same shard is under way.
    pub fn open(folder: &Path, shard: Shard) -> Result<Self> {
        let named = |e: Error| e.in_file(folder.display());
        fs::create_dir_all(folder).map_err(|e| named(Error::io("cannot make the directory", e)))?;
        let path = folder.join(format!("shard-{}.jsonl", shard.name()));
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(&path)
            .map_err(|e| Error::io("cannot open", e).in_file(path.display()))?;
        let locked = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
        locked.map_err(|e| {
            let error = match e {
                rustix::io::Errno::WOULDBLOCK => Error::refused("another run of this shard is under way"),
                e => Error::io("cannot lock (flock)", e.into()),
            };
            error.in_file(path.display())
        })?;
        let mut known = HashMap::new();
        let entries = fs::read_dir(folder).map_err(|e| named(Error::io("cannot read", e)))?;
        for entry in entries {
            let other = entry.map_err(|e| named(Error::io("cannot read", e)))?.path();
            let is_record = other.file_name().is_some_and(|name| {
                let name = name.to_string_lossy();
                name.starts_with("shard-") && name.ends_with(".jsonl")
            });
            if is_record {
                read(&other, &mut known)?;
            }
        }
        // A torn line ends here, so that the next record is a line of its own.
        let len = file.metadata().map_err(|e| Error::io("cannot look at it", e).in_file(path.display()))?.len();
        if len > 0 && !ends_in_newline(&file, len) {
            file.write_all(b"\n").map_err(|e| Error::io("cannot write", e).in_file(path.display()))?;
        }
        Ok(Self { known, file: Some((path, file)) })
    }

    /// What an image became, if that is known.
    pub fn digest(&self, work: &Work) -> Option<Digest> {
        self.known.get(&(work.src.clone(), work.options.clone())).copied()
    }

    /// Keeps what an image became.
    ///
    /// # Errors
    ///
    /// If it can't be written.
    pub fn add(&mut self, work: &Work, digest: Digest) -> Result<()> {
        if let Some((path, file)) = &mut self.file {
            let record = Record { src: work.src.clone(), options: work.options.clone(), digest };
            let mut line = Vec::new();
            super::work::write_line(&record, &mut line)?;
            let written = file.write_all(&line).and_then(|()| file.sync_data());
            written.map_err(|e| Error::io("cannot write", e).in_file(path.display()))?;
        }
        self.known.insert((work.src.clone(), work.options.clone()), digest);
        Ok(())
    }
}

fn ends_in_newline(file: &File, len: u64) -> bool {
    use std::os::unix::fs::FileExt;
    let mut last = [0];
    file.read_at(&mut last, len - 1).is_ok_and(|count| count == 1 && last == *b"\n")
}

/// Reads the records of a file. A line that is none was torn by the end of the machine or of the process: its image is done again.
fn read(path: &Path, known: &mut HashMap<(String, String), Digest>) -> Result<()> {
    let cannot_read = |e| Error::io("cannot read", e).in_file(path.display());
    let mut reader = BufReader::new(File::open(path).map_err(cannot_read)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut reader).take(LINE).read_until(b'\n', &mut line).map_err(cannot_read)? == 0 {
            return Ok(());
        }
        if let Ok(record) = serde_json::from_slice::<Record>(&line) {
            known.insert((record.src, record.options), record.digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(number: u32) -> Work {
        Work { src: format!("r/a@{number}"), dst: "r/b:1".to_owned(), options: "x".to_owned() }
    }

    #[test]
    fn records_last_and_a_torn_line_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let digest = Digest::sha256(b"");
        let mut state = State::open(folder.path(), Shard::WHOLE).unwrap();
        state.add(&work(1), digest).unwrap();
        assert!(State::open(folder.path(), Shard::WHOLE).is_err(), "it is locked");
        drop(state);
        let path = folder.path().join("shard-0-of-1.jsonl");
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(br#"{"src":"r/a@2","opt"#);
        fs::write(&path, &bytes).unwrap();
        let mut state = State::open(folder.path(), Shard::WHOLE).unwrap();
        assert_eq!((state.digest(&work(1)), state.digest(&work(2))), (Some(digest), None));
        state.add(&work(3), digest).unwrap();
        drop(state);
        // Another number of shards knows them as well.
        let state = State::open(folder.path(), Shard::new(1, 4).unwrap()).unwrap();
        assert_eq!(state.digest(&work(3)), Some(digest));
        assert_eq!(state.digest(&Work { options: "y".to_owned(), ..work(3) }), None);
    }
}
