//! Key stores of Java: the times of entries, and the digest.
#![no_main]

mod content;

use libfuzzer_sys::fuzz_target;
use restamp::internals::OwnFormats;

fuzz_target!(|data: &[u8]| {
    content::check(OwnFormats { jks: true, ..OwnFormats::default() }, "cacerts", data);
});
