//! Downloads: blobs that arrive in temporary files, readable while they do.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::client::{Client, between};
use super::http::is_passing;
use super::retry::pause;
use crate::blob::{Extent, Late, SpoolWriter};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::spool::Spools;
use crate::sync::{lock, not_started};

/// The downloads of one repository: each blob once, so many at a time.
#[derive(Clone)]
pub struct Downloads {
    shared: Arc<Shared>,
}

struct Shared {
    client: Arc<Client>,
    spools: Spools,
    queue: Mutex<Queue>,
    /// Set once nobody needs what is still to come.
    is_over: AtomicBool,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<Download>>,
    running: usize,
}

/// A blob, which is fetched once somebody reads it.
struct Download {
    shared: Arc<Shared>,
    digest: Digest,
    size: u64,
    spool: OnceLock<Result<Arc<SpoolWriter>, String>>,
}

impl Downloads {
    /// Downloads with this client, into these temporary files.
    pub fn new(client: Arc<Client>, spools: Spools) -> Self {
        let shared = Shared { client, spools, queue: Mutex::default(), is_over: AtomicBool::new(false) };
        Self { shared: Arc::new(shared) }
    }

    /// A blob of this size. Nothing is fetched before it is read.
    pub fn blob(&self, digest: Digest, size: u64) -> Extent {
        let download = Download { shared: Arc::clone(&self.shared), digest, size, spool: OnceLock::new() };
        Extent::late(Arc::new(Handle(Arc::new(download))), size)
    }

    /// Stops what is still running: the blobs are of no use any more.
    pub fn stop(&self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        lock(&self.shared.queue).waiting.clear();
    }
}

struct Handle(Arc<Download>);

impl Late for Handle {
    fn start(&self) -> Result<Arc<SpoolWriter>> {
        let download = &self.0;
        let mut is_new = false;
        let spool = download.spool.get_or_init(|| {
            is_new = true;
            download.shared.spools.file().map(SpoolWriter::new).map_err(|e| e.to_string())
        });
        let spool = spool.clone().map_err(Error::refused)?;
        if is_new {
            enqueue(download)?;
        }
        Ok(spool)
    }

    fn abandon(&self) {
        if let Some(Ok(spool)) = self.0.spool.get() {
            spool.abandon();
        }
    }
}

/// Has a thread fetch it, soon.
fn enqueue(download: &Arc<Download>) -> Result<()> {
    let shared = &download.shared;
    let mut queue = lock(&shared.queue);
    queue.waiting.push_back(Arc::clone(download));
    if queue.running >= shared.client.jobs() {
        return Ok(());
    }
    let own = Arc::clone(shared);
    let started = std::thread::Builder::new().name("download".to_owned()).spawn(move || work(&own));
    match started {
        Ok(_) => queue.running += 1,
        Err(error) if queue.running == 0 => {
            queue.waiting.pop_back();
            if let Some(Ok(spool)) = download.spool.get() {
                // Whoever else reads it learns of it.
                let _ = spool.fill(&mut Failing);
            }
            return Err(not_started(error));
        }
        Err(_) => {}
    }
    Ok(())
}

/// A download that never began.
struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("there is no thread for the download"))
    }
}

/// Fetches until nothing waits.
fn work(shared: &Shared) {
    loop {
        let next = {
            let mut queue = lock(&shared.queue);
            let next = queue.waiting.pop_front();
            if next.is_none() {
                queue.running -= 1;
            }
            next
        };
        let Some(download) = next else { return };
        if let Some(Ok(spool)) = download.spool.get() {
            // Readers learn of an error.
            let _ = spool.fill(&mut Resumed::new(shared, download.digest, download.size));
        }
    }
}

/// The bytes of a blob; where the stream breaks off, it goes on from there.
struct Resumed<'s> {
    shared: &'s Shared,
    digest: Digest,
    size: u64,
    /// Bytes that have arrived.
    at: u64,
    stream: Option<Box<dyn Read + Send>>,
    /// Bytes of the stream that had arrived before.
    skip: u64,
    /// Attempts since the last byte arrived.
    attempts: u32,
}

impl<'s> Resumed<'s> {
    fn new(shared: &'s Shared, digest: Digest, size: u64) -> Self {
        Self { shared, digest, size, at: 0, stream: None, skip: 0, attempts: 0 }
    }

    /// Opens the stream at the first byte that has not arrived.
    fn open(&mut self) -> Result<Box<dyn Read + Send>> {
        let response = self.shared.client.open_blob(&self.digest, self.at)?;
        let whole = response.status == 200;
        if !whole {
            let range = response.header("content-range").unwrap_or_default().to_owned();
            let first = range.strip_prefix("bytes ").and_then(|range| range.split('-').next()?.parse::<u64>().ok());
            if first != Some(self.at) {
                let expected = format!("bytes {}-", self.at);
                return Err(Error::malformed("Content-Range", expected, crate::error::quoted(&range)));
            }
        }
        let expected = if whole { self.size } else { self.size - self.at };
        if let Some(length) = response.length().filter(|length| *length != expected) {
            return Err(Error::malformed("Content-Length", format!("{expected}, the rest of the blob"), length));
        }
        // It gives out all of it again.
        self.skip = if whole { self.at } else { 0 };
        Ok(Box::new(response.reader()))
    }
}

impl Read for Resumed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let client = &self.shared.client;
        loop {
            (client.stop)()?;
            if self.shared.is_over.load(Ordering::Relaxed) {
                return Err(Error::interrupted().into());
            }
            if self.stream.is_none() {
                let opened = self.open();
                self.stream = Some(opened.map_err(|e| io::Error::from(e.in_blob(self.digest)))?);
            }
            let Some(stream) = &mut self.stream else { continue };
            let left = self.size - self.at;
            // One byte more than there should be, to see that there is none.
            let most = if self.skip > 0 { self.skip } else { left.saturating_add(1) };
            let wanted = usize::try_from(most).unwrap_or(usize::MAX).min(buffer.len());
            let error = match stream.read(&mut buffer[..wanted]) {
                Ok(count) if count > 0 && self.skip > 0 => {
                    self.skip -= count as u64;
                    continue;
                }
                Ok(0) if left == 0 && self.skip == 0 => return Ok(0),
                Ok(0) => io::Error::new(io::ErrorKind::UnexpectedEof, "the blob ends in the middle"),
                Ok(count) if count as u64 > left => {
                    let error = Error::malformed("size of the blob", self.size.to_string(), "more bytes");
                    return Err(error.in_blob(self.digest).into());
                }
                Ok(count) => {
                    (self.at, self.attempts) = (self.at + count as u64, 0);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            self.stream = None;
            self.attempts += 1;
            if !is_passing(&error) || self.attempts > client.retries() {
                let text = format!("GET {}: after {} of {} bytes", self.digest, self.at, self.size);
                return Err(Error::io(text, error).into());
            }
            pause(between(self.attempts), &*client.stop)?;
        }
    }
}

impl fmt::Debug for Downloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Downloads").field("client", &self.shared.client).finish_non_exhaustive()
    }
}
