//! Writing numbers into content, at places that were found when it was read before.

use crate::error::Result;
use crate::tar::{ContentOut, ContentPatcher, Verdict};

/// Writes numbers of eight bytes, the lowest first.
#[derive(Debug)]
pub(super) struct NumberPatcher {
    /// Where they begin, in that order, and the numbers.
    writes: Vec<(u64, i64)>,
    /// How many bytes have gone by.
    at: u64,
}

impl NumberPatcher {
    pub(super) fn new(writes: Vec<(u64, i64)>) -> Self {
        Self { writes, at: 0 }
    }
}

impl ContentPatcher for NumberPatcher {
    fn label(&self) -> &'static str {
        "jsa"
    }

    fn patch(&mut self, bytes: &[u8], out: &mut dyn ContentOut) -> Result<()> {
        let (start, end) = (self.at, self.at.saturating_add(bytes.len() as u64));
        self.at = end;
        let first = self.writes.partition_point(|(at, _)| at.saturating_add(8) <= start);
        let within = self.writes.get(first..).unwrap_or_default().iter().take_while(|(at, _)| *at < end);
        let mut new = None;
        for (at, number) in within {
            for (place, byte) in (*at..).zip(number.to_le_bytes()) {
                let position = place.checked_sub(start).and_then(|position| usize::try_from(position).ok());
                let Some(position) = position.filter(|position| *position < bytes.len()) else { continue };
                let new = new.get_or_insert_with(|| bytes.to_vec());
                if let Some(old) = new.get_mut(position).filter(|old| **old != byte) {
                    out.replaced(place, &[*old], &[byte])?;
                    *old = byte;
                }
            }
        }
        out.put(new.as_deref().unwrap_or(bytes))
    }

    fn finish(&mut self, _: &mut dyn ContentOut) -> Result<Verdict> {
        Ok(Verdict::Patched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repair::tests::NewContent;

    #[test]
    fn numbers_are_written_wherever_pieces_are_cut() {
        let before: Vec<u8> = (0..100).collect();
        let mut expected = before.clone();
        expected[3..11].copy_from_slice(&1_700_000_000_i64.to_le_bytes());
        expected[50..58].copy_from_slice(&(-2_i64).to_le_bytes());
        for piece in 1..before.len() {
            let mut patcher = NumberPatcher::new(vec![(3, 1_700_000_000), (50, -2)]);
            let mut out = NewContent::default();
            before.chunks(piece).for_each(|bytes| patcher.patch(bytes, &mut out).unwrap());
            assert_eq!(out.bytes, expected, "{piece}");
            out.explains(&before);
        }
    }
}
