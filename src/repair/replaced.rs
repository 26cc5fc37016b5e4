//! Replacing a tar that is a file itself, compressed or not, by another of any length: for the few that are known to be read
//! by what is in them.
//!
//! What compresses the new one comes from above, and writes the canonical form: so what was packed at another time, or by
//! another program, comes out the same.

use std::fmt;

use super::tar::is_tar;
use crate::error::Result;
use crate::format::gzip;
use crate::stamp::Stamp;
use crate::tar::{ContentPlan, ContentReplacer, Entry, EntryPlan, PatchedBytes, Patcher, Planner, Walker};

/// What is compressed may be so long.
const UNPACKED_MAX: usize = 64 << 20;

/// Files that are known to be read by what is in them: of the database of apk, which has the scripts of packages in it.
const NAMES: [&[u8]; 2] = [b"lib/apk/db/scripts.tar.gz", b"lib/apk/db/scripts.tar"];

/// Compresses with gzip.
pub type Compress = fn(&[u8]) -> Result<Vec<u8>>;

/// Is it the path of a file that may be replaced, without slashes and dots in front?
pub fn is_replaced(path: &[u8]) -> bool {
    NAMES.iter().any(|name| path == *name || path.strip_prefix(b"usr/") == Some(*name))
}

/// Replaces a tar.
#[derive(Clone, Copy)]
pub struct TarReplacer {
    stamp: Stamp,
    compress: Compress,
}

impl fmt::Debug for TarReplacer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TarReplacer").field("stamp", &self.stamp).finish_non_exhaustive()
    }
}

impl TarReplacer {
    /// What becomes of times, and what compresses.
    pub fn new(stamp: Stamp, compress: Compress) -> Self {
        Self { stamp, compress }
    }
}

impl ContentReplacer for TarReplacer {
    fn label(&self) -> &'static str {
        "tar"
    }

    fn replacement(&mut self, old: &[u8]) -> Result<Option<Vec<u8>>> {
        replacement(old, self.stamp, self.compress)
    }
}

/// What takes the place of a tar, or of one that is compressed with gzip; `None` if it stays: it is the same, or not sound.
///
/// # Errors
///
/// Those of `compress`.
pub fn replacement(old: &[u8], stamp: Stamp, compress: Compress) -> Result<Option<Vec<u8>>> {
    let is_compressed = old.starts_with(&gzip::MAGIC);
    let unpacked = if is_compressed { unpacked(old) } else { None };
    let tar = match &unpacked {
        Some(tar) => tar,
        None if is_compressed => return Ok(None),
        None => old,
    };
    let Some(patched) = patched(tar, stamp) else { return Ok(None) };
    let new = if is_compressed { compress(&patched)? } else { patched };
    Ok((new != old).then_some(new))
}

/// The data of all members; `None` if there is too much of it, or anything else in the file.
fn unpacked(old: &[u8]) -> Option<Vec<u8>> {
    struct Data(Vec<u8>);
    impl gzip::Visitor for Data {
        fn mtime(&mut self, _: u64, value: u32) -> u32 {
            value
        }

        fn header_crc(&mut self, _: u64, _: u16) {}

        fn data(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
            if self.0.len().saturating_add(bytes.len()) > UNPACKED_MAX {
                return Err("there is too much of it");
            }
            self.0.extend_from_slice(bytes);
            Ok(())
        }
    }
    let (mut members, mut data) = (gzip::Members::new(old.len() as u64), Data(Vec::new()));
    members.push(old, &mut data).and_then(|()| members.end()).ok()?;
    (!members.has_rest()).then_some(data.0)
}

/// A tar with other times; `None` if it is none.
fn patched(tar: &[u8], stamp: Stamp) -> Option<Vec<u8>> {
    is_tar(tar, b".tar").then_some(())?;
    let mut patched = PatchedBytes::new(Patcher::new(stamp, Box::new(Headers)));
    let mut walker = Walker::new();
    walker.push(tar, &mut patched).and_then(|()| walker.end(&mut patched)).ok()?;
    Some(patched.finish().ok()?.0)
}

/// The files in it stay as they are.
#[derive(Debug)]
struct Headers;

impl Planner for Headers {
    fn plan(&mut self, _: &Entry, stamp: Stamp) -> EntryPlan {
        EntryPlan { stamp, content: ContentPlan::Keep }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::Epoch;
    use flate2::{Compress as Deflate, Compression, Crc, FlushCompress};

    /// As `layer::encode` does, but by another encoder.
    fn compress(data: &[u8]) -> Result<Vec<u8>> {
        Ok(gz(data, 0))
    }

    fn gz(data: &[u8], mtime: u32) -> Vec<u8> {
        let mut crc = Crc::new();
        crc.update(data);
        let mut deflate = Vec::with_capacity(data.len() + 1000);
        Deflate::new(Compression::fast(), false).compress_vec(data, &mut deflate, FlushCompress::Finish).unwrap();
        let trailer = [crc.sum(), data.len() as u32].map(u32::to_le_bytes).concat();
        [&[0x1f, 0x8b, 8, 0][..], &mtime.to_le_bytes(), &[0, 255], &deflate, &trailer].concat()
    }

    fn scripts(mtime: u64) -> Vec<u8> {
        let mut builder = ::tar::Builder::new(Vec::new());
        for name in ["busybox-1.36.1-r5.Q1x.post-install", "busybox-1.36.1-r5.Q1x.trigger"] {
            let mut header = ::tar::Header::new_ustar();
            header.set_path(name).unwrap();
            header.set_size(10);
            header.set_mode(0o755);
            header.set_mtime(mtime);
            let bytes = header.as_bytes().iter().enumerate();
            let sum: u32 = bytes.map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) }).sum();
            header.as_mut_bytes()[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            builder.append(&header, &b"#!/bin/sh\n"[..]).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn set(old: &[u8]) -> Option<Vec<u8>> {
        replacement(old, Stamp::set(Epoch::from_seconds(1_700_000_000).unwrap()), compress).unwrap()
    }

    #[test]
    fn what_is_compressed_is_packed_again() {
        // Of two builds: another time in the tar, in the header, another encoder.
        let new = gz(&scripts(1_700_000_000), 0);
        for old in [gz(&scripts(1_760_000_000), 0), gz(&scripts(1_700_000_000), 7)] {
            assert!(set(&old).unwrap() == new);
        }
        let tar = scripts(1_760_000_000);
        let (a, b) = tar.split_at(512);
        assert!(set(&[gz(a, 1), gz(b, 2)].concat()).unwrap() == new);
        assert_eq!(set(&new), None);
    }

    #[test]
    fn a_plain_tar_may_change_its_length() {
        assert!(set(&scripts(1_760_000_000)).unwrap() == scripts(1_700_000_000));
        assert_eq!(set(&scripts(1_700_000_000)), None);
        let mut builder = ::tar::Builder::new(Vec::new());
        builder.append_pax_extensions([("mtime", &b"1760000000.5"[..])]).unwrap();
        let pax = [&builder.into_inner().unwrap()[..1024], &scripts(5)].concat();
        assert!(set(&pax).unwrap() == scripts(1_700_000_000));
    }

    #[test]
    fn what_is_not_sound_stays() {
        let old = gz(&scripts(1_760_000_000), 0);
        for content in [
            &b""[..],
            b"text",
            &[0; 1024],
            &old[..old.len() - 1],
            &[&old[..], b"rest"].concat(),
            &[&old[..], b"\x1f"].concat(),
            &gz(b"no tar", 0),
            &gz(&scripts(5)[..515], 0),
        ] {
            assert_eq!(set(content), None);
        }
    }

    #[test]
    fn they_are_known_by_their_path() {
        for path in ["lib/apk/db/scripts.tar.gz", "lib/apk/db/scripts.tar", "usr/lib/apk/db/scripts.tar.gz"] {
            assert!(is_replaced(path.as_bytes()), "{path}");
        }
        assert!(!is_replaced(b"a/lib/apk/db/scripts.tar.gz") && !is_replaced(b"lib/apk/db/installed"));
    }
}
