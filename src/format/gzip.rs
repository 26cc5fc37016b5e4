//! gzip (RFC 1952): where the headers of a file's members hold a time, found while the file is read.
//!
//! Only inflating shows where a member ends, so that is done here, and the data is compared with the member's trailer
//! on the way. Nothing is kept of the data. Layers are read by the `decode` room, which asks for bytes where this one
//! is given them, and takes nothing after the last member.

use flate2::{Crc, Decompress, FlushDecompress, Status};

/// What a member begins with: the magic number, and DEFLATE as its method.
pub const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

// 2.3.1, the flags.
const FHCRC: u8 = 1 << 1;
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// The length of a header's fixed part.
const HEADER: usize = 10;
/// Where in it MTIME is.
const MTIME: usize = 4;
/// No file's name or comment is longer.
const TEXT_MAX: u32 = 64 << 10;
/// Data is inflated into a buffer of this size.
const STEP: usize = 32 << 10;
/// A file may inflate to so many bytes and so many times its size more. DEFLATE reaches 1032 times, with zeros; text comes to
/// 50 at most.
const INFLATED: u64 = 1 << 20;
const RATIO: u64 = 256;

/// Sees what is in a file.
pub trait Visitor {
    /// The MTIME at this offset has this value; returns what it becomes.
    fn mtime(&mut self, at: u64, value: u32) -> u32;

    /// The CRC16 of a header, at this offset, becomes this one: that of the header with its new MTIME.
    fn header_crc(&mut self, at: u64, new: u16);

    /// The next bytes of the inflated data. An error ends the reading with that reason.
    fn data(&mut self, _: &[u8]) -> Result<(), &'static str> {
        Ok(())
    }
}

/// Reads the members of a file that comes in pieces.
#[derive(Debug)]
pub struct Members {
    state: State,
    flags: u8,
    /// How many bytes have been read.
    at: u64,
    /// Of the current header as it is, and as it will be.
    header_crc: [Crc; 2],
    inflate: Decompress,
    crc: Crc,
    buffer: Vec<u8>,
    /// How many bytes its members may still inflate to.
    left: u64,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// The fixed part of a header, or what follows the last member.
    Header {
        bytes: [u8; HEADER],
        have: usize,
        is_first: bool,
    },
    /// The length of the extra field.
    ExtraLength {
        low: Option<u8>,
    },
    Extra {
        left: u16,
    },
    /// A text up to its zero: this flag's.
    Text {
        flag: u8,
        length: u32,
    },
    HeaderCrc {
        low: Option<u8>,
    },
    Data,
    Trailer {
        bytes: [u8; 8],
        have: usize,
    },
    /// What follows the last member.
    Rest,
}

impl Members {
    /// At the start of a file of this size.
    pub fn new(size: u64) -> Self {
        Self {
            state: State::Header { bytes: [0; HEADER], have: 0, is_first: true },
            flags: 0,
            at: 0,
            header_crc: [Crc::new(), Crc::new()],
            inflate: Decompress::new(false),
            crc: Crc::new(),
            buffer: Vec::new(),
            // It depends on the size of all, so that it makes no difference where the pieces end.
            left: INFLATED.saturating_add(size.saturating_mul(RATIO)),
        }
    }

    /// How many of the last bytes may hold the start of a field that is not complete yet.
    pub fn held(&self) -> usize {
        match self.state {
            State::Header { have, .. } => have,
            State::HeaderCrc { low: Some(_) } => 1,
            _ => 0,
        }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    ///
    /// Why this is no sound gzip file.
    pub fn push(&mut self, mut bytes: &[u8], visitor: &mut dyn Visitor) -> Result<(), &'static str> {
        while let Some((first, rest)) = bytes.split_first() {
            match self.state {
                State::Data => {
                    let left = self.data(bytes, visitor)?;
                    self.at = self.at.saturating_add((bytes.len() - left.len()) as u64);
                    bytes = left;
                    continue;
                }
                State::Rest => {
                    self.at = self.at.saturating_add(bytes.len() as u64);
                    return Ok(());
                }
                State::Trailer { bytes: trailer, have } => self.trailer(trailer, have, *first)?,
                State::Header { bytes: header, have, is_first } => {
                    self.header(header, have, is_first, *first, visitor)?;
                }
                State::ExtraLength { .. } | State::Extra { .. } | State::Text { .. } | State::HeaderCrc { .. } => {
                    self.variable(*first, visitor)?;
                }
            }
            self.at = self.at.saturating_add(1);
            bytes = rest;
        }
        Ok(())
    }

    /// The file has ended.
    ///
    /// # Errors
    ///
    /// It ends within a member.
    pub fn end(&self) -> Result<(), &'static str> {
        match self.state {
            State::Rest | State::Header { have: 0 | 1, is_first: false, .. } => Ok(()),
            _ => Err("it ends within a member"),
        }
    }

    /// Does anything follow the last member, of what has come so far?
    pub fn has_rest(&self) -> bool {
        matches!(self.state, State::Rest | State::Header { have: 1.., is_first: false, .. })
    }

    /// Takes the next byte of a header's fixed part.
    fn header(
        &mut self,
        mut header: [u8; HEADER],
        have: usize,
        is_first: bool,
        byte: u8,
        visitor: &mut dyn Visitor,
    ) -> Result<(), &'static str> {
        if have < 2 && MAGIC.get(have) != Some(&byte) {
            self.state = State::Rest;
            return if is_first { Err("it does not begin with a member") } else { Ok(()) };
        }
        if let Some(place) = header.get_mut(have) {
            *place = byte;
        }
        self.state = State::Header { bytes: header, have: have + 1, is_first };
        let [_, _, method, flags, m0, m1, m2, m3, _, _] = header;
        match have {
            2 if method != MAGIC[2] => return Err("a member is compressed by another method than DEFLATE"),
            3 if flags & RESERVED != 0 => return Err("a member has reserved flags"),
            9 => {}
            _ => return Ok(()),
        }
        let start = self.at.saturating_sub(HEADER as u64 - 1);
        let new = visitor.mtime(start.saturating_add(MTIME as u64), u32::from_le_bytes([m0, m1, m2, m3]));
        let [old_crc, new_crc] = &mut self.header_crc;
        old_crc.reset();
        old_crc.update(&header);
        if let Some(place) = header.get_mut(MTIME..MTIME + 4) {
            place.copy_from_slice(&new.to_le_bytes());
        }
        new_crc.reset();
        new_crc.update(&header);
        self.flags = flags;
        self.after(0);
        Ok(())
    }

    /// What follows the part of a header that this flag announces.
    fn after(&mut self, flag: u8) {
        let next = [FEXTRA, FNAME, FCOMMENT, FHCRC].into_iter().skip_while(|next| flag != 0 && *next != flag);
        let next = next.skip(usize::from(flag != 0)).find(|next| self.flags & next != 0);
        self.state = match next {
            Some(FEXTRA) => State::ExtraLength { low: None },
            Some(FHCRC) => State::HeaderCrc { low: None },
            Some(flag) => State::Text { flag, length: 0 },
            None => {
                self.inflate.reset(false);
                self.crc.reset();
                State::Data
            }
        };
    }

    /// Takes the next byte of what follows a header's fixed part.
    fn variable(&mut self, byte: u8, visitor: &mut dyn Visitor) -> Result<(), &'static str> {
        if let State::HeaderCrc { low } = self.state {
            let Some(low) = low else {
                self.state = State::HeaderCrc { low: Some(byte) };
                return Ok(());
            };
            let [old, new] = self.header_crc.each_ref().map(|crc| (crc.sum() & 0xffff) as u16);
            if u16::from_le_bytes([low, byte]) != old {
                return Err("the checksum of a header does not match");
            }
            visitor.header_crc(self.at.saturating_sub(1), new);
            self.after(FHCRC);
            return Ok(());
        }
        for crc in &mut self.header_crc {
            crc.update(&[byte]);
        }
        match &mut self.state {
            State::ExtraLength { low: low @ None } => *low = Some(byte),
            State::ExtraLength { low: Some(low) } => {
                let left = u16::from_le_bytes([*low, byte]);
                self.state = State::Extra { left };
                if left == 0 {
                    self.after(FEXTRA);
                }
            }
            State::Extra { left } => {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.after(FEXTRA);
                }
            }
            State::Text { flag, length } => {
                let flag = *flag;
                *length = length.saturating_add(1);
                if *length > TEXT_MAX {
                    return Err("a member has a name or a comment of more than 64 KiB");
                }
                if byte == 0 {
                    self.after(flag);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Inflates, and returns what follows the data.
    fn data<'b>(&mut self, mut bytes: &'b [u8], visitor: &mut dyn Visitor) -> Result<&'b [u8], &'static str> {
        self.buffer.resize(STEP, 0);
        loop {
            let before = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(bytes, &mut self.buffer, FlushDecompress::None);
            let status = status.map_err(|_| "its data is damaged")?;
            let consumed = count(before.0, self.inflate.total_in());
            let produced = count(before.1, self.inflate.total_out());
            let data = self.buffer.get(..produced).unwrap_or_default();
            self.crc.update(data);
            let left = self.left.checked_sub(produced as u64);
            self.left = left.ok_or("it inflates to more than 256 times its size")?;
            visitor.data(data)?;
            bytes = bytes.get(consumed..).unwrap_or_default();
            if status == Status::StreamEnd {
                self.state = State::Trailer { bytes: [0; 8], have: 0 };
                return Ok(bytes);
            }
            if consumed == 0 && produced == 0 {
                return if bytes.is_empty() { Ok(bytes) } else { Err("its data is damaged") };
            }
        }
    }

    /// Takes the next byte of a trailer.
    fn trailer(&mut self, mut trailer: [u8; 8], have: usize, byte: u8) -> Result<(), &'static str> {
        if let Some(place) = trailer.get_mut(have) {
            *place = byte;
        }
        self.state = State::Trailer { bytes: trailer, have: have + 1 };
        if have + 1 < trailer.len() {
            return Ok(());
        }
        // ISIZE is the size modulo 2^32.
        let size = (self.inflate.total_out() & u64::from(u32::MAX)) as u32;
        let [c0, c1, c2, c3, s0, s1, s2, s3] = trailer;
        if u32::from_le_bytes([c0, c1, c2, c3]) != self.crc.sum() || u32::from_le_bytes([s0, s1, s2, s3]) != size {
            return Err("its data does not match the checksum");
        }
        self.state = State::Header { bytes: [0; HEADER], have: 0, is_first: false };
        Ok(())
    }
}

fn count(before: u64, after: u64) -> usize {
    usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX)
}
