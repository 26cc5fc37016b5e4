//! ar archives, thin ones too: the times of members.
#![no_main]

mod content;

use libfuzzer_sys::fuzz_target;
use restamp::internals::OwnFormats;

fuzz_target!(|data: &[u8]| {
    content::check(OwnFormats { ar: true, ..OwnFormats::default() }, "a.a", data);
});
