//! The content of entries: patched, replaced, left out.

use super::*;
use crate::tar::content::ContentReplacer;
use crate::tar::{ContentOut, ContentPatcher, Verdict};

/// Replaces a letter, and holds back what it has until more comes.
#[derive(Debug, Default)]
struct Replacing {
    held: Vec<u8>,
    at: u64,
}

impl ContentPatcher for Replacing {
    fn label(&self) -> &'static str {
        "letters"
    }

    fn patch(&mut self, bytes: &[u8], out: &mut dyn ContentOut) -> Result<()> {
        out.put(&std::mem::take(&mut self.held))?;
        for byte in bytes {
            let new = if *byte == b'a' { b'b' } else { *byte };
            if new != *byte {
                out.replaced(self.at, &[*byte], &[new])?;
            }
            self.held.push(new);
            self.at += 1;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn ContentOut) -> Result<Verdict> {
        out.put(&std::mem::take(&mut self.held))?;
        Ok(Verdict::Patched)
    }
}

/// Puts a text in the place of what is there.
#[derive(Debug)]
struct Another(&'static [u8]);

impl ContentReplacer for Another {
    fn label(&self) -> &'static str {
        "another"
    }

    fn replacement(&mut self, _: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(Some(self.0.to_vec()))
    }
}

const PLANS: Plans = Plans(&[
    ("patched", || ContentPlan::Patch(Box::new(Replacing::default()))),
    ("omitted", || ContentPlan::Omit),
    ("longer", || ContentPlan::Replace(Box::new(Another(&[b'x'; 600])))),
    ("same", || ContentPlan::Replace(Box::new(Another(b"a a a a")))),
    ("none", || ContentPlan::Replace(Box::new(Another(b"")))),
]);

#[track_caller]
fn becomes(before: &[u8], after: &[u8], stats: Stats) {
    for piece in [1, 3, 100, 10_000] {
        let mut patched = PatchedBytes::new(Patcher::new(stamp(Rule::Set), Box::new(PLANS)));
        let mut walker = Walker::new();
        for piece in before.chunks(piece) {
            walker.push(piece, &mut patched).unwrap();
        }
        walker.end(&mut patched).unwrap();
        let (out, found) = patched.finish().unwrap();
        assert_same(&out, after, "patched");
        assert_eq!(found, stats);
    }
}

#[test]
fn content_is_patched_where_the_plan_says_so() {
    let stream = |patched: &[u8]| {
        let [one, other] = ["patched", "other"].map(|name| ustar(b'0', name, 7, EPOCH));
        let none = ustar(b'0', "patched", 0, EPOCH);
        stream![one, padded(patched), none, other, padded(b"a a a a"), one, padded(patched), END]
    };
    let stats = Stats { entries: 4, repaired: 2, changed: true, ..Stats::default() };
    becomes(&stream(b"a a a a"), &stream(b"b b b b"), stats);
    becomes(&stream(b"b b b b"), &stream(b"b b b b"), Stats { entries: 4, ..Stats::default() });
}

#[test]
fn an_entry_is_left_out_with_its_content() {
    let other = || stream![ustar(b'0', "other", 7, EPOCH), padded(b"a a a a")];
    let omitted = |size| stream![ustar(b'0', "omitted", size, EPOCH), vec![7; (size as usize).next_multiple_of(512)]];
    let before = stream![omitted(700), other(), omitted(0), omitted(512), other(), END];
    let stats = Stats { entries: 5, omitted: 3, changed: true, ..Stats::default() };
    becomes(&before, &stream![other(), other(), END], stats);
}

#[test]
fn content_that_is_replaced_may_have_another_length() {
    let file = |name: &str, content: &[u8]| stream![ustar(b'0', name, content.len() as u64, EPOCH), padded(content)];
    let stats = Stats { entries: 1, repaired: 1, changed: true, ..Stats::default() };
    becomes(&stream![file("longer", b"a a"), END], &stream![file("longer", &[b'x'; 600]), END], stats);
    becomes(&stream![file("none", b"a a"), END], &stream![file("none", b""), END], stats);
    let same = stream![file("same", b"a a a a"), file("longer", b""), END];
    becomes(&same, &same, Stats { entries: 2, ..Stats::default() });
    // A second size is in a record: it stays.
    let recorded = stream![pax(&[("size", "3")]), file("longer", b"a a"), END];
    let stats = Stats { entries: 1, stamped: 1, changed: true, ..Stats::default() };
    becomes(&recorded, &patch(&recorded, Rule::Set).unwrap(), stats);
}
