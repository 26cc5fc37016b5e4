//! Tars in files: their entries are compared as those of a layer.

use crate::causes::Class;
use crate::diff::content::{ContentDiff, InnerDifference, Level, MEMBERS_MAX, NotOpened, inner_path};
use crate::diff::findings::Findings;
use crate::diff::layer::entries::{Depth, compare};
use crate::diff::layer::reader::Reader;
use crate::diff::layer::record::Records;
use crate::diff::model::{Difference, Rank};
use crate::error::Result;
use crate::layer::Event;
use crate::tar::{Entry, Part, Step, Visitor, Walker};

impl ContentDiff {
    pub(super) fn tar(&mut self, path: &[u8], a: &[u8], b: &[u8], level: Level) -> Result<(), NotOpened> {
        let (left, right) = (self.read_tar(a)?, self.read_tar(b)?);
        let mut findings = Findings::default();
        let open = compare(&mut findings, 0, [&left.0, &right.0], Depth::Archive);
        let mut wanted = open.wanted.iter().peekable();
        for (number, difference) in findings.differences.into_iter().enumerate() {
            match wanted.next_if(|next| next.difference == number) {
                Some(next) => {
                    let contents = [(&left.1, next.numbers[0]), (&right.1, next.numbers[1])];
                    let [x, y] = contents.map(|(all, number)| all.get(number as usize).map_or(&[][..], Vec::as_slice));
                    let level = level.member(difference.rank != Rank::Other);
                    self.compare(&inner_path(path, &difference.path), x, y, level);
                }
                None => self.report(embedded(path, difference)),
            }
        }
        Ok(())
    }

    /// The entries of a tar and their contents.
    fn read_tar(&mut self, bytes: &[u8]) -> Result<(Records, Vec<Vec<u8>>), NotOpened> {
        self.spend(bytes.len() as u64)?;
        let mut collected =
            Collected { reader: Reader::default(), contents: Vec::new(), limit: self.members, is_full: false };
        let mut walker = Walker::new();
        let walked = walker.push(bytes, &mut collected);
        if collected.is_full {
            return Err(NotOpened::Limit(format!("more than {MEMBERS_MAX} members of archives")));
        }
        walked.and_then(|()| walker.end(&mut collected)).map_err(|_| NotOpened::Unreadable)?;
        self.members -= collected.contents.len();
        Ok((collected.reader.finish(), collected.contents))
    }
}

/// The entries that were seen so far.
struct Collected {
    reader: Reader,
    contents: Vec<Vec<u8>>,
    /// Entries that there may be.
    limit: usize,
    /// Are there more?
    is_full: bool,
}

impl Visitor for Collected {
    fn headers(&mut self, step: Step, entry: &Entry, _: &[u8]) -> Result<()> {
        if step == Step::Entry {
            self.is_full = self.contents.len() >= self.limit;
            if self.is_full {
                return Ok(());
            }
            self.contents.push(Vec::new());
        }
        self.reader.event(&Event::of_headers(step, entry));
        Ok(())
    }

    fn bytes(&mut self, part: Part, bytes: &[u8]) -> Result<()> {
        self.reader.event(&Event::of_bytes(part, bytes));
        if let (Part::Data, Some(content)) = (part, self.contents.last_mut()) {
            content.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_full
    }
}

/// A difference in an archive, as one of the file that the archive is: its times are content here.
fn embedded(path: &[u8], difference: Difference) -> InnerDifference {
    let class = if difference.class == Class::Time { Class::EmbeddedTime } else { difference.class };
    let inner = if difference.path.is_empty() { path.to_vec() } else { inner_path(path, &difference.path) };
    InnerDifference {
        note: difference.note.map(String::from),
        ..InnerDifference::new(&inner, class, difference.field, difference.values).role(difference.role)
    }
}
