//! Files that are too large to be held: what their first and last bytes show, where all between is the same.
//!
//! Build ids are at the start of a program and a signature is at the end of a module, whatever their sizes; an SBOM says at
//! its start when it was made.

use crate::diff::content::repaired::{self, LargeTrial};
use crate::diff::content::{InnerDifference, Named, binary, explain};
use crate::diff::mend::MendSet;
use crate::spool::Spools;

/// So many bytes at the start and at the end of a file are held.
const EDGE: usize = 64 << 10;
/// What is held of each file, in bytes.
pub(super) const HELD: u64 = 4 * EDGE as u64;

/// The first and last bytes of a file, and a hash of all between.
#[derive(Debug, Default)]
pub(super) struct Edges {
    trials: Vec<LargeTrial>,
    head: Vec<u8>,
    tail: Vec<u8>,
    middle: blake3::Hasher,
    size: u64,
    has_zero: bool,
}

impl Edges {
    /// Those of a file of this path and size, on which repairs are tried.
    pub(super) fn tried(path: &[u8], size: u64, spools: &Spools) -> Self {
        Self { trials: LargeTrial::all(path, size, spools), ..Self::default() }
    }

    /// Takes in the next piece.
    pub(super) fn add(&mut self, piece: &[u8]) {
        self.size = self.size.saturating_add(piece.len() as u64);
        self.has_zero = self.has_zero || piece.contains(&0);
        self.trials.iter_mut().for_each(|trial| trial.add(piece));
        let (own, rest) = piece.split_at(piece.len().min(EDGE - self.head.len()));
        self.head.extend_from_slice(own);
        // Pieces may be large: of each no more than twice the edge is held.
        for rest in rest.chunks(EDGE) {
            self.tail.extend_from_slice(rest);
            if self.tail.len() >= 2 * EDGE {
                self.pass();
            }
        }
    }

    /// The end.
    pub(super) fn end(&mut self) {
        self.pass();
        self.trials.iter_mut().for_each(LargeTrial::end);
    }

    /// Hashes what the tail has too much.
    fn pass(&mut self) {
        let count = self.tail.len().saturating_sub(EDGE);
        self.middle.update(self.tail.get(..count).unwrap_or_default());
        self.tail.drain(..count);
    }

    fn is_alike(&self, other: &Self) -> bool {
        self.size == other.size
            && self.head.len() == other.head.len()
            && self.tail.len() == other.tail.len()
            && self.middle.finalize() == other.middle.finalize()
    }
}

/// What two large files differ in, if that is known.
pub(super) fn compare(path: &[u8], a: &Edges, b: &Edges, runs: bool) -> Option<InnerDifference> {
    let mut trials = a.trials.iter().zip(&b.trials);
    if let Some(mend) = trials.find_map(|(a, b)| a.same_as(b)) {
        let mut inner = explain::whole(path, &a.head, &b.head);
        repaired::only_times(&mut inner, MendSet::of(&[mend]));
        return Some(inner);
    }
    if !a.is_alike(b) {
        return None;
    }
    let heads = [a.head.as_slice(), &b.head];
    if let Some((cause, note)) = binary::large_program(heads, [&a.tail, &b.tail]) {
        let whole = explain::whole(path, &a.head, &b.head);
        let preview = whole.preview.filter(|_| a.head != b.head);
        return Some(InnerDifference { note: Some(note), cause: Some(Named::by_content(cause)), preview, ..whole });
    }
    if a.tail != b.tail {
        return None;
    }
    let runs = runs || a.has_zero || b.has_zero;
    explain::dates(path, &a.head, &b.head, runs).filter(|inner| inner.cause.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causes::Class;

    fn edges(bytes: &[u8], piece: usize) -> Edges {
        let mut edges = Edges::default();
        bytes.chunks(piece).for_each(|piece| edges.add(piece));
        edges.end();
        edges
    }

    fn of(a: &[u8], b: &[u8]) -> Option<(Class, String)> {
        let found = compare(b"app/sbom.json", &edges(a, 1000), &edges(b, 70_001), false);
        found.map(|inner| (inner.class, inner.note.unwrap_or_default()))
    }

    #[test]
    fn a_date_at_the_start_of_a_large_text_is_found() {
        let text = |day: &str, middle: &str, end: &str| {
            let body = "x".repeat(3 * EDGE);
            format!("{{\"created\": \"{day}\", {body}{middle}{body}{end}}}").into_bytes()
        };
        let (a, b) = ("2023-11-14", "2023-11-15");
        let (class, note) = of(&text(a, "m", "e"), &text(b, "m", "e")).unwrap();
        assert_eq!(
            (class, note.as_str()),
            (Class::EmbeddedTime, "only dates differ, in line 1 (created): 2023-11-14 and 2023-11-15")
        );
        for other in [text(b, "n", "e"), text(b, "m", "f"), text(b, "mm", "e"), text(b, "m", "ee")] {
            assert_eq!(of(&text(a, "m", "e"), &other), None);
        }
        // With a zero in it, it is no text.
        assert_eq!(of(&text(a, "\0", "e"), &text(b, "\0", "e")).unwrap().0, Class::Content);
    }

    #[test]
    fn how_a_file_comes_in_pieces_makes_no_difference() {
        let bytes: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
        for size in [1, 100, EDGE, 2 * EDGE, 2 * EDGE + 1, 300_000] {
            let bytes = &bytes[..size];
            let (x, y) = (edges(bytes, 777), edges(bytes, 299_999));
            assert!(x.is_alike(&y) && x.head == y.head && x.tail == y.tail, "{size}");
            assert!(x.tail.len() <= EDGE);
        }
    }
}
