//! The annotations of a layer that describe its exact bytes: do they match?
//!
//! eStargz: containerd/stargz-snapshotter, docs/estargz.md. zstd:chunked: containers/storage, pkg/chunked. No consumer
//! notices that they are stale before it pulls a wrong part of the layer.

use std::collections::BTreeMap;
use std::io::Read;

use super::claim::Content;
use crate::blob::{Extent, ExtentId};
use crate::digest::{Algorithm, Digest, Hasher};
use crate::document::descriptor::UNCOMPRESSED;
use crate::error::{self, Error, Result};
use crate::layer::{Decoder, Event, LayerExpected, Pool, Window, scan};
use crate::media_type::Compression;

const TOC_DIGEST: &str = "containerd.io/snapshot/stargz/toc.digest";
/// The uncompressed content of a folder that ORAS has packed.
const ORAS_CONTENT: &str = "io.deis.oras.content.digest";
const UNCOMPRESSED_SIZE: &str = "io.containers.estargz.uncompressed-size";
const CHUNKED: [&str; 2] = ["io.github.containers.zstd-chunked.", "io.containers.zstd-chunked."];
/// RFC 8878, 3.1.1.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The layouts of an eStargz footer, an empty gzip member: its length, and where in it the sixteen hexadecimal digits
/// of the TOC's offset stand. The second is that of the first versions, without a header of the extra field.
const FOOTERS: [(u64, usize); 2] = [(51, 16), (47, 12)];

type Fault<'a> = dyn FnMut(String) + 'a;

/// What of a layer has a digest of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// All of its bytes.
    Blob,
    /// A frame, by its place in the file.
    Frame(ExtentId),
    /// What is in a frame, decompressed.
    Content(ExtentId),
    /// The TOC that the footer of an eStargz layer leads to.
    Toc,
}

/// The digests of parts of one layer, each computed once: any number of manifests may claim the same of it.
#[derive(Debug, Default)]
pub(super) struct PartDigests(BTreeMap<(Part, Algorithm), Option<Digest>>);

impl PartDigests {
    /// The digest of a part, or nothing if there is no such part.
    pub fn get(
        &mut self,
        part: Part,
        algorithm: Algorithm,
        compute: impl FnOnce() -> Result<Option<Digest>>,
    ) -> Result<Option<Digest>> {
        if let Some(known) = self.0.get(&(part, algorithm)) {
            return Ok(*known);
        }
        let digest = compute()?;
        self.0.insert((part, algorithm), digest);
        Ok(digest)
    }
}

/// Reports each annotation that is not of this layer.
pub(super) fn compare_annotations(
    annotations: &[(String, String)],
    extent: &Extent,
    content: &Content,
    pool: &Pool,
    digests: &mut PartDigests,
    fault: &mut Fault<'_>,
) -> Result<()> {
    let value = |key: &str| annotations.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let mut compare = |key: &str, found: String| match value(key) {
        Some(said) if said != found => fault(format!("stale annotation {key}: expected {found}, found {said:?}")),
        _ => {}
    };
    compare(UNCOMPRESSED_SIZE, content.uncompressed_size.to_string());
    compare(UNCOMPRESSED, content.diff_id.to_string());
    compare(ORAS_CONTENT, content.diff_id.to_string());
    let mut toc = None;
    for part in ["manifest", "tarsplit"] {
        let chunked = |suffix: &str| CHUNKED.iter().find_map(|prefix| value(&format!("{prefix}{part}-{suffix}")));
        let (position, checksum) = (chunked("position"), chunked("checksum"));
        if position.is_none() && checksum.is_none() {
            continue;
        }
        let Some(frame) = position.and_then(|position| frame(extent, position)) else {
            fault(format!("stale annotation zstd-chunked.{part}-position: no such frame in the layer"));
            continue;
        };
        if let Some(checksum) = checksum
            && !is_frame_digest(checksum, &frame, digests)?
        {
            fault(format!("stale annotation zstd-chunked.{part}-checksum: it does not match the frame"));
        }
        if part == "manifest" {
            toc = Some(frame);
        }
    }
    let Some(said) = value(TOC_DIGEST) else { return Ok(()) };
    let is_right = match (toc, content.compression) {
        (Some(frame), Compression::Zstd) => {
            let mut decoder = Decoder::new(Box::new(frame.reader()?), &LayerExpected::default(), Window::of(&frame)?)?;
            match said.parse::<Digest>() {
                Ok(digest) => digests
                    .get(Part::Content(frame.id()), digest.algorithm(), || {
                        or_nothing(digest_of(digest.algorithm(), &mut decoder))
                    })?
                    .map(|found| found == digest),
                Err(_) => Some(false),
            }
        }
        _ => match said.parse::<Digest>() {
            Ok(digest) => digests
                .get(Part::Toc, digest.algorithm(), || {
                    Ok(or_nothing(estargz(extent, digest.algorithm(), pool))?.flatten())
                })?
                .map(|found| found == digest),
            Err(_) => or_nothing(toc_offset(extent))?.flatten().map(|_| false),
        },
    };
    match is_right {
        Some(true) => {}
        Some(false) => fault(format!("stale annotation {TOC_DIGEST}: {said} is not the digest of the layer's TOC")),
        None => fault(format!("stale annotation {TOC_DIGEST}: the layer has no TOC")),
    }
    Ok(())
}

/// What can't be read for what it is said to be is nothing; that the disk can't be read is an error.
fn or_nothing<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), error::Kind::Interrupted) => Err(error),
        Err(_) => Ok(None),
    }
}

/// The frame that `offset:length:…` names.
fn frame(extent: &Extent, position: &str) -> Option<Extent> {
    let mut numbers = position.split(':').map(|number| number.parse::<u64>().ok());
    let (offset, length) = (numbers.next()??, numbers.next()??);
    if length == 0 || offset.checked_add(length)? > extent.len() {
        return None;
    }
    let frame = extent.part(offset, length);
    let mut head = [0; 4];
    (frame.head(&mut head).ok()? == 4 && head == ZSTD_MAGIC).then_some(frame)
}

fn is_frame_digest(text: &str, frame: &Extent, digests: &mut PartDigests) -> Result<bool> {
    let Ok(digest) = text.parse::<Digest>() else { return Ok(false) };
    let algorithm = digest.algorithm();
    let found =
        digests.get(Part::Frame(frame.id()), algorithm, || digest_of(algorithm, &mut frame.reader()?).map(Some))?;
    Ok(found == Some(digest))
}

fn digest_of(algorithm: Algorithm, bytes: &mut dyn Read) -> Result<Digest> {
    let mut hasher = Hasher::new(algorithm);
    let mut buffer = vec![0; crate::blob::CHUNK];
    loop {
        match bytes.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("cannot read", error)),
        }
    }
}

/// The digest of the TOC that the layer's footer leads to. Nothing if there is none.
fn estargz(extent: &Extent, algorithm: Algorithm, pool: &Pool) -> Result<Option<Digest>> {
    let Some(offset) = toc_offset(extent)? else { return Ok(None) };
    let mut hasher = None;
    let (mut is_toc, mut is_first) = (false, true);
    scan(&extent.part(offset, extent.len()), &LayerExpected::default(), pool, &mut |event| {
        match event {
            Event::Entry(entry) => {
                is_toc = std::mem::take(&mut is_first) && entry.is_toc();
                if is_toc {
                    hasher = Some(Hasher::new(algorithm));
                }
            }
            Event::Content(bytes) => {
                if let Some(hasher) = hasher.as_mut().filter(|_| is_toc) {
                    hasher.update(bytes);
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(hasher.map(Hasher::finish))
}

fn toc_offset(extent: &Extent) -> Result<Option<u64>> {
    for (length, digits) in FOOTERS {
        let Some(start) = extent.len().checked_sub(length) else { continue };
        let mut footer = [0; 51];
        let count = extent.part(start, length).head(&mut footer)?;
        let footer = footer.get(..count).unwrap_or_default();
        let number = footer.get(digits..digits + 16).and_then(|digits| std::str::from_utf8(digits).ok());
        let offset = number.and_then(|number| u64::from_str_radix(number, 16).ok());
        let is_footer =
            footer.starts_with(&[0x1f, 0x8b, 8, 4]) && footer.get(digits + 16..digits + 22) == Some(b"STARGZ");
        if let Some(offset) = offset.filter(|offset| is_footer && *offset < extent.len()) {
            return Ok(Some(offset));
        }
    }
    Ok(None)
}
