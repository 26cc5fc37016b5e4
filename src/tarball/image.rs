//! Is a tar the archive of a container image? Decided while it is read.
//!
//! `oci-layout`, a `manifest.json` of Docker's, an `index.json` of OCI's or a blob at the top make it one. A root filesystem
//! may have files of these names as well: where there was a directory of one before, they are only worth a warning.

use crate::error::{Error, Result};
use crate::tar::{Entry, Part, Step, Visitor};

/// How much of a document is looked at. Docker's keys are at its start, whatever the number of its images.
const DOCUMENT_MAX: usize = 64 << 10;

/// Names at the top of a root filesystem (hier(7)), and what Docker puts there.
const ROOT: [&[u8]; 21] = [
    b"bin", b"boot", b"dev", b"etc", b"home", b"lib", b"lib32", b"lib64", b"media", b"mnt", b"nix", b"opt", b"proc",
    b"root", b"run", b"sbin", b"srv", b"sys", b"tmp", b"usr", b"var",
];
const DOCKERENV: &[u8] = b".dockerenv";

/// Looks for the files of an image.
#[derive(Debug, Default)]
pub(super) struct ImageSigns {
    /// What it has that only an image has.
    found: Option<&'static str>,
    /// Is it an image, so that it need not be read on?
    is_image: bool,
    /// Was there something of a root filesystem?
    is_root: bool,
    /// Was there a folder of Docker's before 1.10?
    has_layer_folder: bool,
    /// The document that is going by, and its bytes so far.
    document: Option<(&'static str, Vec<u8>)>,
    /// Did the stream end without an end marker?
    pub(super) is_unterminated: bool,
}

impl ImageSigns {
    /// What shows that it is an image, where that is why it was not read on.
    pub(super) fn of_image(&self) -> Option<&'static str> {
        self.found.filter(|_| self.is_image)
    }

    /// What only an image has, in a root filesystem.
    pub(super) fn in_root(&self) -> Option<&'static str> {
        self.found.filter(|_| !self.is_image)
    }

    fn see(&mut self, sign: &'static str) -> Result<()> {
        self.found.get_or_insert(sign);
        self.is_image = !self.is_root;
        if self.is_image { Err(Error::refused("a container image")) } else { Ok(()) }
    }

    fn judge(&mut self) -> Result<()> {
        let Some((name, bytes)) = self.document.take() else { return Ok(()) };
        let has = |key: &[u8]| bytes.windows(key.len()).any(|window| window == key);
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        let is_of_image = match name {
            MANIFEST => first == Some(&b'[') && has(b"\"Config\"") && has(b"\"Layers\""),
            _ => first == Some(&b'{') && has(b"\"schemaVersion\"") && has(b"\"manifests\""),
        };
        if is_of_image { self.see(name) } else { Ok(()) }
    }

    fn entry(&mut self, entry: &Entry) -> Result<()> {
        let name = entry.name();
        let mut parts = name.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
        let Some(top) = parts.next() else { return Ok(()) };
        let (second, third) = (parts.next(), parts.next());
        let is_file = matches!(entry.kind(), 0 | b'0' | b'7') && !name.ends_with(b"/");
        self.is_root |= ROOT.contains(&top) || top == DOCKERENV;
        match (top, second, third) {
            (b"oci-layout", None, _) if is_file => self.see("oci-layout"),
            (b"manifest.json", None, _) if is_file => self.read(MANIFEST),
            (b"index.json", None, _) if is_file => self.read(INDEX),
            (b"blobs", Some(b"sha256"), Some(hex)) if is_file && is_hex(hex, 64) => self.see("blobs/sha256"),
            (b"blobs", Some(b"sha512"), Some(hex)) if is_file && is_hex(hex, 128) => self.see("blobs/sha512"),
            (id, Some(b"layer.tar"), None) if is_hex(id, 64) => {
                self.has_layer_folder = true;
                Ok(())
            }
            (b"repositories", None, _) if is_file && self.has_layer_folder => self.see("repositories"),
            _ => Ok(()),
        }
    }

    fn read(&mut self, name: &'static str) -> Result<()> {
        self.document = Some((name, Vec::new()));
        Ok(())
    }
}

const MANIFEST: &str = "manifest.json";
const INDEX: &str = "index.json";

fn is_hex(text: &[u8], digits: usize) -> bool {
    text.len() == digits && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Visitor for ImageSigns {
    fn headers(&mut self, step: Step, entry: &Entry, block: &[u8]) -> Result<()> {
        self.judge()?;
        match step {
            Step::Entry if !entry.is_behind_end() => self.entry(entry),
            Step::End => {
                self.is_unterminated = block.is_empty();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn bytes(&mut self, part: Part, bytes: &[u8]) -> Result<()> {
        if let (Part::Data, Some((_, document))) = (part, &mut self.document) {
            let room = DOCUMENT_MAX - document.len().min(DOCUMENT_MAX);
            document.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
        Ok(())
    }
}
