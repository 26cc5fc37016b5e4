//! Limits that the process was started with: met as errors.

use std::sync::Arc;

use signal_hook::consts::SIGXFSZ;

/// Done before any file is opened. What fails here changes nothing: the error comes where the limit is met.
pub fn prepare() {
    survive_file_size();
}

/// A file that would be larger than `ulimit -f` is an error like a full disk, and cleaned up like one. By default the
/// signal ends the process; where it is caught, whatever is done then, the write fails.
fn survive_file_size() {
    if !super::signals::is_ignored(SIGXFSZ) {
        let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
    }
}
