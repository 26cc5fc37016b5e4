//! Replacing MTIME in the members of a gzip file.

use super::fields;
use super::held::Held;
use super::tar::is_tar;
use crate::error::Result;
use crate::format::gzip::{Members, Visitor};
use crate::stamp::{Stamp, is_no_time};
use crate::tar::{BLOCK, ContentOut, ContentPatcher, Verdict};

/// How the name of the file begins that a package or an index of Alpine begins with: what follows that member is signed.
const SIGNATURE: &[u8] = b".SIGN.";

/// Patches the headers of all members; an MTIME that stands for no time stays.
#[derive(Debug)]
pub(super) struct GzipPatcher {
    stamp: Stamp,
    members: Members,
    held: Held,
    /// Why the file is left as it is, once that is known.
    reason: Option<&'static str>,
    /// The first bytes of what it inflates to.
    head: Vec<u8>,
}

impl GzipPatcher {
    /// For a file of this size.
    pub(super) fn new(stamp: Stamp, size: u64) -> Self {
        Self { stamp, members: Members::new(size), held: Held::default(), reason: None, head: Vec::new() }
    }
}

impl ContentPatcher for GzipPatcher {
    fn label(&self) -> &'static str {
        "gzip"
    }

    fn patch(&mut self, bytes: &[u8], out: &mut dyn ContentOut) -> Result<()> {
        let Self { stamp, members, held, reason, head } = self;
        held.push(bytes);
        if reason.is_none() {
            let mut found = Found { stamp: *stamp, fields: Vec::new(), head };
            *reason = members.push(bytes, &mut found).err();
            for (at, new) in found.fields {
                held.replace(at, &new, out)?;
            }
        }
        held.give_out(members.held(), out)
    }

    fn finish(&mut self, out: &mut dyn ContentOut) -> Result<Verdict> {
        self.held.give_out(0, out)?;
        let reason = self.reason.or_else(|| self.members.end().err());
        Ok(match reason {
            Some(reason) => Verdict::LeaveIt(reason.to_owned()),
            None if is_tar(&self.head, b"") => {
                Verdict::PatchedWithNote("a tar is compressed in it, in which times stay as they are".to_owned())
            }
            None => Verdict::Patched,
        })
    }
}

/// What the fields that were found become.
struct Found<'h> {
    stamp: Stamp,
    fields: Vec<(u64, Vec<u8>)>,
    head: &'h mut Vec<u8>,
}

impl Visitor for Found<'_> {
    fn mtime(&mut self, at: u64, value: u32) -> u32 {
        if is_no_time(value) {
            return value;
        }
        let new = fields::unsigned(self.stamp, value);
        self.fields.push((at, new.to_le_bytes().to_vec()));
        new
    }

    fn header_crc(&mut self, at: u64, new: u16) {
        self.fields.push((at, new.to_le_bytes().to_vec()));
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        let missing = BLOCK.saturating_sub(self.head.len());
        self.head.extend_from_slice(bytes.get(..missing.min(bytes.len())).unwrap_or_default());
        if missing > 0 && self.head.starts_with(SIGNATURE) {
            return Err("it is signed as a whole, as packages of Alpine are");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::checked::{EPOCH, becomes, patched, stamp, stays};
    use super::*;
    use crate::stamp::Rule;
    use flate2::{Compress, Compression, Crc, FlushCompress};
    use proptest::prelude::*;

    const LATE: u32 = 1_760_000_000;
    /// Of a file that is not given its own.
    const SIZE: u64 = 1000;
    const GO_ZERO: u32 = 2_288_912_640;

    /// A member whose header has these flags and this after its fixed part; with the checksum of the header where the flags
    /// say so.
    fn member(flags: u8, mtime: u32, variable: &[u8], data: &[u8]) -> Vec<u8> {
        let mut out = [&[0x1f, 0x8b, 8, flags][..], &mtime.to_le_bytes(), &[0, 3], variable].concat();
        let sum = |bytes: &[u8]| {
            let mut crc = Crc::new();
            crc.update(bytes);
            crc.sum()
        };
        if flags & 2 != 0 {
            out.extend_from_slice(&(sum(&out) as u16).to_le_bytes());
        }
        let mut deflate = Vec::with_capacity(data.len() + 1000);
        Compress::new(Compression::fast(), false).compress_vec(data, &mut deflate, FlushCompress::Finish).unwrap();
        [&out, &deflate[..], &sum(data).to_le_bytes(), &(data.len() as u32).to_le_bytes()].concat()
    }

    fn new(rule: Rule) -> impl Fn() -> Box<dyn ContentPatcher> {
        move || Box::new(GzipPatcher::new(stamp(rule), SIZE))
    }

    #[test]
    fn every_member_has_its_time_replaced() {
        let text: Vec<u8> = (0..100_000u32).flat_map(|n| n.to_string().into_bytes()).collect();
        let extra = [&7u16.to_le_bytes()[..], b"\x1f\x8b\x08extr", b"name\0", b"a comment\0"].concat();
        let file = |mtime| {
            let members = [
                member(0, mtime, b"", &text),
                member(8, mtime, b"name\0", b""),
                member(4 | 8 | 16 | 2, mtime, &extra, b"more"),
                member(2, mtime, b"", b"x"),
                member(4, mtime, &[0, 0], b"x"),
            ];
            [&members.concat()[..], b"what follows \x1f\x8b\x08"].concat()
        };
        for rule in [Rule::Set, Rule::Clamp] {
            becomes(&new(rule), &file(LATE), &file(EPOCH as u32));
            // No time is none in every mode.
            for none in [0, GO_ZERO] {
                becomes(&new(rule), &file(none), &file(none));
            }
        }
        becomes(&new(Rule::Set), &file(5), &file(EPOCH as u32));
        becomes(&new(Rule::Clamp), &file(5), &file(5));
    }

    #[test]
    fn what_follows_the_last_member_stays() {
        for rest in [&b""[..], &[0; 1000], &[0x1f], &[0x1f, 0x8c, 8, 0, 1, 2, 3, 4, 5, 6], b"\x1e\x8b\x08"] {
            let file = |mtime| [&member(0, mtime, b"", b"data")[..], rest].concat();
            becomes(&new(Rule::Set), &file(LATE), &file(EPOCH as u32));
        }
    }

    #[test]
    fn a_compressed_tar_is_named() {
        let mut header = ::tar::Header::new_ustar();
        header.set_path("f").unwrap();
        header.set_size(0);
        header.set_cksum();
        let of = |mtime| member(0, mtime, b"", &[&header.as_bytes()[..], &[0; 1024]].concat());
        let (found, verdict) = patched(&new(Rule::Set), &of(LATE));
        assert!(found == of(EPOCH as u32));
        assert!(matches!(verdict, Verdict::PatchedWithNote(_)), "{verdict:?}");
    }

    #[test]
    fn what_is_not_sound_is_left() {
        let sound = member(8 | 2, LATE, b"name\0", b"some data");
        let with = |at: usize, xor: u8| {
            let mut bytes = sound.clone();
            bytes[at] ^= xor;
            bytes
        };
        let length = sound.len();
        let mut long = member(8, LATE, &[&[b'x'; 70_000][..], &[0]].concat(), b"");
        for (content, reason) in [
            (with(0, 1), "does not begin with a member"),
            (with(2, 1), "another method"),
            (with(3, 0x20), "reserved flags"),
            (with(15, 1), "checksum of a header"),
            (with(17, 6), "data"),
            (with(length - 8, 1), "checksum"),
            (with(length - 1, 1), "checksum"),
            (sound[..length - 1].to_vec(), "ends within a member"),
            (sound[..7].to_vec(), "ends within a member"),
            ([&sound[..], &[0x1f, 0x8b]].concat(), "ends within a member"),
            ([&sound[..], &[0x1f, 0x8b, 7]].concat(), "another method"),
            (std::mem::take(&mut long), "more than 64 KiB"),
            ([member(0, LATE, b"", b".SIGN.RSA.key.pub"), member(0, LATE, b"", b"x")].concat(), "Alpine"),
            (member(0, LATE, b"", &vec![0; (1 << 20) + 256 * 1000 + 1]), "256 times its size"),
        ] {
            stays(&new(Rule::Set), &content, reason);
        }
    }

    proptest! {
        #[test]
        fn damage_is_left_or_patched_soundly(at in 0usize..200, xor: u8, cut in 0usize..250) {
            let mut file = [member(0, LATE, b"", b"first member"), member(8 | 2, LATE, b"n\0", &[7; 300])].concat();
            if let Some(byte) = file.get_mut(at) {
                *byte ^= xor;
            }
            file.truncate(cut);
            patched(&new(Rule::Set), &file);
        }
    }
}
