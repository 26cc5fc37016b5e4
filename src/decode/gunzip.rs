//! gzip members (RFC 1952), one after the other.
//!
//! flate2 inflates; the headers and trailers are read here, because its multi-member reader accepts anything after the
//! last member, and because `check` needs the time in a header. It is used for reading only: nothing that restamp
//! writes comes from it.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::{Input, not_another, truncated};
use crate::error::{Error, Result};

const MEMBER: &str = "gzip member";

// RFC 1952, 2.3.1, the flags.
const FHCRC: u8 = 1 << 1;
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// The state between two reads.
pub(super) struct Gunzip {
    inflate: Decompress,
    crc: Crc,
    in_member: bool,
    mtime: Option<u32>,
}

impl Default for Gunzip {
    fn default() -> Self {
        Self { inflate: Decompress::new(false), crc: Crc::new(), in_member: false, mtime: None }
    }
}

impl Gunzip {
    /// The first MTIME that is not 0.
    pub(super) fn mtime(&self) -> Option<u32> {
        self.mtime
    }

    /// Fills `out`; less only at the end of the blob.
    pub(super) fn fill(&mut self, input: &mut Input, out: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while let Some(space) = out.get_mut(filled..).filter(|space| !space.is_empty()) {
            if !self.in_member {
                if !self.header(input)? {
                    break;
                }
                self.in_member = true;
            }
            let offset = input.offset();
            let bytes = input.at_least(1)?;
            let eof = bytes.is_empty();
            let (total_in, total_out) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(bytes, space, FlushDecompress::None).map_err(|error| {
                let at = offset.saturating_add(self.inflate.total_in() - total_in);
                Error::malformed(MEMBER, "valid deflate data", error.message().unwrap_or("an error")).at_offset(at)
            })?;
            let consumed = delta(total_in, self.inflate.total_in());
            let produced = delta(total_out, self.inflate.total_out());
            input.consume(consumed);
            self.crc.update(space.get(..produced).unwrap_or_default());
            filled += produced;
            if status == Status::StreamEnd {
                self.trailer(input)?;
                self.in_member = false;
            } else if eof && produced == 0 {
                return Err(truncated(MEMBER, offset));
            } else if consumed == 0 && produced == 0 {
                // Can't happen with input and space at hand; an endless loop would be the worst way to learn otherwise.
                return Err(Error::malformed(MEMBER, "valid deflate data", "data without progress").at_offset(offset));
            }
        }
        Ok(filled)
    }

    /// Reads a member's header; false at the end of the blob.
    fn header(&mut self, input: &mut Input) -> Result<bool> {
        let offset = input.offset();
        let head = input.at_least(10)?;
        if head.is_empty() {
            return Ok(false);
        }
        let &[id1, id2, method, flags, m0, m1, m2, m3, _xfl, _os, ..] = head else {
            // A member cut short, unless what is there can't be one.
            let is_prefix = head.iter().zip([0x1f, 0x8b, 8]).all(|(have, want)| *have == want);
            return Err(if is_prefix {
                truncated(MEMBER, offset + head.len() as u64)
            } else {
                not_another(MEMBER, head, offset)
            });
        };
        if (id1, id2) != (0x1f, 0x8b) {
            return Err(not_another(MEMBER, head, offset));
        }
        if method != 8 {
            return Err(Error::malformed("gzip compression method", "8 (deflate)", method).at_offset(offset + 2));
        }
        if flags & RESERVED != 0 {
            return Err(
                Error::malformed("gzip flags", "no reserved bit", format!("{flags:#04x}")).at_offset(offset + 3)
            );
        }
        let mtime = u32::from_le_bytes([m0, m1, m2, m3]);
        if mtime != 0 {
            self.mtime.get_or_insert(mtime);
        }
        let mut crc = Crc::new();
        for _ in 0..10 {
            byte(input, &mut crc)?;
        }
        if flags & FEXTRA != 0 {
            let length = u16::from_le_bytes([byte(input, &mut crc)?, byte(input, &mut crc)?]);
            for _ in 0..length {
                byte(input, &mut crc)?;
            }
        }
        for flag in [FNAME, FCOMMENT] {
            while flags & flag != 0 && byte(input, &mut crc)? != 0 {}
        }
        if flags & FHCRC != 0 {
            let offset = input.offset();
            let expected = crc.sum() & 0xffff;
            let found = u16::from_le_bytes([byte(input, &mut crc)?, byte(input, &mut crc)?]);
            check("gzip header CRC-16", expected, found.into(), offset)?;
        }
        self.inflate.reset(false);
        self.crc.reset();
        Ok(true)
    }

    /// Reads and checks what follows the deflate stream.
    fn trailer(&mut self, input: &mut Input) -> Result<()> {
        let offset = input.offset();
        let bytes = input.at_least(8)?;
        let &[c0, c1, c2, c3, s0, s1, s2, s3, ..] = bytes else {
            return Err(truncated(MEMBER, offset + bytes.len() as u64));
        };
        input.consume(8);
        check("gzip CRC-32", self.crc.sum(), u32::from_le_bytes([c0, c1, c2, c3]), offset)?;
        // ISIZE is the size modulo 2^32.
        let size = self.inflate.total_out() & u64::from(u32::MAX);
        let found = u32::from_le_bytes([s0, s1, s2, s3]);
        if u64::from(found) != size {
            return Err(Error::malformed("gzip ISIZE", size.to_string(), found).at_offset(offset + 4));
        }
        Ok(())
    }
}

/// The next byte of a header.
fn byte(input: &mut Input, crc: &mut Crc) -> Result<u8> {
    let Some(&byte) = input.at_least(1)?.first() else {
        return Err(truncated(MEMBER, input.offset()));
    };
    crc.update(&[byte]);
    input.consume(1);
    Ok(byte)
}

fn check(what: &'static str, expected: u32, found: u32, offset: u64) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::malformed(what, format!("{expected:08x}, that of the data"), format!("{found:08x}")).at_offset(offset))
}

fn delta(before: u64, after: u64) -> usize {
    usize::try_from(after - before).unwrap_or(usize::MAX)
}
