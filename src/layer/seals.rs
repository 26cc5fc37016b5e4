//! Boot images that seal a root filesystem: a unified kernel image whose command line holds a composefs digest, which
//! covers the files' times (composefs-rs; bootc). Looked for while a layer is read, in files by the name of EFI
//! programs.

use memchr::memmem;

use crate::error::Result;
use crate::tar::{Entry, Part, Step, Visitor};

/// What a sealed kernel command line has in it.
const MARK: &[u8] = b"composefs=";

/// So many are named of one layer.
const NAMED_MAX: usize = 16;

/// Collects the names of sealed boot images.
#[derive(Debug, Default)]
pub(super) struct Seals {
    /// The current file, if it may be one.
    name: Option<Vec<u8>>,
    /// The last bytes of its content, in which the mark may begin.
    tail: Vec<u8>,
    found: Vec<Vec<u8>>,
}

impl Seals {
    /// The names, in the order of the layer.
    pub(super) fn found(self) -> Vec<Vec<u8>> {
        self.found
    }
}

impl Visitor for Seals {
    fn headers(&mut self, step: Step, entry: &Entry, _: &[u8]) -> Result<()> {
        let is_file = step == Step::Entry && matches!(entry.kind(), b'0' | 0 | b'7');
        let name = (is_file && self.found.len() < NAMED_MAX).then(|| entry.name().into_owned());
        self.name = name.filter(|name| {
            name.len().checked_sub(4).and_then(|at| name.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(b".efi"))
        });
        self.tail.clear();
        Ok(())
    }

    fn bytes(&mut self, part: Part, bytes: &[u8]) -> Result<()> {
        if part != Part::Data || self.name.is_none() {
            return Ok(());
        }
        let most = MARK.len() - 1;
        self.tail.extend_from_slice(bytes.get(..bytes.len().min(most)).unwrap_or_default());
        if memmem::find(&self.tail, MARK).is_some() || memmem::find(bytes, MARK).is_some() {
            self.found.extend(self.name.take());
            return Ok(());
        }
        // What may be the beginning of the mark.
        if bytes.len() >= most {
            self.tail.clear();
            self.tail.extend_from_slice(bytes.get(bytes.len() - most..).unwrap_or_default());
        } else {
            self.tail.drain(..self.tail.len().saturating_sub(most));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tar::Walker;

    fn found(name: &str, content: &[u8], piece: usize) -> usize {
        let mut header = ::tar::Header::new_ustar();
        header.set_path(name).unwrap();
        header.set_size(content.len() as u64);
        header.set_cksum();
        let mut stream = [header.as_bytes(), content].concat();
        stream.resize(stream.len().next_multiple_of(512), 0);
        let (mut walker, mut seals) = (Walker::new(), Seals::default());
        for piece in stream.chunks(piece) {
            walker.push(piece, &mut seals).unwrap();
        }
        walker.end(&mut seals).unwrap();
        seals.found().len()
    }

    #[test]
    fn the_mark_is_found_wherever_pieces_are_cut() {
        let sealed = [&[b'x'; 700][..], b"root=/dev/sda composefs=ab12 quiet", &[0; 600]].concat();
        for piece in [1, 3, 7, 9, 10, 11, 512, 4096] {
            assert_eq!(found("boot/EFI/Linux/a.efi", &sealed, piece), 1, "{piece}");
            assert_eq!(found("boot/EFI/Linux/a.EFI", &sealed, piece), 1, "{piece}");
            assert_eq!(found("boot/vmlinuz", &sealed, piece), 0, "{piece}");
            assert_eq!(found("a.efi", &[b'c'; 900], piece), 0, "{piece}");
        }
    }
}
