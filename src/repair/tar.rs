//! Replacing the times in a tar that is a file itself, as those in a layer.

use crate::error::{Error, Kind, Result, printable};
use crate::stamp::Stamp;
use crate::tar::{
    BLOCK, ContentOut, ContentPatcher, Edit, Edited, Entry, NewHeaders, Part, Patcher, Planner, Sink, Step, Verdict,
    Visitor, Walker,
};

/// So many notes on files in it are said; the others are counted.
const NOTES_MAX: usize = 3;

/// Does a tar begin like this? One without the mark of ustar is known by its name as well.
pub(super) fn is_tar(head: &[u8], name: &[u8]) -> bool {
    struct Unseen;
    impl Visitor for Unseen {
        fn headers(&mut self, _: Step, _: &Entry, _: &[u8]) -> Result<()> {
            Ok(())
        }

        fn bytes(&mut self, _: Part, _: &[u8]) -> Result<()> {
            Ok(())
        }
    }
    let Some(block) = head.get(..BLOCK) else { return false };
    let is_called_so = block.get(257..262) == Some(b"ustar") || name.ends_with(b".tar");
    is_called_so && block.iter().any(|byte| *byte != 0) && Walker::new().push(block, &mut Unseen).is_ok()
}

/// Patches a tar as it goes by. One whose length would change stays as it is.
#[derive(Debug)]
pub(super) struct TarPatcher {
    walker: Walker,
    patcher: Patcher,
    progress: Progress,
    /// How many bytes have come.
    read: u64,
    /// Why the tar is left as it is, once that is known.
    reason: Option<String>,
}

#[derive(Debug, Default)]
struct Progress {
    /// How many bytes have been given out.
    given: u64,
    /// Where the content of the current entry begins.
    content: u64,
    notes: Vec<String>,
    more_notes: usize,
}

impl TarPatcher {
    /// What becomes of the files in it says the planner.
    pub(super) fn new(stamp: Stamp, planner: Box<dyn Planner>) -> Self {
        let patcher = Patcher::new(stamp, planner);
        Self { walker: Walker::new(), patcher, progress: Progress::default(), read: 0, reason: None }
    }

    /// Does something with the stream; what it can't do for the tar's own fault is why the tar stays as it is.
    fn go_on(
        &mut self,
        out: &mut dyn ContentOut,
        act: impl FnOnce(&mut Walker, &mut Patching<'_, '_>) -> Result<()>,
    ) -> Result<()> {
        let Self { walker, patcher, progress, .. } = self;
        let mut patching = Patching { patcher, onward: Onward { out, progress, old: Vec::new(), has_failed: false } };
        let Err(error) = act(walker, &mut patching) else { return Ok(()) };
        let is_its_fault = matches!(error.kind(), Kind::Malformed { .. } | Kind::Limit { .. } | Kind::Refused(_));
        if patching.onward.has_failed || !is_its_fault {
            return Err(error);
        }
        self.reason = Some(error.to_string());
        Ok(())
    }

    /// Gives out as many bytes as have come: which, does not matter for a tar that is left as it is.
    fn fill(&mut self, out: &mut dyn ContentOut) -> Result<()> {
        const ZEROS: [u8; 4096] = [0; 4096];
        while self.progress.given < self.read {
            let missing = usize::try_from(self.read.saturating_sub(self.progress.given)).unwrap_or(usize::MAX);
            let zeros = ZEROS.get(..missing).unwrap_or(&ZEROS);
            out.put(zeros)?;
            self.progress.given = self.progress.given.saturating_add(zeros.len() as u64);
        }
        Ok(())
    }
}

impl ContentPatcher for TarPatcher {
    fn label(&self) -> &'static str {
        "tar"
    }

    fn patch(&mut self, bytes: &[u8], out: &mut dyn ContentOut) -> Result<()> {
        self.read = self.read.saturating_add(bytes.len() as u64);
        if self.reason.is_none() {
            self.go_on(out, |walker, patching| walker.push(bytes, patching))?;
        }
        if self.reason.is_some() { self.fill(out) } else { Ok(()) }
    }

    fn finish(&mut self, out: &mut dyn ContentOut) -> Result<Verdict> {
        if self.reason.is_none() {
            self.go_on(out, |walker, patching| {
                walker.end(patching)?;
                patching.patcher.end(&mut patching.onward)
            })?;
        }
        self.fill(out)?;
        if let Some(reason) = self.reason.take() {
            return Ok(Verdict::LeaveIt(reason));
        }
        let Progress { notes, more_notes, .. } = &self.progress;
        let more = if *more_notes > 0 { format!("; and {more_notes} more") } else { String::new() };
        Ok(match notes.is_empty() {
            true => Verdict::Patched,
            false => Verdict::PatchedWithNote(format!("{}{more}", notes.join("; "))),
        })
    }
}

/// Shows the patcher what is in the stream.
struct Patching<'p, 'o> {
    patcher: &'p mut Patcher,
    onward: Onward<'p, 'o>,
}

/// Gives out the new stream.
struct Onward<'p, 'o> {
    out: &'o mut dyn ContentOut,
    progress: &'p mut Progress,
    /// The headers of the current entry as they were.
    old: Vec<u8>,
    has_failed: bool,
}

impl Onward<'_, '_> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.progress.given = self.progress.given.saturating_add(bytes.len() as u64);
        self.out.put(bytes).inspect_err(|_| self.has_failed = true)
    }

    fn replaced(&mut self, at: u64, old: &[u8], new: &[u8]) -> Result<()> {
        self.out.replaced(at, old, new).inspect_err(|_| self.has_failed = true)
    }
}

/// The headers of an entry would be longer or shorter.
fn resized() -> Error {
    Error::refused("its length would change")
}

impl Visitor for Patching<'_, '_> {
    fn headers(&mut self, step: Step, entry: &Entry, block: &[u8]) -> Result<()> {
        self.onward.old.clear();
        self.onward.old.extend_from_slice(entry.extension_bytes());
        self.onward.old.extend_from_slice(block);
        self.patcher.headers(step, entry, block, &mut self.onward)?;
        // They were taken, unless they are gone.
        if self.onward.old.is_empty() { Ok(()) } else { Err(resized()) }
    }

    fn bytes(&mut self, part: Part, bytes: &[u8]) -> Result<()> {
        self.patcher.bytes(part, bytes, &mut self.onward)
    }
}

impl Sink for Onward<'_, '_> {
    fn headers(&mut self, headers: NewHeaders<'_>) -> Result<()> {
        let (old, new) = (std::mem::take(&mut self.old), headers.bytes);
        if old.len() != new.len() {
            return Err(resized());
        }
        let at = self.progress.given;
        let mut start = 0;
        for run in old.iter().zip(new).map(|(old, new)| old == new).collect::<Vec<_>>().chunk_by(|a, b| a == b) {
            let place = start..start + run.len();
            start = place.end;
            if run.first() == Some(&false)
                && let (Some(old), Some(new)) = (old.get(place.clone()), new.get(place.clone()))
            {
                self.replaced(at.saturating_add(place.start as u64), old, new)?;
            }
        }
        self.put(new)?;
        self.progress.content = self.progress.given;
        self.old = old;
        self.old.clear();
        Ok(())
    }

    fn bytes(&mut self, part: Part, bytes: &[u8]) -> Result<()> {
        self.put(bytes)?;
        if part == Part::SparseMap {
            self.progress.content = self.progress.given;
        }
        Ok(())
    }

    fn edit(&mut self, entry: Edited<'_>, edit: Edit<'_>) -> Result<()> {
        match edit {
            Edit::Replaced { at, old, new } => {
                let at = self.progress.content.saturating_add(at);
                self.replaced(at, old, new)
            }
            Edit::Noted(text) | Edit::Left(text) => {
                let is_said = self.progress.notes.len() < NOTES_MAX;
                self.progress.more_notes += usize::from(!is_said);
                if is_said {
                    self.progress.notes.push(format!("{}: {text}", printable(entry.name)));
                }
                Ok(())
            }
            Edit::Omitted(_) | Edit::Resized { .. } => Err(resized()),
        }
    }
}
