//! Data from a pipe, readable while it arrives.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::CHUNK;
use crate::error::{Error, Result};
use crate::memory;
use crate::sync::lock;

/// A spool that one thread fills while others read what is there already, and wait for the rest.
#[derive(Debug)]
pub struct SpoolWriter {
    file: File,
    state: Mutex<Growth>,
    changed: Condvar,
    stopped: AtomicBool,
    /// Is what is still to come not needed?
    draining: AtomicBool,
}

#[derive(Debug, Default)]
struct Growth {
    len: u64,
    /// Set when no more will come: the text of the error if that is because reading failed.
    ended: Option<Option<String>>,
}

/// A spool that is being filled. Dropped by a panic of the filling thread.
struct Unfinished<'g>(&'g SpoolWriter);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.0.end(Some("the thread that reads the input has failed".to_owned()));
    }
}

impl SpoolWriter {
    /// An empty spool in this file.
    pub fn new(file: File) -> Arc<Self> {
        Arc::new(Self {
            file,
            state: Mutex::default(),
            changed: Condvar::new(),
            stopped: AtomicBool::new(false),
            draining: AtomicBool::new(false),
        })
    }

    /// Fills it from a reader to its end, and returns how much was kept; readers learn of an error, too.
    ///
    /// # Errors
    ///
    /// `reader` fails, or the file can't be written.
    pub fn fill(&self, reader: &mut dyn Read) -> Result<u64> {
        // Whatever ends this thread, readers must not wait for what will not come.
        let unfinished = Unfinished(self);
        let result = self.copy_from(reader);
        std::mem::forget(unfinished);
        self.end(result.as_ref().err().map(ToString::to_string));
        result
    }

    fn end(&self, error: Option<String>) {
        lock(&self.state).ended = Some(error);
        self.changed.notify_all();
    }

    /// Asks the filling thread to end: what has arrived is of no use.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// The same, and readers get an error at once.
    #[cfg(feature = "registry")]
    pub fn abandon(&self) {
        self.stop();
        let mut state = lock(&self.state);
        state.ended.get_or_insert_with(|| Some("it is not needed any more".to_owned()));
        self.changed.notify_all();
    }

    /// Asks the filling thread to read on to the end, but to keep nothing more of what comes.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn copy_from(&self, reader: &mut dyn Read) -> Result<u64> {
        let mut buffer = memory::zeros(CHUNK)?;
        let mut len = 0;
        loop {
            if self.stopped.load(Ordering::Relaxed) {
                return Ok(len);
            }
            let count = match reader.read(&mut buffer) {
                Ok(0) => return Ok(len),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::io("cannot read", error)),
            };
            if self.draining.load(Ordering::Relaxed) {
                continue;
            }
            self.file.write_all_at(&buffer[..count], len).map_err(|e| Error::io("cannot spool the input", e))?;
            len += count as u64;
            lock(&self.state).len = len;
            self.changed.notify_all();
        }
    }

    pub(super) fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let mut state = lock(&self.state);
        while state.len <= at {
            match &state.ended {
                Some(None) => return Ok(0),
                Some(Some(text)) => return Err(io::Error::other(text.clone())),
                None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
        let there = usize::try_from(state.len - at).unwrap_or(usize::MAX).min(buffer.len());
        drop(state);
        self.file.read_at(&mut buffer[..there], at)
    }
}
