//! Rules that every patcher has to keep, checked in the tests of each.

use super::tests::NewContent;
use crate::stamp::{Epoch, Rule, Stamp};
use crate::tar::{ContentPatcher, Verdict};

pub(super) const EPOCH: u64 = 1_700_000_000;

pub(super) fn stamp(rule: Rule) -> Stamp {
    Stamp { epoch: Epoch::from_seconds(EPOCH).unwrap(), rule }
}

fn run(mut patcher: Box<dyn ContentPatcher>, content: &[u8], piece: usize) -> (NewContent, Verdict) {
    let mut out = NewContent::default();
    for piece in content.chunks(piece) {
        patcher.patch(piece, &mut out).unwrap();
    }
    let verdict = patcher.finish(&mut out).unwrap();
    assert_eq!(out.bytes.len(), content.len(), "as many bytes come out as go in: {verdict:?}");
    (out, verdict)
}

/// Patches content, in pieces of several sizes and once more. The second run must change nothing, and what is said to
/// have been replaced must be all that differs.
#[track_caller]
pub(super) fn patched(make: &dyn Fn() -> Box<dyn ContentPatcher>, content: &[u8]) -> (Vec<u8>, Verdict) {
    let (first, verdict) = run(make(), content, usize::MAX);
    for piece in [1, 7, 512] {
        let (other, same) = run(make(), content, piece);
        assert_eq!(verdict, same, "in pieces of {piece}");
        if !matches!(verdict, Verdict::LeaveIt(_)) {
            assert!(other.bytes == first.bytes, "in pieces of {piece}");
            assert_eq!(other.replaced, first.replaced, "in pieces of {piece}");
        }
    }
    if matches!(verdict, Verdict::LeaveIt(_)) {
        return (content.to_vec(), verdict);
    }
    first.explains(content);
    let (second, again) = run(make(), &first.bytes, usize::MAX);
    assert!(second.replaced.is_empty() && second.bytes == first.bytes, "a second run changes something");
    assert!(!matches!(again, Verdict::LeaveIt(_)), "{again:?}");
    (first.bytes, verdict)
}

/// Checks what content becomes.
#[track_caller]
pub(super) fn becomes(make: &dyn Fn() -> Box<dyn ContentPatcher>, content: &[u8], expected: &[u8]) {
    let (found, verdict) = patched(make, content);
    assert_eq!(verdict, Verdict::Patched);
    assert!(found == expected, "{} is not {}", found.escape_ascii(), expected.escape_ascii());
}

/// Checks that content is left as it is, for this reason.
#[track_caller]
pub(super) fn stays(make: &dyn Fn() -> Box<dyn ContentPatcher>, content: &[u8], reason: &str) {
    let (_, verdict) = patched(make, content);
    assert!(matches!(&verdict, Verdict::LeaveIt(why) if why.contains(reason)), "{verdict:?} is not for {reason:?}");
}
