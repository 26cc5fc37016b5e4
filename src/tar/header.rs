//! A header block: its fields, numbers and checksum, in all dialects.
//!
//! Positions are those of POSIX.1-2017 (pax, "ustar Interchange Format"), of GNU's `tar.h` and of star(5).

use std::ops::Range;

use super::BLOCK;

/// The bytes of one block.
pub type Block = [u8; BLOCK];

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const KIND: usize = 156;
const LINK_NAME: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..263;
const VERSION: Range<usize> = 263..265;
const UNAME: Range<usize> = 265..297;
const GNAME: Range<usize> = 297..329;
const DEVICE_MAJOR: Range<usize> = 329..337;
const DEVICE_MINOR: Range<usize> = 337..345;
const USTAR_PREFIX: Range<usize> = 345..500;
const STAR_PREFIX: Range<usize> = 345..476;
const STAR_ATIME: Range<usize> = 476..488;
const STAR_CTIME: Range<usize> = 488..500;
const STAR_TRAILER: Range<usize> = 508..512;
const GNU_ATIME: Range<usize> = 345..357;
const GNU_CTIME: Range<usize> = 357..369;
const GNU_IS_EXTENDED: usize = 482;
const GNU_REAL_SIZE: Range<usize> = 483..495;

/// Where a block of the sparse map of old GNU tar says whether another one follows.
const SPARSE_IS_EXTENDED: usize = 504;

/// The dialect of a header block, by its magic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// None of the others: the tar of Seventh Edition Unix.
    V7,
    /// POSIX ustar, which PAX builds on.
    Ustar,
    /// GNU tar's own format.
    Gnu,
    /// Schily's star, before it took to PAX.
    Star,
}

/// A number field of a header block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Mode,
    Uid,
    Gid,
    Size,
    Mtime,
    DeviceMajor,
    DeviceMinor,
}

impl Number {
    /// Those that a reader of this format reads: if one is malformed, the header is.
    pub(super) fn of(format: Format) -> &'static [Self] {
        use Number::{DeviceMajor, DeviceMinor, Gid, Mode, Mtime, Size, Uid};
        const ALL: [Number; 7] = [Size, Mode, Uid, Gid, Mtime, DeviceMajor, DeviceMinor];
        match format {
            Format::V7 => &ALL[..5],
            Format::Ustar | Format::Gnu | Format::Star => &ALL,
        }
    }

    pub(super) fn range(self) -> Range<usize> {
        match self {
            Self::Mode => MODE,
            Self::Uid => UID,
            Self::Gid => GID,
            Self::Size => SIZE,
            Self::Mtime => MTIME,
            Self::DeviceMajor => DEVICE_MAJOR,
            Self::DeviceMinor => DEVICE_MINOR,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::Uid => "uid",
            Self::Gid => "gid",
            Self::Size => "size",
            Self::Mtime => "mtime",
            Self::DeviceMajor => "device major number",
            Self::DeviceMinor => "device minor number",
        }
    }
}

/// A time field of a header block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeField {
    Mtime,
    Atime,
    Ctime,
}

/// The fields of a header block.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a>(&'a Block);

impl<'a> Header<'a> {
    /// Reads a block as a header.
    pub fn new(block: &'a Block) -> Self {
        Self(block)
    }

    /// All of its bytes.
    pub fn block(self) -> &'a Block {
        self.0
    }

    /// Its dialect, as Go's reader distinguishes them.
    pub fn format(self) -> Format {
        let (magic, version) = (&self.0[MAGIC], &self.0[VERSION]);
        if magic == b"ustar\0" {
            if &self.0[STAR_TRAILER] == b"tar\0" { Format::Star } else { Format::Ustar }
        } else if magic == b"ustar " && version == b" \0" {
            Format::Gnu
        } else {
            Format::V7
        }
    }

    /// The type flag.
    pub fn kind(self) -> u8 {
        self.0[KIND]
    }

    /// The name field.
    pub fn name(self) -> &'a [u8] {
        c_string(&self.0[NAME])
    }

    /// What is before the name and a slash, in formats that have it.
    pub fn prefix(self) -> &'a [u8] {
        match self.format() {
            Format::Ustar => c_string(&self.0[USTAR_PREFIX]),
            Format::Star => c_string(&self.0[STAR_PREFIX]),
            // Go 1.8 and older wrote a prefix into GNU headers, where the times are; its readers since take
            // what is no time for one (golang.org/issue/12594).
            Format::Gnu if !self.gnu_times_parse() => {
                let prefix = c_string(&self.0[USTAR_PREFIX]);
                if prefix.is_ascii() { prefix } else { b"" }
            }
            Format::Gnu | Format::V7 => b"",
        }
    }

    /// The target of a link.
    pub fn link_name(self) -> &'a [u8] {
        c_string(&self.0[LINK_NAME])
    }

    /// The owner's name; v7 has none.
    pub fn uname(self) -> &'a [u8] {
        if self.format() == Format::V7 { b"" } else { c_string(&self.0[UNAME]) }
    }

    /// The group's name; v7 has none.
    pub fn gname(self) -> &'a [u8] {
        if self.format() == Format::V7 { b"" } else { c_string(&self.0[GNAME]) }
    }

    /// The raw bytes of a number field.
    pub(super) fn number_bytes(self, number: Number) -> &'a [u8] {
        &self.0[number.range()]
    }

    /// The value of a number field; `None` where it is malformed.
    pub(super) fn number(self, number: Number) -> Option<i64> {
        parse_number(self.number_bytes(number))
    }

    /// The size that a sparse file of old GNU tar has when its holes are filled.
    pub(super) fn gnu_real_size(self) -> Option<i64> {
        parse_number(&self.0[GNU_REAL_SIZE])
    }

    /// Does a block with more of the sparse map follow this header?
    pub(super) fn sparse_map_goes_on(self) -> bool {
        self.0[GNU_IS_EXTENDED] != 0
    }

    /// Is the checksum right? Like all readers it takes sums of signed bytes, as Sun's tar wrote, for right too.
    pub fn checksum_is_right(self) -> bool {
        let Some(recorded) = parse_octal(&self.0[CHECKSUM]) else { return false };
        let unsigned = checksum(self.0);
        recorded == unsigned || {
            let high = self.0.iter().enumerate().filter(|(at, byte)| **byte > 127 && !CHECKSUM.contains(at)).count();
            recorded == unsigned - 256 * i64::try_from(high).unwrap_or(0)
        }
    }

    /// The time fields that this header has set, and their values.
    pub(super) fn times(self) -> impl Iterator<Item = (TimeField, Range<usize>, i64)> {
        let optional = match self.format() {
            Format::Gnu if self.gnu_times_parse() => Some((GNU_ATIME, GNU_CTIME)),
            Format::Star => Some((STAR_ATIME, STAR_CTIME)),
            Format::Gnu | Format::Ustar | Format::V7 => None,
        };
        let optional = optional.map(|(atime, ctime)| [(TimeField::Atime, atime), (TimeField::Ctime, ctime)]);
        let optional = optional.into_iter().flatten().filter(move |(_, range)| self.0[range.start] != 0);
        std::iter::once((TimeField::Mtime, MTIME)).chain(optional).filter_map(move |(field, range)| {
            let value = parse_number(&self.0[range.clone()])?;
            Some((field, range, value))
        })
    }

    /// Are GNU's atime and ctime numbers where they are set? If one is not, neither is taken for a time.
    fn gnu_times_parse(self) -> bool {
        [GNU_ATIME, GNU_CTIME].into_iter().all(|range| {
            let field = &self.0[range];
            field[0] == 0 || parse_number(field).is_some()
        })
    }
}

/// Does another block of the sparse map of old GNU tar follow this one?
pub(super) fn sparse_block_goes_on(block: &Block) -> bool {
    block[SPARSE_IS_EXTENDED] != 0
}

/// Replaces the name, and clears the prefix where the format has one.
pub(super) fn set_name(block: &mut Block, name: &[u8]) {
    set_names(block, b"", name);
}

/// Replaces the name, and the prefix where the format has one.
pub(super) fn set_names(block: &mut Block, prefix: &[u8], name: &[u8]) {
    let field = match Header(block).format() {
        Format::Ustar => USTAR_PREFIX,
        Format::Star => STAR_PREFIX,
        Format::Gnu | Format::V7 => 0..0,
    };
    for (field, text) in [(field, prefix), (NAME, name)] {
        block[field.clone()].fill(0);
        for (to, from) in block[field].iter_mut().zip(text) {
            *to = *from;
        }
    }
}

/// Empties the names of owner and group; v7 has none.
pub(super) fn clear_owner_names(block: &mut Block) {
    if Header(block).format() != Format::V7 {
        block[UNAME].fill(0);
        block[GNAME].fill(0);
    }
}

/// Replaces the size.
pub(super) fn set_size(block: &mut Block, size: u64) {
    write_octal(&mut block[SIZE], size);
}

/// Replaces the time field at `range`.
pub(super) fn set_time(block: &mut Block, range: Range<usize>, seconds: u64) {
    if let Some(field) = block.get_mut(range) {
        write_octal(field, seconds);
    }
}

/// Writes the checksum as POSIX and all but the oldest writers do: six octal digits, NUL, space.
pub(super) fn set_checksum(block: &mut Block) {
    let sum = u64::try_from(checksum(block)).unwrap_or(0);
    write_octal(&mut block[CHECKSUM.start..CHECKSUM.end - 1], sum);
    block[CHECKSUM.end - 1] = b' ';
}

/// The sum of all bytes, the checksum field taken for spaces.
fn checksum(block: &Block) -> i64 {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    i64::from(sum(block) - sum(&block[CHECKSUM]) + 8 * u32::from(b' '))
}

/// Fills a field with octal digits and a NUL at its end. What does not fit is cut; callers have checked it.
fn write_octal(field: &mut [u8], mut value: u64) {
    let Some((last, digits)) = field.split_last_mut() else { return };
    *last = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(value & 7).unwrap_or(0);
        value >>= 3;
    }
}

/// The bytes before the first NUL.
pub(super) fn c_string(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or(field)
}

/// A number field: octal digits, or GNU's base-256, which begins with a byte of 0x80 or more.
///
/// `None` for what Go's reader refuses.
pub(super) fn parse_number(field: &[u8]) -> Option<i64> {
    let first = *field.first()?;
    if first & 0x80 == 0 {
        return parse_octal(field);
    }
    // Two's complement, the mark taken out of the first byte; a negative number is read as its inverse.
    let invert = if first & 0x40 != 0 { 0xff } else { 0 };
    let mut value: u64 = 0;
    for (at, byte) in field.iter().enumerate() {
        let byte = (byte ^ invert) & if at == 0 { 0x7f } else { 0xff };
        if value >> 56 != 0 {
            return None;
        }
        value = value << 8 | u64::from(byte);
    }
    let value = i64::try_from(value).ok()?;
    Some(if invert == 0 { value } else { !value })
}

/// Octal digits between any number of spaces and NULs; a field without digits is 0.
fn parse_octal(field: &[u8]) -> Option<i64> {
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let Some(first) = field.iter().position(|byte| !blank(byte)) else { return Some(0) };
    let last = field.iter().rposition(|byte| !blank(byte)).unwrap_or(first);
    let mut value: i64 = 0;
    for byte in c_string(field.get(first..=last)?) {
        if !matches!(byte, b'0'..=b'7') {
            return None;
        }
        value = value.checked_mul(8)?.checked_add(i64::from(byte - b'0'))?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        // The cases of Go's own test of its reader.
        let cases: [(&[u8], Option<i64>); 31] = [
            (b"\x80", Some(0)),
            (b"\x80\x00\x00", Some(0)),
            (b"\xbf", Some(63)),
            (b"\xbf\xff", Some((1 << 14) - 1)),
            (b"\xff", Some(-1)),
            (b"\xff\xff\xff", Some(-1)),
            (b"\xc0", Some(-64)),
            (b"\xc0\x00\x00", Some(-1 << 22)),
            (b"\x87\x76\xa2\x22\xeb\x8a\x72\x61", Some(537_795_476_381_659_745)),
            (b"\x80\x00\x00\x00\x07\x76\xa2\x22\xeb\x8a\x72\x61", Some(537_795_476_381_659_745)),
            (b"\xf7\x76\xa2\x22\xeb\x8a\x72\x61", Some(-615_126_028_225_187_231)),
            (b"\xff\xff\xff\xff\xf7\x76\xa2\x22\xeb\x8a\x72\x61", Some(-615_126_028_225_187_231)),
            (b"\x80\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX)),
            (b"\x80\x80\x00\x00\x00\x00\x00\x00\x00", None),
            (b"\xff\x80\x00\x00\x00\x00\x00\x00\x00", Some(i64::MIN)),
            (b"\xff\x7f\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\xf5\xec\xd1\xc7\x7e\x5f\x26\x48\x81\x9f\x8f\x9b", None),
            (b"0000000\x00", Some(0)),
            (b" \x0000000\x00", Some(0)),
            (b" \x0000003\x00", Some(3)),
            (b"00000000227\x00", Some(0o227)),
            (b"032033\x00 ", Some(0o032_033)),
            (b"0000660\x00 ", Some(0o660)),
            (b"\x00 0000660\x00 ", Some(0o660)),
            (b"0123456789abcdef", None),
            (b"0123456789\x00abcdef", None),
            (b"01234567\x0089abcdef", Some(0o1_234_567)),
            (b"0123\x7e\x5f\x264123", None),
            (b"12 34", None),
            (b"   \0", Some(0)),
            (b"7777777777777777777777", None),
        ];
        for (field, expected) in cases {
            assert_eq!(parse_number(field), expected, "{field:02x?}");
        }
    }

    #[test]
    fn formats_are_told_by_their_magic() {
        let format = |magic: &[u8; 8], trailer: &[u8; 4]| {
            let mut block = [0; BLOCK];
            block[257..265].copy_from_slice(magic);
            block[508..].copy_from_slice(trailer);
            Header::new(&block).format()
        };
        assert_eq!(format(b"ustar\x0000", b"\0\0\0\0"), Format::Ustar);
        assert_eq!(format(b"ustar\0  ", b"\0\0\0\0"), Format::Ustar);
        assert_eq!(format(b"ustar\x0000", b"tar\0"), Format::Star);
        assert_eq!(format(b"ustar  \0", b"tar\0"), Format::Gnu);
        assert_eq!(format(b"ustar \0\0", b"\0\0\0\0"), Format::V7);
        assert_eq!(format(&[0; 8], b"tar\0"), Format::V7);
    }
}
