//! Replacing the times of entries in a Java key store, and the digest at its end.
//!
//! The digest is keyed with the store's password. Where that is the one that everyone knows, as of the certificates that
//! Java trusts, it keeps no one from changing the store, and can be made again; any other store is left as it is.

use super::fields;
use crate::error::Result;
use crate::format::jks;
use crate::stamp::Stamp;
use crate::tar::{ContentOut, ContentPatcher, Verdict};

/// A store is held as a whole, up to this size. One with 140 certificates has 160 KB.
const HELD_MAX: u64 = 8 << 20;

/// Patches a key store once all of it has come.
#[derive(Debug)]
pub(super) struct JksPatcher {
    stamp: Stamp,
    is_held: bool,
    held: Vec<u8>,
}

impl JksPatcher {
    /// For a file of this size.
    pub(super) fn new(stamp: Stamp, size: u64) -> Self {
        Self { stamp, is_held: size <= HELD_MAX, held: Vec::new() }
    }

    /// Patches what is held; why it can't be is the error.
    fn replace(&mut self, out: &mut dyn ContentOut) -> Result<Result<(), &'static str>> {
        let Some((entries, digest)) = jks::entries(&self.held) else {
            return Ok(Err("it is damaged, or has secret keys"));
        };
        let places: Vec<_> = entries.into_iter().map(|entry| entry.time).collect();
        let is_sealed =
            |bytes: &[u8]| bytes.get(..digest.start).is_some_and(|rest| bytes.ends_with(&jks::digest(rest)));
        if !is_sealed(&self.held) {
            return Ok(Err("its password is not \"changeit\""));
        }
        for place in places {
            let Some(field) = self.held.get_mut(place.clone()).and_then(|field| field.first_chunk_mut()) else {
                continue;
            };
            let new = fields::milliseconds(self.stamp, i64::from_be_bytes(*field)).to_be_bytes();
            if *field != new {
                out.replaced(place.start as u64, field, &new)?;
                *field = new;
            }
        }
        let new = jks::digest(self.held.get(..digest.start).unwrap_or_default());
        if let Some(field) = self.held.get_mut(digest.clone()).and_then(|field| field.first_chunk_mut())
            && *field != new
        {
            out.replaced(digest.start as u64, field, &new)?;
            *field = new;
        }
        Ok(Ok(()))
    }
}

impl ContentPatcher for JksPatcher {
    fn label(&self) -> &'static str {
        "jks"
    }

    fn patch(&mut self, bytes: &[u8], out: &mut dyn ContentOut) -> Result<()> {
        if !self.is_held {
            return out.put(bytes);
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn ContentOut) -> Result<Verdict> {
        if !self.is_held {
            return Ok(Verdict::LeaveIt("it is larger than 8 MiB".to_owned()));
        }
        let patched = self.replace(out)?;
        out.put(&self.held)?;
        Ok(patched.map_or_else(|reason| Verdict::LeaveIt(reason.to_owned()), |()| Verdict::Patched))
    }
}

#[cfg(test)]
mod tests {
    use super::super::checked::{EPOCH, becomes, patched, stamp, stays};
    use super::*;
    use crate::stamp::Rule;
    use proptest::prelude::*;
    use sha1::{Digest as _, Sha1};

    const LATE: i64 = 1_760_000_000_123;

    fn new(rule: Rule) -> impl Fn() -> Box<dyn ContentPatcher> {
        move || Box::new(JksPatcher::new(stamp(rule), 1000))
    }

    /// A store of a trusted certificate and a key, with these times and this password.
    fn store(magic: u32, times: [i64; 2], password: &str) -> Vec<u8> {
        let head = [magic, 2, 2].map(u32::to_be_bytes).concat();
        let certificate = [&b"\0\x05X.509"[..], &3u32.to_be_bytes(), b"der"].concat();
        let [a, b] = times.map(i64::to_be_bytes);
        let trusted = [&[0, 0, 0, 2, 0, 1][..], b"a", &a, &certificate].concat();
        let key = [&[0, 0, 0, 1, 0, 1][..], b"b", &b, &2u32.to_be_bytes(), b"pk", &1u32.to_be_bytes(), &certificate];
        let bytes = [&head[..], &trusted, &key.concat()].concat();
        let password: Vec<u8> = password.bytes().flat_map(|byte| [0, byte]).collect();
        let digest = Sha1::digest([&password[..], b"Mighty Aphrodite", &bytes].concat());
        [&bytes[..], &digest[..]].concat()
    }

    #[test]
    fn times_and_the_digest_are_replaced() {
        let epoch = EPOCH as i64 * 1000;
        for magic in [0xfeed_feed, 0xcece_cece] {
            let of = |a, b| store(magic, [a, b], "changeit");
            becomes(&new(Rule::Set), &of(LATE, 5), &of(epoch, epoch));
            becomes(&new(Rule::Clamp), &of(LATE, 5), &of(epoch, 5));
            becomes(&new(Rule::Clamp), &of(epoch + 1, -1), &of(epoch, -1));
            becomes(&new(Rule::Clamp), &of(epoch, 5), &of(epoch, 5));
        }
    }

    #[test]
    fn what_cannot_be_sealed_again_is_left() {
        let sound = store(0xfeed_feed, [LATE, LATE], "changeit");
        let mut damaged = sound.clone();
        damaged[20] ^= 1;
        for (content, reason) in [
            (store(0xfeed_feed, [LATE, LATE], "secret"), "password"),
            (damaged, "password"),
            (sound[..sound.len() - 1].to_vec(), "damaged"),
            ([&sound[..], &[0]].concat(), "damaged"),
            (b"\xfe\xed\xfe\xed".to_vec(), "damaged"),
        ] {
            stays(&new(Rule::Set), &content, reason);
        }
        stays(&|| Box::new(JksPatcher::new(stamp(Rule::Set), HELD_MAX + 1)), &sound, "larger than 8 MiB");
    }

    proptest! {
        #[test]
        fn damage_is_left(at in 0usize..150, byte: u8) {
            let mut bytes = store(0xfeed_feed, [LATE, LATE], "changeit");
            if let Some(place) = bytes.get_mut(at) {
                let is_same = std::mem::replace(place, byte) == byte;
                let (found, _) = patched(&new(Rule::Set), &bytes);
                prop_assert!(is_same || found == bytes);
            }
        }
    }
}
