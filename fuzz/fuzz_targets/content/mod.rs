//! What every patcher of content keeps to, whatever the content: as many bytes come out as go in, however it is cut into
//! pieces; what it says to have replaced is all that differs; a second run changes nothing.

use restamp::internals::{ContentOut, ContentPatcher, OwnFormats, OwnTimes, Verdict};
use restamp::{Epoch, Result, Rule, Spools, Stamp};

/// Patches content, whose first byte holds options: the rule, the size of the pieces.
pub fn check(formats: OwnFormats, name: &str, data: &[u8]) {
    let Some((&options, content)) = data.split_first() else { return };
    let rule = if options & 1 == 0 { Rule::Set } else { Rule::Clamp };
    let stamp = Stamp { epoch: Epoch::from_seconds(1_700_000_000).unwrap(), rule };
    let own = OwnTimes::new(formats, Spools::new(std::env::temp_dir()));
    let run = |content: &[u8], piece| run(own.patcher_of(name.as_bytes(), content.len() as u64, stamp), content, piece);
    let (out, replaced, verdict) = run(content, usize::MAX);
    let (pieces, _, same) = run(content, 1 + usize::from(options >> 1));
    let is_left = matches!(verdict, Verdict::LeaveIt(_));
    assert_eq!(is_left, matches!(same, Verdict::LeaveIt(_)), "the pieces show");
    if is_left {
        return;
    }
    assert!(out == pieces, "the pieces show");
    let mut explained = content.to_vec();
    for (at, old, new) in replaced {
        let place = &mut explained[at..at + new.len()];
        assert!(place == old && old != new, "nothing was replaced at {at}");
        place.copy_from_slice(&new);
    }
    assert!(explained == out, "bytes differ that are not said to have been replaced");
    let (again, replaced, verdict) = run(&out, usize::MAX);
    assert!(replaced.is_empty() && again == out, "not idempotent");
    assert!(!matches!(verdict, Verdict::LeaveIt(_)), "leaves what it has made: {verdict:?}");
}

type Replaced = (usize, Vec<u8>, Vec<u8>);

#[derive(Default)]
struct Out(Vec<u8>, Vec<Replaced>);

impl ContentOut for Out {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn replaced(&mut self, at: u64, old: &[u8], new: &[u8]) -> Result<()> {
        self.1.push((at as usize, old.to_vec(), new.to_vec()));
        Ok(())
    }
}

fn run(mut patcher: Box<dyn ContentPatcher>, content: &[u8], piece: usize) -> (Vec<u8>, Vec<Replaced>, Verdict) {
    let mut out = Out::default();
    for piece in content.chunks(piece) {
        patcher.patch(piece, &mut out).unwrap();
    }
    let verdict = patcher.finish(&mut out).unwrap();
    assert_eq!(out.0.len(), content.len(), "another length");
    (out.0, out.1, verdict)
}
