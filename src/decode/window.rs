//! How much memory the windows of zstd frames may take, all decoders of the process together.
//!
//! A frame of a few bytes may ask for a window of 128 MiB, and any frame of a blob for another one. So all frames of a
//! blob are looked at before it is decoded, by their headers and those of their blocks (RFC 8878, 3.1.1), and a decoder
//! waits for its place while it holds nothing that others wait for. Small windows are part of what a job takes anyway;
//! of large ones so many are open at a time as fit a budget, and one that is larger than the budget is alone.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::blob::{Extent, ExtentReader, read_full};
use crate::error::{Error, Result};
use crate::sync::lock;

/// What every decoder may have: what zstd's levels up to 6 ask for.
const SMALL: u64 = 2 << 20;
/// What larger windows may take together: three of those that Go's encoder makes by default, and zstd's level 19.
const BUDGET: u64 = 24 << 20;
/// The largest window that a frame may ask for, 2^27 bytes: libzstd's own limit, and the most that level 19 with `--ultra`
/// and without `--long=28` and above makes.
pub(super) const WINDOW_LOG_MAX: u32 = 27;
/// The longest frame header: magic, descriptor, window, dictionary, content size (RFC 8878, 3.1.1.1).
pub(super) const HEADER_MAX: usize = 4 + 1 + 1 + 4 + 8;

static IN_USE: InUse = InUse { bytes: Mutex::new(0), freed: Condvar::new() };

struct InUse {
    bytes: Mutex<u64>,
    freed: Condvar,
}

/// The right to decode with windows up to a size; it goes back when this is dropped.
#[derive(Debug)]
pub struct Window {
    /// No frame may ask for more.
    allowed: u64,
    /// How much of the budget it takes.
    taken: u64,
}

impl Window {
    /// For a blob that is decoded while nothing else is, or that can't be looked at before: whatever it asks for.
    pub fn any() -> Self {
        Self { allowed: 1 << WINDOW_LOG_MAX, taken: 0 }
    }

    /// For this blob, once its windows have their place: this waits until others are done with theirs, so the caller must
    /// hold nothing that they may be waiting for.
    ///
    /// # Errors
    ///
    /// The blob can't be read.
    pub fn of(blob: &Extent) -> Result<Self> {
        let largest = largest(blob)?.min(1 << WINDOW_LOG_MAX);
        Ok(Self::wait(largest))
    }

    fn wait(largest: u64) -> Self {
        let mut window = Self { allowed: largest.max(SMALL), taken: 0 };
        if largest > SMALL {
            let mut bytes = lock(&IN_USE.bytes);
            while *bytes > 0 && bytes.saturating_add(largest) > BUDGET {
                bytes = IN_USE.freed.wait(bytes).unwrap_or_else(PoisonError::into_inner);
            }
            *bytes = bytes.saturating_add(largest);
            window.taken = largest;
        }
        window
    }

    /// An error if a frame that begins like this asks for more than libzstd or this right allows.
    pub(super) fn check(&self, header: &[u8], offset: u64) -> Result<()> {
        match window_of(header) {
            Some(window) if window > self.allowed => {
                let error = Error::limit("window of a zstd frame in bytes", self.allowed, window);
                Err(error.at_offset(offset))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if self.taken > 0 {
            let mut bytes = lock(&IN_USE.bytes);
            *bytes = bytes.saturating_sub(self.taken);
            drop(bytes);
            IN_USE.freed.notify_all();
        }
    }
}

/// The largest window that the frames of a blob ask for, as far as they make sense; 0 if it is not of zstd.
fn largest(blob: &Extent) -> Result<u64> {
    let mut walk = Walk { reader: blob.reader()?, buffer: vec![0; 4 << 10], start: 0, end: 0 };
    let mut largest = 0;
    while let Some(window) = walk.frame()? {
        largest = largest.max(window);
    }
    Ok(largest)
}

/// The headers of a blob, read without what is between them.
struct Walk {
    reader: ExtentReader,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Walk {
    /// The next frame's window, 0 for a skippable frame; `None` where there is none that makes sense.
    fn frame(&mut self) -> Result<Option<u64>> {
        let header = self.at_least(HEADER_MAX)?;
        let Some((magic, rest)) = header.split_first_chunk::<4>() else { return Ok(None) };
        if matches!(magic, [0x50..=0x5f, 0x2a, 0x4d, 0x18]) {
            let Some(length) = rest.first_chunk() else { return Ok(None) };
            let length = u64::from(u32::from_le_bytes(*length));
            self.skip(8 + length);
            return Ok(Some(0));
        }
        let (Some(window), Some(length), Some(descriptor)) = (window_of(header), header_length(header), header.get(4))
        else {
            return Ok(None);
        };
        let has_checksum = descriptor & 4 != 0;
        self.skip(length as u64);
        loop {
            let Some(&[a, b, c]) = self.at_least(3)?.first_chunk() else { return Ok(Some(window)) };
            let block = u32::from_le_bytes([a, b, c, 0]);
            // An RLE block has one byte, however long it says it is.
            let length = if block >> 1 & 3 == 1 { 1 } else { u64::from(block >> 3) };
            self.skip(3 + length);
            if block & 1 == 1 {
                self.skip(if has_checksum { 4 } else { 0 });
                return Ok(Some(window));
            }
        }
    }

    /// At least so many bytes, fewer at the end.
    fn at_least(&mut self, count: usize) -> Result<&[u8]> {
        if self.end - self.start < count {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            let space = self.buffer.get_mut(self.end..).unwrap_or_default();
            self.end += read_full(&mut self.reader, space).map_err(|e| Error::io("cannot read", e))?;
        }
        Ok(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    fn skip(&mut self, count: u64) {
        let buffered = (self.end - self.start) as u64;
        if count <= buffered {
            self.start += count as usize;
        } else {
            (self.start, self.end) = (0, 0);
            self.reader.skip(count - buffered);
        }
    }
}

const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();

/// The window that a zstd frame asks for, by its header; `None` for a skippable frame, and for a header that ends too
/// early or is none.
pub(super) fn window_of(header: &[u8]) -> Option<u64> {
    let rest = header.strip_prefix(&MAGIC)?;
    let (&descriptor, rest) = rest.split_first()?;
    let is_single_segment = descriptor & 0x20 != 0;
    if !is_single_segment {
        let window = *rest.first()?;
        let base = 1_u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // The window is the content's size, which is after the dictionary's number.
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = rest.get(dictionary..)?;
    Some(match descriptor >> 6 {
        0 => u64::from(*size.first()?),
        1 => u64::from(u16::from_le_bytes(*size.first_chunk()?)) + 256,
        2 => u64::from(u32::from_le_bytes(*size.first_chunk()?)),
        _ => u64::from_le_bytes(*size.first_chunk()?),
    })
}

/// How long a frame header is that begins like this.
fn header_length(header: &[u8]) -> Option<usize> {
    let descriptor = *header.get(4)?;
    let is_single_segment = descriptor & 0x20 != 0;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = match descriptor >> 6 {
        0 => usize::from(is_single_segment),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    Some(5 + usize::from(!is_single_segment) + dictionary + size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn frame(log: u32, pledged: Option<u64>) -> Vec<u8> {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(log).unwrap();
        encoder.set_pledged_src_size(pledged).unwrap();
        encoder.include_contentsize(pledged.is_some()).unwrap();
        encoder.write_all(&vec![7; pledged.unwrap_or(100_000) as usize]).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_window_is_read_as_the_encoder_wrote_it() {
        for log in [10, 17, 21, 23, 27] {
            assert_eq!(window_of(&frame(log, None)), Some(1 << log), "{log}");
        }
        for size in [10, 255, 256, 300, 65_791, 65_792, 1 << 20] {
            assert_eq!(window_of(&frame(27, Some(size))), Some(size), "{size}");
        }
        assert_eq!(window_of(b"\x50\x2a\x4d\x18\x00\x00\x00\x00"), None);
        assert_eq!(window_of(&frame(27, None)[..5]), None);
    }

    #[test]
    fn a_window_beyond_the_budget_waits_until_it_is_alone() {
        assert_eq!(Window::wait(SMALL).taken, 0);
        let first = Window::wait(BUDGET);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| Window::wait(128 << 20));
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert!(!second.is_finished());
            drop(first);
            assert_eq!(second.join().unwrap().allowed, 128 << 20);
        });
    }

    #[test]
    fn the_largest_window_of_all_frames_counts() {
        let of = |bytes: &[u8]| largest(&Extent::of_bytes(bytes.to_vec())).unwrap();
        let skippable = [&b"\x50\x2a\x4d\x18"[..], &9000_u32.to_le_bytes(), &[7; 9000]].concat();
        let noise: Vec<u8> = (0..1 << 20).map(|n: u32| (n.wrapping_mul(0x9e37_79b9) >> 11) as u8).collect();
        let small = zstd::bulk::compress(&noise, 3).unwrap();
        let many =
            [small.clone(), skippable.clone(), frame(20, None), frame(27, None), frame(19, None), skippable].concat();
        assert_eq!((of(&small), of(&many)), (1 << 20, 1 << 27));
        assert_eq!((of(b""), of(b"no zstd"), of(&many[..3])), (0, 0, 0));
        // As far as they make sense.
        assert_eq!(of(&[&small[..], b"and something else"].concat()), 1 << 20);
        assert_eq!(of(&small[..small.len() / 2]), 1 << 20);
    }
}
