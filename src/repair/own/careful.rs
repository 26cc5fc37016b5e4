//! A patcher that may turn out to be wrong, where the content can't be read a second time.

use crate::error::Result;
use crate::format::zip::ReadAt;
use crate::repair::spooled::{Rewriter, Spooled};
use crate::spool::Spools;
use crate::tar::{ContentOut, ContentPatcher, Verdict};

/// Longer content is left as it is.
pub(super) const SPOOLED_MAX: u64 = 256 << 20;
/// More places are not patched.
const EDITS_MAX: usize = 1 << 16;

/// Keeps content, and gives it out patched once the patcher within says that it is sound.
#[derive(Debug)]
pub(super) struct Careful {
    patcher: Box<dyn ContentPatcher>,
    content: Spooled,
    edits: Edits,
}

/// What is to be written where.
#[derive(Debug, Default)]
struct Edits(Vec<(u64, Vec<u8>)>);

impl ContentOut for Edits {
    fn put(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn replaced(&mut self, at: u64, _: &[u8], new: &[u8]) -> Result<()> {
        if self.0.len() <= EDITS_MAX {
            self.0.push((at, new.to_vec()));
        }
        Ok(())
    }
}

impl Careful {
    pub(super) fn new(patcher: Box<dyn ContentPatcher>, spools: &Spools) -> Self {
        Self { patcher, content: Spooled::new(spools.clone()), edits: Edits::default() }
    }
}

impl ContentPatcher for Careful {
    fn label(&self) -> &'static str {
        self.patcher.label()
    }

    fn patch(&mut self, bytes: &[u8], _: &mut dyn ContentOut) -> Result<()> {
        self.content.write(bytes)?;
        self.patcher.patch(bytes, &mut self.edits)
    }

    fn finish(&mut self, out: &mut dyn ContentOut) -> Result<Verdict> {
        let mut verdict = self.patcher.finish(&mut self.edits)?;
        let mut edits = std::mem::take(&mut self.edits.0);
        if edits.len() > EDITS_MAX {
            verdict = Verdict::LeaveIt("it has more than 65,536 times".to_owned());
        }
        if matches!(verdict, Verdict::LeaveIt(_)) {
            edits.clear();
        }
        edits.sort_unstable();
        let mut rewriter = Rewriter::new(&self.content, out)?;
        for (at, new) in edits {
            if at.saturating_add(new.len() as u64) <= self.content.size() {
                rewriter.replace(at, &new)?;
            }
        }
        rewriter.finish()?;
        Ok(verdict)
    }
}
