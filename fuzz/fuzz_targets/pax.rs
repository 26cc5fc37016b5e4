//! The records of a PAX payload are all of its bytes, or it is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restamp::internals::Records;

fuzz_target!(|payload: &[u8]| {
    let mut rest = payload;
    for record in Records::new(payload, 512) {
        let Ok(record) = record else { return };
        assert_eq!(record.offset, 512 + (payload.len() - rest.len()) as u64);
        rest = rest.strip_prefix(record.raw).expect("records are read in their order");
        let length = record.raw.len().to_string();
        let written = [length.as_bytes(), b" ", record.key, b"=", record.value, b"\n"].concat();
        assert!(
            record.raw.ends_with(&written[length.len()..]),
            "{:?} is not the record of its key and value",
            record.raw.escape_ascii().to_string()
        );
    }
    assert!(rest.is_empty());
});
