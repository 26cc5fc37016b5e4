//! Archives of Java's class data sharing (`.jsa`): the mtime and the size of each jar on the class path, side by side.
//!
//! They are in structures whose places differ from one JDK to the next (`SharedClassPathEntry`, src/hotspot/share/cds), so
//! they are looked for: [`PairScanner`] finds the pairs that are given to it, as the archive goes by. Tried with JDK 17, where
//! a dynamic archive has each pair once. The checksum of the archive, which is not verified unless that is asked for
//! (`-XX:+VerifySharedSpaces`), does not follow.

use std::collections::HashMap;

/// What an archive begins with, the lowest byte first: CDS_ARCHIVE_MAGIC, CDS_DYNAMIC_ARCHIVE_MAGIC (include/cds.h).
const MAGICS: [u32; 2] = [0xf00b_aba2, 0xf00b_aba8];
/// Bytes of a pair.
const PAIR: usize = 16;

/// How many of the first bytes are needed to know an archive.
pub const HEADER: usize = 12;

/// Is it the name of an archive?
pub fn is_name(path: &[u8]) -> bool {
    path.ends_with(b".jsa")
}

/// Is it the name of a jar, whose mtime and size an archive may hold?
pub fn is_source_name(path: &[u8]) -> bool {
    path.ends_with(b".jar")
}

/// The version of an archive's form, by its first bytes; `None` if it is none.
pub fn version(head: &[u8]) -> Option<i32> {
    let magic = u32::from_le_bytes(*head.first_chunk()?);
    let version = i32::from_le_bytes(*head.get(8..)?.first_chunk()?);
    MAGICS.contains(&magic).then_some(version)
}

/// The mtime, in seconds since 1970, and the size of a jar.
pub type Pair = (i64, i64);

/// Where a pair was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub pair: Pair,
    /// How often.
    pub count: u64,
    /// Where it begins: the first two places.
    pub offsets: Vec<u64>,
}

impl Found {
    /// The one place where it is; `None` if there is none, or more than one.
    pub fn only(&self) -> Option<u64> {
        if self.count == 1 { self.offsets.first().copied() } else { None }
    }
}

/// Looks for pairs in bytes that come in pieces.
#[derive(Debug)]
pub struct PairScanner {
    found: Vec<Found>,
    /// By their bytes, the numbers of the pairs.
    by_bytes: HashMap<[u8; PAIR], usize>,
    /// Which first two bytes a pair has: a bit for each.
    starts: Vec<u64>,
    /// The last bytes that have come, too few for a pair.
    tail: Vec<u8>,
    /// Where they begin.
    at: u64,
}

impl PairScanner {
    /// Looks for these; one that is given twice is looked for once.
    pub fn new(pairs: impl IntoIterator<Item = Pair>) -> Self {
        let (mut found, mut by_bytes) = (Vec::new(), HashMap::new());
        let mut starts = vec![0; (1 << 16) / 64];
        for pair in pairs {
            let bytes = written(pair);
            by_bytes.entry(bytes).or_insert_with(|| {
                let (word, bit) = start_of(&bytes);
                if let Some(word) = starts.get_mut(word) {
                    *word |= bit;
                }
                found.push(Found { pair, count: 0, offsets: Vec::new() });
                found.len() - 1
            });
        }
        Self { found, by_bytes, starts, tail: Vec::new(), at: 0 }
    }

    /// Takes the next piece.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.by_bytes.is_empty() {
            return;
        }
        // Where a pair lies across two pieces, or several small ones.
        let head = bytes.get(..bytes.len().min(PAIR - 1)).unwrap_or_default();
        let before = self.tail.len();
        self.tail.extend_from_slice(head);
        let across = std::mem::take(&mut self.tail);
        self.search(&across, self.at);
        let end = self.at.saturating_add((before + bytes.len()) as u64);
        let rest = if bytes.len() < PAIR - 1 {
            &across
        } else {
            self.search(bytes, self.at.saturating_add(before as u64));
            bytes
        };
        let start = rest.len().saturating_sub(PAIR - 1);
        self.tail.extend_from_slice(rest.get(start..).unwrap_or_default());
        self.at = end.saturating_sub(self.tail.len() as u64);
    }

    /// What was found of each pair, in their order.
    pub fn finish(self) -> Vec<Found> {
        self.found
    }

    /// Looks for pairs that lie in these bytes as a whole.
    fn search(&mut self, bytes: &[u8], at: u64) {
        for (place, window) in bytes.windows(PAIR).enumerate() {
            let (word, bit) = start_of(window);
            if self.starts.get(word).is_none_or(|word| word & bit == 0) {
                continue;
            }
            let found = self.by_bytes.get(window).and_then(|number| self.found.get_mut(*number));
            let Some(Found { count, offsets, .. }) = found else { continue };
            *count = count.saturating_add(1);
            if offsets.len() < 2 {
                offsets.push(at.saturating_add(place as u64));
            }
        }
    }
}

/// A pair as an archive has it.
pub fn written((mtime, size): Pair) -> [u8; PAIR] {
    let mut bytes = [0; PAIR];
    let (first, second) = bytes.split_at_mut(PAIR / 2);
    first.copy_from_slice(&mtime.to_le_bytes());
    second.copy_from_slice(&size.to_le_bytes());
    bytes
}

/// The word and the bit of the first two bytes.
fn start_of(bytes: &[u8]) -> (usize, u64) {
    let start = bytes.first_chunk().map_or(0, |start| u16::from_le_bytes(*start));
    (usize::from(start / 64), 1 << (start % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const JAR: Pair = (1_760_000_000, 12_345);
    const OTHER: Pair = (1_760_000_001, 777);

    fn scan(pairs: &[Pair], bytes: &[u8], piece: usize) -> Vec<Found> {
        let mut scanner = PairScanner::new(pairs.iter().copied());
        for piece in bytes.chunks(piece) {
            scanner.push(piece);
        }
        scanner.finish()
    }

    #[test]
    fn an_archive_is_known_by_its_first_bytes() {
        assert_eq!(version(b"\xa8\xab\x0b\xf0\x01\x02\x03\x04\x0b\0\0\0"), Some(11));
        assert_eq!(version(b"\xa2\xab\x0b\xf0\x01\x02\x03\x04\x0c\0\0\0more"), Some(12));
        assert_eq!(version(b"\xa9\xab\x0b\xf0\x01\x02\x03\x04\x0b\0\0\0"), None);
        assert_eq!(version(b"\xa8\xab\x0b\xf0\x01\x02\x03\x04\x0b\0\0"), None);
    }

    #[test]
    fn pairs_are_found_wherever_the_pieces_are_cut() {
        let bytes =
            [&[7; 33][..], &written(JAR), &[0; 3], &written(OTHER), &written(JAR), &written(JAR), &[1]].concat();
        let jar = Found { pair: JAR, count: 3, offsets: vec![33, 68] };
        let other = Found { pair: OTHER, count: 1, offsets: vec![52] };
        let none = Found { pair: (1, 2), count: 0, offsets: vec![] };
        assert_eq!([&jar, &other, &none].map(Found::only), [None, Some(52), None]);
        for piece in 1..=bytes.len() {
            let found = scan(&[JAR, OTHER, JAR, (1, 2)], &bytes, piece);
            assert_eq!(found, [jar.clone(), other.clone(), none.clone()], "in pieces of {piece}");
        }
        assert_eq!(scan(&[], &bytes, 5), []);
    }

    #[test]
    fn pairs_may_overlap() {
        // All zeros: one begins at each byte.
        let found = scan(&[(0, 0)], &[0; 20], 3);
        assert_eq!(found, [Found { pair: (0, 0), count: 5, offsets: vec![0, 1] }]);
    }

    proptest! {
        #[test]
        fn as_many_are_found_as_there_are(bytes in prop::collection::vec(0u8..2, 0..200), piece in 1usize..60) {
            let pairs = [(0, 0), (1, 0), (0, 1), (256, 1)];
            for found in scan(&pairs, &bytes, piece) {
                let pattern = written(found.pair);
                let places: Vec<u64> = bytes
                    .windows(PAIR)
                    .enumerate()
                    .filter(|(_, window)| **window == pattern)
                    .map(|(place, _)| place as u64)
                    .collect();
                prop_assert_eq!(found.count, places.len() as u64);
                prop_assert_eq!(&found.offsets[..], &places[..places.len().min(2)]);
            }
        }
    }
}
