//! gzip files: the times of members, and the checksums of their headers.
#![no_main]

mod content;

use libfuzzer_sys::fuzz_target;
use restamp::internals::OwnFormats;

fuzz_target!(|data: &[u8]| {
    content::check(OwnFormats { gzip: true, ..OwnFormats::default() }, "a.gz", data);
});
