//! Files of any format, and those in tars.
#![no_main]

mod content;

use libfuzzer_sys::fuzz_target;
use restamp::internals::{OwnFormats, replacement};
use restamp::{Epoch, Stamp};

fuzz_target!(|data: &[u8]| {
    content::check(OwnFormats::ALL, "a.tar", data);
    // A tar that may change its length does so once.
    let stamp = Stamp::set(Epoch::from_seconds(1_700_000_000).unwrap());
    let replaced = |old: &[u8]| replacement(old, stamp, |bytes| Ok(bytes.to_vec())).unwrap();
    if let Some(new) = replaced(data.get(1..).unwrap_or_default()) {
        assert_eq!(replaced(&new), None, "not idempotent");
    }
});
