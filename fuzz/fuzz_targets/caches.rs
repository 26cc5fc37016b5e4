//! Caches of PHP and Java: any bytes end in no time, or in one that is there; a pair is found as often as it is there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restamp::internals::{jsa, opcache};

fuzz_target!(|data: &[u8]| {
    if let Some(stamp) = opcache::stamp(data) {
        assert_eq!(data[opcache::MTIME_AT..opcache::HEADER], stamp.to_le_bytes());
    }
    if let Some(script) = opcache::source_path(data) {
        assert!(!script.is_empty() && data.ends_with(&[&script[..], b".bin"].concat()));
    }
    let _ = jsa::version(data);
    let Some((&piece, data)) = data.split_first() else { return };
    // Pairs that are in it, and one that may be.
    let word = |at: usize| data.get(at..at + 8).map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()));
    let pairs = (0..data.len().min(64)).filter_map(|at| Some((word(at)?, word(at + 8)?)));
    let mut scanner = jsa::PairScanner::new(pairs.chain([(0, 0)]));
    for piece in data.chunks(1 + usize::from(piece)) {
        scanner.push(piece);
    }
    for found in scanner.finish() {
        let pattern = jsa::written(found.pair);
        let places = data.windows(16).enumerate().filter(|(_, window)| **window == pattern);
        let places: Vec<u64> = places.map(|(place, _)| place as u64).collect();
        assert_eq!(found.count, places.len() as u64);
        assert_eq!(found.offsets, places[..places.len().min(2)]);
        assert_eq!(found.only(), if let [only] = places[..] { Some(only) } else { None });
    }
});
