//! Which entries are patched, and how, in whole streams.

use super::LayerPlanner;
use crate::error::Result;
use crate::stamp::{Epoch, Rule, Stamp};
use crate::tar::{BLOCK, ContentOut, PatchedBytes, Patcher, Stats, Walker};

const EPOCH: u64 = 1_700_000_000;
const LATE: u64 = 1_760_000_000;
const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// What a patcher of content has given out, and what it says of it.
#[derive(Debug, Default)]
pub(super) struct NewContent {
    /// The new content.
    pub(super) bytes: Vec<u8>,
    /// Where something was replaced, what, and by what.
    pub(super) replaced: Vec<(u64, Vec<u8>, Vec<u8>)>,
}

impl ContentOut for NewContent {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn replaced(&mut self, at: u64, old: &[u8], new: &[u8]) -> Result<()> {
        self.replaced.push((at, old.to_vec(), new.to_vec()));
        Ok(())
    }
}

impl NewContent {
    /// Is what it says of it all that has changed?
    #[track_caller]
    pub(super) fn explains(&self, before: &[u8]) {
        let mut expected = before.to_vec();
        for (at, old, new) in &self.replaced {
            let range = *at as usize..*at as usize + old.len();
            assert_eq!((&expected[range.clone()], old.len()), (&old[..], new.len()));
            assert_ne!(old, new);
            expected[range].copy_from_slice(new);
        }
        assert!(expected == self.bytes);
    }
}

/// A file, written by the `tar` crate.
fn file(name: &str, content: &str, mtime: u64) -> Vec<u8> {
    let mut header = ::tar::Header::new_ustar();
    header.set_path(name).unwrap();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(mtime);
    let sum = header.as_bytes().iter().enumerate().map(|(at, byte)| match at {
        148..156 => 32,
        _ => u32::from(*byte),
    });
    let sum = format!("{:06o}\0 ", sum.sum::<u32>());
    header.as_mut_bytes()[148..156].copy_from_slice(sum.as_bytes());
    let mut out = [header.as_bytes(), content.as_bytes()].concat();
    out.resize(out.len().next_multiple_of(BLOCK), 0);
    out
}

fn patched(stream: &[u8], rule: Rule, piece: usize) -> Result<(Vec<u8>, Stats)> {
    let stamp = Stamp { epoch: Epoch::from_seconds(EPOCH).unwrap(), rule };
    let patcher = Patcher::new(stamp, Box::new(LayerPlanner::default()));
    let (mut walker, mut new) = (Walker::new(), PatchedBytes::new(patcher));
    for piece in stream.chunks(piece) {
        walker.push(piece, &mut new)?;
    }
    walker.end(&mut new)?;
    new.finish()
}

#[track_caller]
fn becomes(rule: Rule, before: &[u8], after: &[u8], what: &str) {
    for piece in [1, 100, 512, 100_000] {
        let (found, stats) = patched(before, rule, piece).unwrap();
        assert!(found == after, "{what}, in pieces of {piece}");
        assert_eq!(stats.changed, before != after, "{what}");
    }
}

#[test]
fn the_table_of_an_estargz_layer() {
    let index = |modtime: &str| format!(r#"{{"version":1,"entries":[{{"name":"f","modtime":{modtime},"size":3}}]}}"#);
    let before = index(r#""2026-01-02T03:04:05.5Z""#);
    let after = index(r#""2023-11-14T22:13:20Z"  "#);
    let toc = |text: &str, mtime| file("stargz.index.json", text, mtime);
    let other = file("f", "", EPOCH);
    for rule in [Rule::Set, Rule::Clamp] {
        let old = [&other[..], &toc(&before, LATE), &END].concat();
        becomes(rule, &old, &[&other[..], &toc(&after, EPOCH), &END].concat(), "in its place");
        // eStargz that must keep the layer's own bytes puts it behind the end marker.
        let behind = |text| [&other[..], &END, &END, &toc(text, EPOCH), &END, &toc(text, EPOCH), b"rest"].concat();
        becomes(rule, &behind(&before), &behind(&after), "behind the end");
        let (_, stats) = patched(&behind(&before), rule, 1).unwrap();
        assert_eq!(stats, Stats { entries: 3, repaired: 2, changed: true, ..Stats::default() });
    }
    // Other names are files like any other; behind the end marker nothing else is read.
    let other = [&file("a/stargz.index.json", &before, EPOCH)[..], &END].concat();
    becomes(Rule::Set, &other, &other, "another name");
    let mut damaged = toc(&before, LATE);
    damaged[148] = b'x';
    for unread in [[&END[..], &file("f", "", LATE), &toc(&before, LATE)].concat(), [&END[..], &damaged].concat()] {
        becomes(Rule::Set, &unread, &unread, "behind the end");
    }
    let cut = [&END[..], &toc(&before, EPOCH)[..560]].concat();
    becomes(Rule::Set, &cut, &cut, "cut within a time behind the end");
    assert!(patched(&toc(&before, EPOCH)[..560], Rule::Set, 7).is_err(), "cut before the end");
}
