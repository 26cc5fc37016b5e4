//! A tar stream is refused, or comes out with other times and nothing else: however it is cut into pieces, with every
//! entry's content, and unchanged by a second run.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restamp::tar::{Framer, Patcher, Step, Want};
use restamp::{Epoch, Result, Rule, Stamp};

fuzz_target!(|data: &[u8]| {
    let Some((&options, stream)) = data.split_first() else { return };
    let rule = if options & 1 == 0 { Rule::Set } else { Rule::Clamp };
    let stamp = Stamp { epoch: Epoch::new(1_700_000_000).unwrap(), rule };
    let Ok((out, changed)) = patch(stream, stamp, usize::MAX) else {
        assert!(patch(stream, stamp, 100).is_err(), "refused in one piece alone");
        return;
    };
    assert_eq!(changed, out != stream, "what it says of having changed a byte");
    let (pieces, _) = patch(stream, stamp, 1 + usize::from(options >> 1)).expect("accepted in one piece alone");
    assert!(pieces == out, "the pieces show");
    let (again, changed) = patch(&out, stamp, usize::MAX).expect("refuses its own output");
    assert!(again == out && !changed, "not idempotent");
    let (before, after) = (entries(stream, stamp, false), entries(&out, stamp, true));
    assert_eq!(before, after, "an entry or its content has changed");
});

/// Drives a patcher over a stream, with content handed over in pieces of a size.
fn patch(stream: &[u8], stamp: Stamp, piece: usize) -> Result<(Vec<u8>, bool)> {
    let mut patcher = Patcher::new(stamp);
    let (mut out, mut at) = (Vec::new(), 0);
    while at < stream.len() {
        let left = stream.len() - at;
        match patcher.want() {
            Want::Feed(n) => {
                let n = n.min(left);
                patcher.feed(&stream[at..at + n], &mut out)?;
                at += n;
            }
            want => {
                let most = if let Want::Content { remaining, .. } = want { remaining } else { u64::MAX };
                let n = left.min(piece).min(usize::try_from(most).unwrap_or(usize::MAX));
                patcher.pass(n as u64);
                out.extend_from_slice(&stream[at..at + n]);
                at += n;
            }
        }
    }
    patcher.end(&mut out)?;
    Ok((out, patcher.stats().changed))
}

/// What is in a stream besides times, entry by entry.
fn entries(stream: &[u8], stamp: Stamp, is_stamped: bool) -> Vec<String> {
    let mut framer = Framer::new();
    let (mut seen, mut at) = (Vec::new(), 0);
    while at < stream.len() {
        let left = stream.len() - at;
        match framer.want() {
            Want::Feed(n) => {
                let n = n.min(left);
                let step = framer.feed(&stream[at..at + n]).expect("a patcher accepts what a framer refuses");
                at += n;
                let entry = framer.entry();
                if is_stamped && matches!(step, Step::Entry | Step::Global) {
                    for time in entry.times() {
                        assert!(time.is_accepted(stamp), "{time:?}");
                    }
                }
                if step == Step::Entry {
                    let records: Vec<_> = entry
                        .pax_records()
                        .filter(|record| record.time_key().is_none())
                        .map(|record| (record.key.to_vec(), record.value.to_vec()))
                        .collect();
                    seen.push(format!(
                        "{:?} {:?} {} {} {:?} {:o} {} {} {:?} {:?} {:?} {records:?}",
                        entry.name(),
                        entry.link_name(),
                        entry.kind(),
                        entry.size(),
                        entry.sparse_size(),
                        entry.mode(),
                        entry.uid(),
                        entry.gid(),
                        entry.uname(),
                        entry.gname(),
                        entry.device(),
                    ));
                }
            }
            want => {
                let most = if let Want::Content { remaining, .. } = want { remaining } else { u64::MAX };
                let n = left.min(usize::try_from(most).unwrap_or(usize::MAX));
                // eStargz's index is the one content that holds times.
                if !(framer.entry().is_toc() && matches!(want, Want::Content { .. })) {
                    seen.push(format!("{:?}", &stream[at..at + n]));
                }
                framer.pass(n as u64);
                at += n;
            }
        }
    }
    framer.end().expect("a patcher accepts an end that a framer refuses");
    seen
}
