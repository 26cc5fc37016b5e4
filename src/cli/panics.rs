//! A panic of any thread, and a failed allocation, end the process: with an error, and nothing left behind.

use std::any::Any;
use std::io::{self, Write};
use std::panic::{PanicHookInfo, set_hook};
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::thread;

use restamp::Spools;
use restamp::error::escaped;
use signal_hook::consts::SIGABRT;

use super::FAILED;

/// What has to be removed.
static SPOOLS: Mutex<Option<Spools>> = Mutex::new(None);
/// Is the process being ended?
static ENDING: AtomicBool = AtomicBool::new(false);

/// From here on a panic ends the process: with other threads waiting for the one that is gone, it might not end at all.
pub fn end_process() {
    set_hook(Box::new(|info| {
        if ENDING.swap(true, Ordering::SeqCst) {
            // A second panic: the first one ends the process, and is the one to report.
            loop {
                thread::park();
            }
        }
        let _ = writeln!(io::stderr(), "restamp: error: {}", escaped(&message(info)));
        let spools = match SPOOLS.try_lock() {
            Ok(spools) => spools.clone(),
            Err(TryLockError::Poisoned(spools)) => spools.into_inner().clone(),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(spools) = spools {
            spools.remove_all();
        }
        exit(i32::from(FAILED));
    }));
    // Where memory for a small object can't be had, the standard library says so and aborts; stable Rust has no way to
    // do anything else then. Of that, only the exit status can be set right.
    let always = Arc::new(AtomicBool::new(true));
    let _ = signal_hook::flag::register_conditional_shutdown(SIGABRT, i32::from(FAILED), always);
}

/// What these have a name for is removed if a panic ends the process.
pub fn clean_up(spools: &Spools) {
    *SPOOLS.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(spools.clone());
}

fn message(info: &PanicHookInfo<'_>) -> String {
    let text = text(info.payload());
    // zlib-rs and libdeflater panic where they get no memory for their tables.
    if text.contains("MemError") || text.contains("out of memory") {
        return "there is not enough memory".to_owned();
    }
    let place = info.location().map(|place| format!(" ({place})")).unwrap_or_default();
    format!("a bug in restamp, please report it: {text}{place}")
}

fn text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
