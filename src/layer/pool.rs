//! What all layers of a run share: the threads that compress, and the memory that chunks may take.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::layer::Cache;
use crate::memory;
use crate::sync::lock;

const MIB: u64 = 1 << 20;

/// Bytes that chunks in flight may hold, compressed and uncompressed together. The promise for the whole process is
/// 64 MiB and 8 MiB per job; the rest of it is for the encoders' tables and output buffers (up to 5 MiB per job) and
/// for the readers (about 3 MiB per layer), and for the program's own code. Two jobs of zstd need about 23 MiB: two chunks
/// that are compressed and one that is being filled.
const BUDGET: u64 = 20 * MIB;
const BUDGET_PER_JOB: u64 = 5 * MIB / 2;

/// A bounded pool for a whole run: threads, memory, progress, and the flag that stops the run. Clones share all of it.
#[derive(Debug, Clone)]
pub struct Pool {
    shared: Arc<Shared>,
    cache: Option<Arc<Cache>>,
    cancel: CancelToken,
}

/// Stops work: its own, and that of all tokens below it.
#[derive(Debug, Clone)]
struct CancelToken {
    flag: Arc<AtomicBool>,
    parent: Option<Arc<Self>>,
}

impl CancelToken {
    fn child(&self) -> Self {
        Self { flag: Arc::default(), parent: Some(Arc::new(self.clone())) }
    }

    fn is_cancelled(&self) -> bool {
        self.flag.load(Ordering::Relaxed) || self.parent.as_ref().is_some_and(|parent| parent.is_cancelled())
    }
}

#[derive(Debug)]
struct Shared {
    threads: rayon::ThreadPool,
    jobs: usize,
    budget: Budget,
    /// Buffers of chunks that are done, all of the same capacity.
    idle: Mutex<Vec<Vec<u8>>>,
    bytes_read: AtomicU64,
}

impl Pool {
    /// A pool of `jobs` compressing threads, at least one.
    ///
    /// # Errors
    ///
    /// A thread can't be started.
    pub fn new(jobs: usize) -> Result<Self> {
        Self::with_interrupt(jobs, Arc::default())
    }

    /// A pool that stops its work soon after the flag has become true.
    ///
    /// # Errors
    ///
    /// A thread can't be started.
    pub fn with_interrupt(jobs: usize, interrupted: Arc<AtomicBool>) -> Result<Self> {
        let jobs = jobs.max(1);
        let budget = BUDGET.saturating_add(BUDGET_PER_JOB.saturating_mul(jobs as u64));
        Self::with_budget(jobs, budget, interrupted)
    }

    pub(super) fn with_budget(jobs: usize, budget: u64, interrupted: Arc<AtomicBool>) -> Result<Self> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(jobs)
            .thread_name(|index| format!("compress-{index}"))
            // Whoever waits for the task finds that its channel has closed; the process must not be aborted.
            .panic_handler(|_| {})
            .build()
            .map_err(|error| Error::io("cannot start threads", std::io::Error::other(error)))?;
        let budget = Budget { limit: budget, used: Mutex::new(0), freed: Condvar::new() };
        let bytes_read = AtomicU64::new(0);
        let shared = Shared { threads, jobs, budget, idle: Mutex::default(), bytes_read };
        Ok(Self { shared: Arc::new(shared), cache: None, cancel: CancelToken { flag: interrupted, parent: None } })
    }

    /// The same pool with a cache of compressed chunks.
    #[must_use]
    pub fn with_cache(self, cache: Arc<Cache>) -> Self {
        Self { cache: Some(cache), ..self }
    }

    /// The same pool without it.
    #[must_use]
    pub fn without_cache(&self) -> Self {
        Self { cache: None, ..self.clone() }
    }

    pub(super) fn cache(&self) -> Option<&Cache> {
        self.cache.as_deref()
    }

    /// The number of compressing threads: a good number of layers to work on at a time, too.
    pub fn jobs(&self) -> usize {
        self.shared.jobs
    }

    /// Bytes of blobs read so far, by all layers together. What is read a second time counts once.
    pub fn bytes_read(&self) -> u64 {
        self.shared.bytes_read.load(Ordering::Relaxed)
    }

    /// The same pool for a batch of work that can be cancelled without the rest: [`cancel`](Self::cancel) of what is
    /// returned stops that batch alone, and whatever stops this pool stops the batch.
    #[must_use]
    pub fn batch(&self) -> Self {
        Self { cancel: self.cancel.child(), ..self.clone() }
    }

    /// Asks all work of this pool or batch to stop: one layer failed, so the others are of no use.
    pub fn cancel(&self) {
        self.cancel.flag.store(true, Ordering::Relaxed);
    }

    /// An error if the run is to stop.
    ///
    /// # Errors
    ///
    /// The run is to stop.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(Error::interrupted()) } else { Ok(()) }
    }

    /// Counts bytes that were read, for who shows how far a run is.
    pub(crate) fn add_bytes_read(&self, n: u64) {
        self.shared.bytes_read.fetch_add(n, Ordering::Relaxed);
    }

    /// The layer will be read again, or was given up.
    pub(super) fn take_back_bytes_read(&self, n: u64) {
        self.shared.bytes_read.fetch_sub(n, Ordering::Relaxed);
    }

    /// Runs a task that never blocks on a compressing thread; tasks start in the order of these calls.
    pub(super) fn spawn(&self, task: impl FnOnce() + Send + 'static) {
        self.shared.threads.spawn_fifo(task);
    }

    /// Waits until this many bytes of the budget are free, and takes them. More than the whole budget is given
    /// when nothing else is in flight.
    pub(super) fn acquire(&self, bytes: u64) -> Permit {
        let budget = &self.shared.budget;
        let mut used = budget.used();
        while *used > 0 && used.saturating_add(bytes) > budget.limit {
            used = budget.freed.wait(used).unwrap_or_else(PoisonError::into_inner);
        }
        *used = used.saturating_add(bytes);
        drop(used);
        Permit { shared: Arc::clone(&self.shared), bytes }
    }

    /// An empty buffer for a chunk.
    pub(super) fn buffer(&self, capacity: usize) -> Result<Vec<u8>> {
        let mut idle = lock(&self.shared.idle);
        // One codec's buffers don't fit the other's chunks; what does not fit is dropped rather than kept for later,
        // so that there are never more buffers, idle ones included, than there were chunks in flight.
        idle.retain(|buffer| buffer.capacity() == capacity);
        let buffer = idle.pop();
        drop(idle);
        let Some(mut buffer) = buffer else { return memory::reserved(capacity) };
        buffer.clear();
        Ok(buffer)
    }

    /// Gives a buffer back.
    pub(super) fn recycle(&self, buffer: Vec<u8>) {
        lock(&self.shared.idle).push(buffer);
    }

    #[cfg(test)]
    pub(super) fn bytes_in_flight(&self) -> u64 {
        *self.shared.budget.used()
    }
}

#[derive(Debug)]
struct Budget {
    limit: u64,
    used: Mutex<u64>,
    freed: Condvar,
}

impl Budget {
    fn used(&self) -> MutexGuard<'_, u64> {
        lock(&self.used)
    }
}

/// A part of the budget; it goes back when this is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    shared: Arc<Shared>,
    bytes: u64,
}

impl Permit {
    /// Makes it this large. It never waits: a chunk that has grown is there already.
    pub(super) fn resize(&mut self, bytes: u64) {
        let budget = &self.shared.budget;
        let mut used = budget.used();
        *used = used.saturating_sub(self.bytes).saturating_add(bytes);
        drop(used);
        self.bytes = bytes;
        budget.freed.notify_all();
    }

    /// Takes a part of it off.
    pub(super) fn split(&mut self, bytes: u64) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { shared: Arc::clone(&self.shared), bytes }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn what_exceeds_the_budget_waits_until_it_is_alone() {
        let pool = Pool::with_budget(1, 100, Arc::default()).unwrap();
        let mut first = pool.acquire(60);
        let second = pool.acquire(40);
        thread::scope(|scope| {
            let third = scope.spawn(|| pool.acquire(1000));
            thread::sleep(Duration::from_millis(20));
            assert!(!third.is_finished());
            let part = first.split(10);
            drop((first, second));
            thread::sleep(Duration::from_millis(20));
            assert!(!third.is_finished());
            drop(part);
            assert_eq!(third.join().unwrap().bytes, 1000);
        });
        assert_eq!(pool.bytes_in_flight(), 0);
    }

    #[test]
    fn a_panic_on_a_compressing_thread_ends_nothing_else() {
        let pool = Pool::new(1).unwrap();
        let (sender, receiver) = crossbeam_channel::bounded::<()>(1);
        pool.spawn(move || {
            let _sender = sender;
            std::panic::resume_unwind(Box::new("no message"));
        });
        assert!(receiver.recv().is_err());
        let (sender, receiver) = crossbeam_channel::bounded(1);
        pool.spawn(move || sender.send(7).unwrap());
        assert_eq!(receiver.recv(), Ok(7));
    }

    #[test]
    fn buffers_of_another_size_are_not_kept() {
        let pool = Pool::new(1).unwrap();
        pool.recycle(Vec::with_capacity(64));
        assert_eq!(pool.buffer(128).unwrap().capacity(), 128);
        assert!(lock(&pool.shared.idle).is_empty());
    }
}
