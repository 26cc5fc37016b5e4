//! Zip archives, with something before them or not: times, bytecode, checksums of that.
#![no_main]

mod content;

use libfuzzer_sys::fuzz_target;
use restamp::internals::OwnFormats;

fuzz_target!(|data: &[u8]| {
    content::check(OwnFormats { zip: true, ..OwnFormats::default() }, "a.zip", data);
});
