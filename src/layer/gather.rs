//! From blocks of any size to what the `tar` room asks for.

use crate::tar::Want;

/// Puts together what has to be fed in one slice, where it lies across two blocks.
#[derive(Debug, Default)]
pub(super) struct Gather {
    pending: Vec<u8>,
    is_complete: bool,
}

impl Gather {
    /// Takes up to `n` bytes off the front; the slice when it is complete. Nothing is copied where it lies in one
    /// block.
    pub(super) fn take<'s, 'b: 's>(&'s mut self, n: usize, bytes: &mut &'b [u8]) -> Option<&'s [u8]> {
        if std::mem::take(&mut self.is_complete) {
            self.pending.clear();
        }
        if self.pending.is_empty() && bytes.len() >= n {
            return Some(split_off(bytes, n as u64));
        }
        let missing = n.saturating_sub(self.pending.len());
        self.pending.extend_from_slice(split_off(bytes, missing as u64));
        self.is_complete = self.pending.len() >= n;
        self.is_complete.then_some(&self.pending)
    }

    /// What was not completed before the stream ended.
    pub(super) fn rest(&self) -> &[u8] {
        if self.is_complete { &[] } else { &self.pending }
    }
}

/// How many bytes may go by.
pub(super) fn passes(want: Want) -> u64 {
    match want {
        Want::Feed(_) => 0,
        Want::Content { remaining, .. } => remaining,
        Want::Rest => u64::MAX,
    }
}

/// The first `n` bytes, or all that there are.
pub(super) fn split_off<'a>(bytes: &mut &'a [u8], n: u64) -> &'a [u8] {
    let n = usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
    let (head, tail) = bytes.split_at_checked(n).unwrap_or_default();
    *bytes = tail;
    head
}
