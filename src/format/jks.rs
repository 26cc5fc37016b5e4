//! Key stores of Java, JKS and JCEKS: where each entry holds the time at which it was made.
//!
//! Both end in a SHA-1 over all that is before it, the times included.

use std::ops::Range;

use sha1::{Digest as _, Sha1};

/// What key stores begin with: JKS, JCEKS.
const MAGICS: [u32; 2] = [0xfeed_feed, 0xcece_cece];
/// The password of stores that everyone may read.
const PASSWORD: &str = "changeit";
/// What is hashed after the password, so that no two formats have the same digest.
const WHITENER: &[u8] = b"Mighty Aphrodite";
/// The SHA-1 at the end.
const DIGEST: usize = 20;
/// More entries than any store has.
const ENTRIES_MAX: usize = 100_000;

/// An entry: its name, and where its time is, in milliseconds since 1970.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The alias.
    pub name: &'a [u8],
    /// Eight bytes.
    pub time: Range<usize>,
}

/// The entries of a key store, and the place of the digest at its end; `None` where it is none, is damaged, or has secret
/// keys, which are objects of Java's own serialization.
pub fn entries(bytes: &[u8]) -> Option<(Vec<Entry<'_>>, Range<usize>)> {
    let mut reader = Reader { bytes, at: 0 };
    let (magic, version, count) = (reader.long()?, reader.long()?, reader.long()?);
    if !MAGICS.contains(&magic) || !matches!(version, 1 | 2) || count as usize > ENTRIES_MAX {
        return None;
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        let kind = reader.long()?;
        let length = reader.short()?;
        let name = reader.take(length)?;
        let start = reader.at;
        reader.take(8)?;
        entries.push(Entry { name, time: start..reader.at });
        match kind {
            1 => {
                reader.sized()?;
                for _ in 0..reader.long()? {
                    reader.certificate(version)?;
                }
            }
            2 => reader.certificate(version)?,
            _ => return None,
        }
    }
    let digest = reader.at..reader.at.checked_add(DIGEST)?;
    (digest.end == bytes.len()).then_some((entries, digest))
}

/// Does a key store begin like this?
pub fn is_key_store(head: &[u8]) -> bool {
    head.first_chunk().is_some_and(|magic| MAGICS.contains(&u32::from_be_bytes(*magic)))
}

/// The digest that a key store with these bytes before it has at its end, where its password is `changeit`.
pub fn digest(bytes: &[u8]) -> [u8; DIGEST] {
    let mut hasher = Sha1::new();
    for unit in PASSWORD.encode_utf16() {
        hasher.update(unit.to_be_bytes());
    }
    hasher.update(WHITENER);
    hasher.update(bytes);
    hasher.finalize().into()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn short(&mut self) -> Option<usize> {
        Some(usize::from(u16::from_be_bytes(self.take(2)?.try_into().ok()?)))
    }

    fn long(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// Bytes with their length before them.
    fn sized(&mut self) -> Option<()> {
        let length = usize::try_from(self.long()?).ok()?;
        self.take(length).map(|_| ())
    }

    /// A certificate; its type is before it since the second version.
    fn certificate(&mut self, version: u32) -> Option<()> {
        if version == 2 {
            let length = self.short()?;
            self.take(length)?;
        }
        self.sized()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn store(count: u32) -> Vec<u8> {
        let head = [0xfeed_feed, 2, count].map(u32::to_be_bytes).concat();
        let certificate = [&b"\0\x05X.509"[..], &3u32.to_be_bytes(), b"der"].concat();
        let trusted = [&[0, 0, 0, 2, 0, 1][..], b"a", &[7; 8], &certificate].concat();
        let key =
            [&[0, 0, 0, 1, 0, 1][..], b"b", &[8; 8], &2u32.to_be_bytes(), b"pk", &1u32.to_be_bytes(), &certificate];
        [&head[..], &trusted, &key.concat(), &[9; 20]].concat()
    }

    #[test]
    fn times_are_found() {
        let bytes = store(2);
        let (entries, digest) = entries(&bytes).unwrap();
        let found: Vec<_> = entries.iter().map(|entry| (entry.name, &bytes[entry.time.clone()])).collect();
        assert_eq!(found, [(&b"a"[..], &[7; 8][..]), (b"b", &[8; 8])]);
        assert_eq!(bytes[digest], [9; 20]);
    }

    #[test]
    fn what_is_no_key_store_is_left_alone() {
        for count in [0, 1, 3, u32::MAX] {
            assert_eq!(entries(&store(count)), None, "{count}");
        }
        assert_eq!(entries(b"\xfe\xed\xfe\xed"), None);
        assert_eq!(entries(&[store(2), vec![0]].concat()), None);
    }

    proptest! {
        #[test]
        fn damage_ends_in_nothing_or_places_inside(at in 0usize..100, new: u8, cut in 0usize..120) {
            let mut bytes = store(2);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = new;
            }
            bytes.truncate(cut);
            if let Some((entries, digest)) = entries(&bytes) {
                prop_assert!(entries.iter().all(|entry| entry.time.end <= digest.start) && digest.end == bytes.len());
            }
        }
    }
}
