//! Digests in texts: which labels and annotations name parts of their image, and where digests are in any text.
//!
//! A digest is 64 hexadecimal digits (sha256) or 128 (sha512) with no further one beside them, whatever is around them:
//! `sha256:…`, bare, in a tag, in JSON inside of a string. Where the meaning of a key is known, what has moved is replaced
//! digit by digit, so that everything around it stays, the escapes of the string included.

use std::collections::BTreeSet;
use std::ops::Range;

use super::descriptor::{IMAGE_NAME, REF_NAME, REFERENCE_DIGEST};
use super::descriptor::{OF_LAYER_BYTES_AND_SET, describes_layer_bytes, moved_tag};
use super::json::{Json, Value, member_path};
use super::{DigestMap, Patch, WarningKind};
use crate::digest::{Algorithm, Digest};

/// What the digests under a key name. It matters where a layer is not compressed and becomes one that is: then its two
/// digests were one and are not any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Uncompressed layers.
    DiffId,
    /// Blobs.
    Blob,
}

/// The labels and annotations whose digests follow what they name, at any depth of the JSON that some of them hold.
const KEYS: [(&str, Target); 14] = [
    // Cloud Native Buildpacks (buildpacks/spec, platform.md and distribution.md): what a rebase and the reuse of layers go by.
    ("io.buildpacks.lifecycle.metadata", Target::DiffId),
    ("io.buildpacks.buildpack.layers", Target::DiffId),
    ("io.buildpacks.extension.layers", Target::DiffId),
    ("io.buildpacks.buildpackage.metadata", Target::DiffId),
    ("io.buildpacks.builder.metadata", Target::DiffId),
    ("io.buildpacks.build.metadata", Target::DiffId),
    ("io.buildpacks.base.sbom", Target::DiffId),
    // ostree-rs-ext: the layer at which an import stops.
    ("ostree.final-diffid", Target::DiffId),
    // Homebrew: the layer of a bottle, without the algorithm.
    ("sh.brew.bottle.digest", Target::Blob),
    // ORAS: the uncompressed content of a folder.
    ("io.deis.oras.content.digest", Target::DiffId),
    // Which manifest a SOCI index of the second version is about.
    (SOCI_MANIFEST_DIGEST, Target::Blob),
    // Which layer a table of a SOCI index is about, where that layer was kept in another image.
    ("com.amazon.soci.image-layer-digest", Target::Blob),
    (REFERENCE_DIGEST, Target::Blob),
    // `name@sha256:…`, and the tags of what is attached to a digest.
    (IMAGE_NAME, Target::Blob),
];

/// The annotation of a SOCI index's descriptor that names the manifest which it is about.
pub const SOCI_MANIFEST_DIGEST: &str = "com.amazon.soci.image-manifest-digest";
/// The annotation of a part of a SOCI index that names the layer which it describes.
pub const SOCI_LAYER_DIGEST: &str = "com.amazon.soci.image-layer-digest";
/// The annotation by which a descriptor says that its manifest has a layer of [`ZSTD_CHUNKED_SENTINEL`].
pub const SENTINEL: &str = "io.github.containers.zstd-chunked.sentinel";
/// The media type of a layer that is no tar: it says that the layers above it are to be read by their zstd:chunked tables
/// alone (containers/storage, pkg/chunked/toc).
pub const ZSTD_CHUNKED_SENTINEL: &str = "application/vnd.containers.zstd-chunked-sentinel";

/// Labels and annotations that hold an fs-verity digest over the files of all layers, their times among them (composefs-rs,
/// bootc). It can't be computed without mounting the image.
const SEALS: [&str; 2] = ["containers.composefs.fsverity", "containers.composefs.rootfs.digest"];

/// What the digests under this key of a label or annotation name, where that is known.
pub fn target_of(key: &str) -> Option<Target> {
    KEYS.iter().find(|(known, _)| *known == key).map(|(_, target)| *target)
}

/// The keys under which only members of these names hold the digests of layers; elsewhere all digests are.
const MEMBERS: [(&str, &[&str]); 3] = [
    ("io.buildpacks.lifecycle.metadata", &["sha", "topLayer"]),
    ("io.buildpacks.buildpack.layers", &["layerDiffID"]),
    ("io.buildpacks.extension.layers", &["layerDiffID"]),
];
/// The keys whose text is the digest of a layer.
const WHOLE: [&str; 3] = ["ostree.final-diffid", "io.buildpacks.base.sbom", "sh.brew.bottle.digest"];

/// The layers that a label or annotation names and that have to be those of its image, each once. A text that can't be read
/// names none.
pub fn layers_named_by(key: &str, text: &str) -> BTreeSet<Digest> {
    let of = |text: &str| digests_in(text.as_bytes()).into_iter().map(|(_, digest)| digest).collect::<Vec<_>>();
    if WHOLE.contains(&key) {
        return of(text).into_iter().collect();
    }
    let mut found = BTreeSet::new();
    let Some((_, names)) = MEMBERS.iter().find(|(known, _)| *known == key) else { return found };
    let Ok(json) = Json::parse_map(text.as_bytes()) else { return found };
    let mut pending = vec![json.root()];
    while let Some(value) = pending.pop() {
        for member in value.members() {
            let text = member.value.as_str().filter(|_| names.contains(&member.key.as_ref()));
            found.extend(text.iter().flat_map(|text| of(text)));
            pending.push(member.value);
        }
        pending.extend(value.elements());
    }
    found
}

/// What became of layers: old digests to new ones, those that stay to themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayerMoves {
    /// Of the blobs.
    pub blobs: DigestMap,
    /// Of the uncompressed layers.
    pub diff_ids: DigestMap,
}

impl LayerMoves {
    fn get(&self, target: Target, old: &Digest) -> Option<Digest> {
        let [first, second] = match target {
            Target::DiffId => [&self.diff_ids, &self.blobs],
            Target::Blob => [&self.blobs, &self.diff_ids],
        };
        first.get(old).or_else(|| second.get(old)).copied()
    }
}

/// What has another digest now, as one document sees it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moved<'m> {
    /// The layers of the image that the document is of. They come first: another image may have kept what this one has in a
    /// new form, or the other way round.
    pub own: Option<&'m LayerMoves>,
    /// The layers of all images.
    pub layers: Option<&'m LayerMoves>,
    /// Documents, and whatever else has moved.
    pub blobs: Option<&'m DigestMap>,
}

impl Moved<'_> {
    /// The new digest of what a digest named, if it has another one.
    pub fn get(&self, target: Target, old: &Digest) -> Option<Digest> {
        let own = self.own.and_then(|own| own.get(target, old));
        let documents = || self.blobs.and_then(|blobs| blobs.get(old)).copied();
        let layers = || self.layers.and_then(|layers| layers.get(target, old));
        own.or_else(documents).or_else(layers).filter(|new| new != old)
    }
}

impl Patch<'_> {
    /// Warns of digests over the files of an image whose layers have changed.
    pub(super) fn broken_seals(&mut self, labels: Value<'_>, path: &str) {
        for member in labels.members().filter(|member| SEALS.contains(&member.key.as_ref())) {
            self.warn(member_path(path, &member.key), WarningKind::BrokenSeal);
        }
    }

    /// Moves the digests in the annotations of a document or descriptor, where their meaning is known.
    pub(super) fn moved_annotations(&mut self, holder: Value<'_>, moved: &Moved<'_>) {
        if let Some(annotations) = holder.get("annotations") {
            self.moved_labels(annotations, moved);
        }
    }

    /// Moves the digests in a map of labels or annotations, where their meaning is known.
    pub(super) fn moved_labels(&mut self, labels: Value<'_>, moved: &Moved<'_>) {
        for member in labels.members() {
            match member.key.as_ref() {
                REF_NAME => {
                    let tag = member.value.as_str();
                    if let Some(new) = tag.zip(moved.blobs).and_then(|(tag, blobs)| moved_tag(&tag, blobs)) {
                        self.edits.string(member.value, &new);
                    }
                }
                // A rewritten layer loses them, or is given new ones.
                key if describes_layer_bytes(key) || OF_LAYER_BYTES_AND_SET.contains(&key) => {}
                key => {
                    if let Some(target) = target_of(key) {
                        self.moved_digests(member.value, target, moved);
                    }
                }
            }
        }
    }

    /// Replaces the digits of each digest in a text that has moved; was there one?
    pub(super) fn moved_digests(&mut self, value: Value<'_>, target: Target, moved: &Moved<'_>) -> bool {
        let Some(text) = value.as_str() else { return false };
        let (mut parts, mut new) = (Vec::new(), Vec::new());
        for (place, digest) in digests_in(text.as_bytes()) {
            let is_plain = text.get(place.clone()) == Some(digest.hex().as_str());
            let moved_to = moved.get(target, &digest).filter(|new| is_plain && new.algorithm() == digest.algorithm());
            if let Some(digest) = moved_to {
                parts.push(place);
                new.push(digest.hex());
            }
        }
        for (span, hex) in value.spans_of(&parts).into_iter().zip(new) {
            self.edits.replace(span, hex);
        }
        !parts.is_empty()
    }
}

/// The digests in some bytes, and where their digits are.
pub fn digests_in(bytes: &[u8]) -> Vec<(Range<usize>, Digest)> {
    let mut found = Vec::new();
    let mut scanner = Scanner::default();
    scanner.feed(bytes, &mut |place, digest| found.push((place, digest)));
    scanner.finish(&mut |place, digest| found.push((place, digest)));
    found
}

/// The longest run of digits that can be a digest: those of sha512 after a colon that is written as two digits.
const LONGEST: usize = 130;

/// Finds digests in bytes as they come, in one pass and with no memory of what was before.
#[derive(Debug)]
pub struct Scanner {
    at: usize,
    run: [u8; LONGEST],
    /// How many digits there are in a row, of which the array has the first ones.
    length: usize,
    /// What was before them, and what the last byte was.
    before: u8,
    last: u8,
}

impl Default for Scanner {
    fn default() -> Self {
        Self { at: 0, run: [0; LONGEST], length: 0, before: 0, last: 0 }
    }
}

impl Scanner {
    /// Takes in more bytes; `found` is called with each digest whose end they show, and where its digits are.
    pub fn feed(&mut self, bytes: &[u8], found: &mut dyn FnMut(Range<usize>, Digest)) {
        for byte in bytes {
            if byte.is_ascii_hexdigit() {
                if self.length == 0 {
                    self.before = self.last;
                }
                if let Some(place) = self.run.get_mut(self.length) {
                    *place = byte.to_ascii_lowercase();
                }
                self.length += 1;
            } else if self.length > 0 {
                self.end(found);
            }
            self.at += 1;
            self.last = *byte;
        }
    }

    /// There are no more bytes.
    pub fn finish(mut self, found: &mut dyn FnMut(Range<usize>, Digest)) {
        self.end(found);
    }

    fn end(&mut self, found: &mut dyn FnMut(Range<usize>, Digest)) {
        let length = std::mem::take(&mut self.length);
        let Some(digits) = self.run.get(..length) else { return };
        // A colon as it is written in a URL (`%3A`, RFC 3986, 2.1) and in the references of ostree (`_3A`).
        let colon = digits.strip_prefix(b"3a").filter(|_| matches!(self.before, b'%' | b'_'));
        let digits = colon.unwrap_or(digits);
        let algorithm = match digits.len() {
            64 => Algorithm::Sha256,
            128 => Algorithm::Sha512,
            _ => return,
        };
        let digest = std::str::from_utf8(digits).ok().and_then(|hex| Digest::from_hex(algorithm, hex));
        if let Some(digest) = digest {
            found(self.at - digits.len()..self.at, digest);
        }
    }
}
