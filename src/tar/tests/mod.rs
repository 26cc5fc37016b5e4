//! What the tar room promises, shown on streams that are made here by hand.

mod content;
mod framing;
mod owners;
mod properties;
mod rules;
mod sites;

use super::frame::Framer;
use super::header::Block;
use super::{BLOCK, ContentPlan, Entry, EntryPlan, PatchedBytes, Patcher, Planner, Stats, Step, Walker, Want};
use crate::error::Result;
use crate::stamp::{Epoch, Rule, Stamp};

/// 2023-11-14T22:13:20Z, the epoch of these tests, and its octal digits.
pub(super) const EPOCH: u64 = 1_700_000_000;
const EPOCH_OCTAL: &[u8; 12] = b"14524770400\0";

fn stamp(rule: Rule) -> Stamp {
    Stamp { epoch: Epoch::from_seconds(EPOCH).unwrap(), rule }
}

const RULES: [Rule; 2] = [Rule::Set, Rule::Clamp];

/// A header block of the given magic. The fields are written by the `tar` crate, not by the code under test.
fn block(magic: &[u8; 8], kind: u8, name: &str, size: u64, mtime: u64) -> Block {
    let mut header = ::tar::Header::new_old();
    header.as_mut_bytes()[257..265].copy_from_slice(magic);
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.as_mut_bytes()[156] = kind;
    header.set_mode(0o644);
    header.set_uid(1000);
    header.set_gid(100);
    header.set_size(size);
    header.set_mtime(mtime);
    sum(*header.as_bytes())
}

const USTAR: &[u8; 8] = b"ustar\x0000";
const GNU: &[u8; 8] = b"ustar  \0";
const V7: &[u8; 8] = &[0; 8];

fn ustar(kind: u8, name: &str, size: u64, mtime: u64) -> Block {
    block(USTAR, kind, name, size, mtime)
}

/// The block with that range of bytes replaced, and its checksum made right.
fn with(mut block: Block, at: usize, bytes: &[u8]) -> Block {
    block[at..at + bytes.len()].copy_from_slice(bytes);
    sum(block)
}

/// The block with its checksum made right.
fn sum(mut block: Block) -> Block {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Bytes filled up with zeros to whole blocks.
fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (rest..).find(|length| length.to_string().len() + rest == *length).unwrap();
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

fn records(records: &[(&str, &str)]) -> Vec<u8> {
    records.iter().flat_map(|(key, value)| record(key, value.as_bytes())).collect()
}

/// An extension header and its payload.
fn extension(kind: u8, name: &str, payload: &[u8], mtime: u64) -> Vec<u8> {
    let magic = if matches!(kind, b'L' | b'K') { GNU } else { USTAR };
    [&block(magic, kind, name, payload.len() as u64, mtime)[..], &padded(payload)].concat()
}

/// A PAX header as it comes from the patcher in set mode for an entry `f`.
fn pax(list: &[(&str, &str)]) -> Vec<u8> {
    extension(b'x', "PaxHeaders.0/f", &records(list), 0)
}

const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Joins parts of a stream.
macro_rules! stream {
    ($($part:expr),* $(,)?) => { [$(&$part[..]),*].concat() };
}
use stream;

/// Runs a stream through a patcher, in pieces of `piece` bytes.
fn patch_in_pieces(stream: &[u8], stamp: Stamp, piece: usize) -> Result<(Vec<u8>, Stats)> {
    let (mut walker, mut patched) = (Walker::new(), PatchedBytes::new(patcher(stamp)));
    for piece in stream.chunks(piece) {
        walker.push(piece, &mut patched)?;
    }
    walker.end(&mut patched)?;
    assert_eq!(walker.offset(), stream.len() as u64);
    patched.finish()
}

/// Content stays as it is, but for what entries of these names are to become.
#[derive(Debug, Default)]
struct Plans(&'static [(&'static str, fn() -> ContentPlan)]);

impl Planner for Plans {
    fn plan(&mut self, entry: &Entry, stamp: Stamp) -> EntryPlan {
        let found = self.0.iter().find(|(name, _)| entry.name() == name.as_bytes());
        EntryPlan { stamp, content: found.map_or(ContentPlan::Keep, |(_, plan)| plan()) }
    }
}

fn patcher(stamp: Stamp) -> Patcher {
    Patcher::new(stamp, Box::new(Plans::default()))
}

fn patch(stream: &[u8], rule: Rule) -> Result<Vec<u8>> {
    patch_in_pieces(stream, stamp(rule), 1000).map(|(out, _)| out)
}

/// The one entry of a stream, after its headers were read.
fn entry_of(stream: &[u8]) -> Framer {
    let (mut framer, mut rest) = (Framer::new(), stream);
    loop {
        let Want::Feed(count) = framer.want() else { panic!("content before an entry") };
        let (bytes, behind) = rest.split_at(count);
        rest = behind;
        if framer.feed(bytes).unwrap() == Step::Entry {
            return framer;
        }
    }
}

/// Shows where two streams differ; a failure that prints both in full helps nobody.
#[track_caller]
fn assert_same(found: &[u8], expected: &[u8], what: &str) {
    if found != expected {
        let at = found.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(found.len().min(expected.len()));
        let show = |bytes: &[u8]| {
            crate::error::printable(
                bytes.get(at.saturating_sub(20)..).unwrap_or_default().get(..80).unwrap_or_default(),
            )
        };
        panic!(
            "{what}: {} bytes instead of {}, first difference at {at}:\n found {}\n expected {}",
            found.len(),
            expected.len(),
            show(found),
            show(expected)
        );
    }
}
