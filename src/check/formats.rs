//! Blobs in the list of layers whose media type is not one of a layer: recognised by that name and their first bytes.

use crate::blob::Extent;
use crate::error::Result;
use crate::layer::{Decoder, LayerExpected, Window};
use crate::media_type::FORMATS;

/// Where a tar header has its magic, and what that begins with (POSIX and GNU alike).
const MAGIC: (usize, &[u8]) = (257, b"ustar");

/// A blob in the place of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OtherFormat {
    /// A JSON document, such as a signature or a list of parts.
    Document,
    /// A tar under a media type that no program takes for one of a layer.
    Misnamed,
    /// A format that restamp does not read.
    Foreign,
}

/// What a blob of an unknown media type is.
pub(super) fn other_format(media_type: &str, blob: &Extent) -> OtherFormat {
    let name = media_type.to_ascii_lowercase();
    if FORMATS.iter().any(|format| name.contains(format)) {
        return OtherFormat::Foreign;
    }
    let mut head = Vec::new();
    // What can't be unpacked is no tar. Nothing else is decoded while documents are walked.
    let is_read = unpacked_head(blob, &mut head).is_ok();
    let (at, magic) = MAGIC;
    if is_read && head.get(at..at + magic.len()) == Some(magic) {
        return OtherFormat::Misnamed;
    }
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
    if is_read && matches!(first, Some(b'{' | b'[')) { OtherFormat::Document } else { OtherFormat::Foreign }
}

fn unpacked_head(blob: &Extent, head: &mut Vec<u8>) -> Result<()> {
    let mut block = [0; 512];
    let mut decoder = Decoder::new(Box::new(blob.reader()?), &LayerExpected::default(), Window::any())?;
    let count = decoder.fill(&mut block)?;
    head.extend_from_slice(block.get(..count).unwrap_or_default());
    Ok(())
}
