//! The process: signals (SIGINT, SIGTERM, SIGHUP and SIGQUIT remove unfinished outputs before it ends), and the resource
//! limits that it was started with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use restamp::Spools;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

/// Has a signal come that ends the process?
static ENDING: AtomicBool = AtomicBool::new(false);

/// Never returns if a signal is ending the process: errors caused by its clean-up are not reported, and the exit status
/// is the signal's.
pub fn wait_if_ending() {
    while ENDING.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// From here on a signal removes what the spools have a name for, then ends the process as the shell expects it.
pub fn clean_up_on_signal(spools: &Spools) -> Result<()> {
    super::panics::clean_up(spools);
    // What nohup or a shell's background job has had ignored stays so.
    let handled: Vec<i32> =
        [SIGINT, SIGTERM, SIGHUP, SIGQUIT].into_iter().filter(|signal| !is_ignored(*signal)).collect();
    let mut signals = Signals::new(handled).context("cannot listen for signals")?;
    let spools = spools.clone();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                ENDING.store(true, Ordering::SeqCst);
                spools.remove_all();
                // Dies of the signal itself, so that a shell script around it stops as well.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
                std::process::exit(128 + signal);
            }
        })
        .context("cannot start a thread")?;
    Ok(())
}

/// Was this signal ignored when the process was started, or is it now? If that is not known, it was not, as is usual.
fn is_ignored(signal: i32) -> bool {
    // proc_pid_status(5); sigaction(2) can't be asked in safe Rust.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

/// Raises limits where they may be raised, and makes errors of them where not, before any file is opened. What fails here
/// changes nothing: the error comes where the limit is met.
pub fn raise_limits() {
    allow_open_files();
    survive_file_size();
}

/// Every rewritten layer is an open file until the image is written, and images have more layers in all than the usual
/// soft limit of 1024, which is that low only for programs that use select(2).
fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// A file that would be larger than `ulimit -f` is an error like a full disk, and cleaned up like one. By default the
/// signal ends the process; where it is caught, whatever is done then, the write fails.
fn survive_file_size() {
    if !is_ignored(SIGXFSZ) {
        let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
    }
}
