//! A tar stream is refused, or comes out with other times and nothing else: however it is cut into pieces, with every
//! entry's content, and unchanged by a second run.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restamp::Entry;
use restamp::internals::{LayerPlanner, Part, PatchedBytes, Patcher, Step, Visitor, Walker};
use restamp::{Epoch, Result, Rule, Stamp};

fuzz_target!(|data: &[u8]| {
    let Some((&options, stream)) = data.split_first() else { return };
    let rule = if options & 1 == 0 { Rule::Set } else { Rule::Clamp };
    let stamp = Stamp { epoch: Epoch::from_seconds(1_700_000_000).unwrap(), rule };
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

/// Patches a stream that is handed over in pieces of a size.
fn patch(stream: &[u8], stamp: Stamp, piece: usize) -> Result<(Vec<u8>, bool)> {
    let mut patched = PatchedBytes::new(Patcher::new(stamp, Box::new(LayerPlanner::default())));
    let mut walker = Walker::new();
    for piece in stream.chunks(piece) {
        walker.push(piece, &mut patched)?;
    }
    walker.end(&mut patched)?;
    patched.finish().map(|(out, stats)| (out, stats.changed))
}

/// What is in a stream besides times, entry by entry.
fn entries(stream: &[u8], stamp: Stamp, is_stamped: bool) -> Vec<String> {
    let mut seen = Seen { entries: Vec::new(), data: Vec::new(), is_toc: false, stamp, is_stamped };
    let mut walker = Walker::new();
    walker.push(stream, &mut seen).expect("a patcher accepts what a walker refuses");
    walker.end(&mut seen).expect("a patcher accepts an end that a walker refuses");
    seen.entries.push(format!("{:?}", seen.data));
    seen.entries
}

struct Seen {
    entries: Vec<String>,
    /// What has gone by since the last headers.
    data: Vec<u8>,
    is_toc: bool,
    stamp: Stamp,
    is_stamped: bool,
}

impl Visitor for Seen {
    fn headers(&mut self, step: Step, entry: &Entry, _: &[u8]) -> Result<()> {
        if self.is_stamped {
            for time in entry.times() {
                assert!(time.is_accepted(self.stamp), "{time:?}");
            }
        }
        if step == Step::Entry {
            // eStargz's table is the one content that holds times.
            self.is_toc = entry.is_toc();
            let data = std::mem::take(&mut self.data);
            let is_sparse = entry.sparse_file_names().is_some();
            let records: Vec<_> = entry
                .pax_records()
                .filter(|record| record.time_key().is_none() && !(is_sparse && record.key == b"path"))
                .map(|record| (record.key.to_vec(), record.value.to_vec()))
                .collect();
            self.entries.push(format!(
                "{data:?} {:?} {:?} {} {} {:?} {:o} {} {} {:?} {:?} {:?} {records:?}",
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
        Ok(())
    }

    fn bytes(&mut self, part: Part, bytes: &[u8]) -> Result<()> {
        if !(self.is_toc && part == Part::Data) {
            self.data.extend_from_slice(bytes);
        }
        Ok(())
    }
}
