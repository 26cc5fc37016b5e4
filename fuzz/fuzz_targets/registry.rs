//! Headers and bodies of registries: challenges, Link, Location, errors, lists of tags, Retry-After; and names of images.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restamp::internals::parse_answer;

fuzz_target!(|data: &[u8]| {
    parse_answer(data);
});
