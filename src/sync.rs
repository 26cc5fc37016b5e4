//! Threads that may fail to start, and locks that a panic elsewhere does not close.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use crate::error::{Error, Result};

/// Starts a thread with a name. That fails where a container or user may have no more of them.
pub(crate) fn start<'s, R: Send + 's>(
    scope: &'s Scope<'s, '_>,
    name: &str,
    work: impl FnOnce() -> R + Send + 's,
) -> Result<ScopedJoinHandle<'s, R>> {
    Builder::new().name(name.to_owned()).spawn_scoped(scope, work).map_err(not_started)
}

/// The error for a thread that could not be started.
pub(crate) fn not_started(error: std::io::Error) -> Error {
    Error::io("cannot start a thread", error)
}

/// Locks, also where a thread panicked with the lock: no code of this crate leaves a change half done while it has one.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
