//! Limits that the process was started with: raised where they may be, met as errors where not.

use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::SIGXFSZ;

/// Does both before any file is opened. What fails here changes nothing: the error comes where the limit is met.
pub fn prepare() {
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
    if !super::signals::is_ignored(SIGXFSZ) {
        let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
    }
}
