//! Descriptors: how one document names a blob, wherever it does.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::json::{Kind, Value, element_path, member_path};
pub use super::keys::{IMAGE_NAME, REF_NAME};
use super::times::{Site, TimeKeys, label_sites};
use super::{DigestMap, Patch, WarningKind, new_digest};
use crate::digest::{Algorithm, Digest};
use crate::error::{Error, Result};
use crate::media_type::{LayerKind, shared};

/// The annotation by which BuildKit says that a manifest is an attestation.
pub const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
/// The annotation that names the manifest which an attestation is about.
pub const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";
/// The annotation in which containerd keeps the diff_id of a layer.
pub const UNCOMPRESSED: &str = "containerd.io/uncompressed";

/// The annotation of a manifest, and of its descriptor, that names a SOCI index: where the files are in the bytes of its
/// layers (awslabs/soci-snapshotter).
pub const SOCI_INDEX_DIGEST: &str = "com.amazon.soci.index-digest";
/// The annotation by which a descriptor says that the layers of its manifest are zstd (containers/image, oci_index.go).
pub const ZSTD: &str = "io.github.containers.compression.zstd";
/// The annotations of a layer that a rewritten one keeps, with new values.
pub(super) const OF_LAYER_BYTES_AND_SET: [&str; 1] = [UNCOMPRESSED];
/// Annotations of a layer that describe its exact bytes, and so are wrong for any others:
/// eStargz (stargz-snapshotter, docs/estargz.md), zstd:chunked (containers/storage, pkg/chunked), and composefs, whose
/// digest of a layer covers the times of its files.
const OF_LAYER_BYTES: [&str; 3] = ["containerd.io/snapshot/stargz/toc.digest", UNCOMPRESSED_SIZE, COMPOSEFS_LAYER];
/// Those of them that say nothing of where in the layer its files are.
const UNCOMPRESSED_SIZE: &str = "io.containers.estargz.uncompressed-size";
const COMPOSEFS_LAYER: &str = "containers.composefs.layer.digest";
const OF_LAYER_BYTES_PREFIX: [&str; 2] = ["io.containers.zstd-chunked.", "io.github.containers.zstd-chunked."];

/// Does an annotation with this key describe the bytes of a layer, so that a rewritten one must lose it?
pub fn describes_layer_bytes(key: &str) -> bool {
    OF_LAYER_BYTES.contains(&key) || OF_LAYER_BYTES_PREFIX.iter().any(|prefix| key.starts_with(prefix))
}

/// What a descriptor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Where in its document it is: `layers[2]`.
    pub path: DescriptorPath,
    /// Its span in the document.
    pub span: Range<usize>,
    /// `mediaType`; empty where there is none.
    pub media_type: Cow<'static, str>,
    /// The blob's digest.
    pub digest: Digest,
    /// The blob's size in bytes.
    pub size: u64,
    /// Annotations with a text for value.
    pub annotations: Vec<(String, String)>,
    /// What an image runs on.
    pub platform: Option<Box<Platform>>,
    /// Where else the blob can be got.
    pub urls: Vec<String>,
    /// The blob itself in base64, unchecked.
    pub data: Option<String>,
    /// `artifactType`.
    pub artifact_type: Option<String>,
}

/// Where in its document a descriptor is. The text is made when it is needed: there may be many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DescriptorPath {
    /// A field: `config`.
    Field(&'static str),
    /// An element of a list: `layers[2]`.
    Element(&'static str, usize),
    /// Anywhere else.
    Other(Box<str>),
}

impl fmt::Display for DescriptorPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => f.write_str(field),
            Self::Element(list, number) => f.write_str(&element_path(list, *number)),
            Self::Other(path) => f.write_str(path),
        }
    }
}

/// What an image runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Platform {
    /// `os`
    pub os: Option<String>,
    /// `architecture`
    pub architecture: Option<String>,
    /// `variant`
    pub variant: Option<String>,
    /// `os.version`
    pub os_version: Option<String>,
    /// `os.features`
    pub os_features: Vec<String>,
}

impl Platform {
    /// Reads a platform object, or a config, which has the same members at its top.
    pub(super) fn read(object: Value<'_>) -> Self {
        Self {
            os: text(object, "os"),
            architecture: text(object, "architecture"),
            variant: text(object, "variant"),
            os_version: text(object, "os.version"),
            os_features: texts(object, "os.features"),
        }
    }
}

impl fmt::Display for Platform {
    /// `linux/arm64/v8`; what is not known is `unknown`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |part: &Option<String>| part.clone().filter(|p| !p.is_empty()).unwrap_or_else(|| "unknown".into());
        write!(f, "{}/{}", part(&self.os), part(&self.architecture))?;
        match &self.variant {
            Some(variant) if !variant.is_empty() => write!(f, "/{variant}"),
            _ => Ok(()),
        }
    }
}

impl Descriptor {
    /// Reads the descriptor at this path.
    pub(super) fn read(value: Value<'_>, path: DescriptorPath) -> Result<Self> {
        if value.kind() != Kind::Object {
            return Err(value.wrong("descriptor", "an object"));
        }
        let digest = match value.get_some("digest") {
            Some(digest) => read_digest(digest)?,
            None => return Err(Error::missing("digest").at_entry(&path).at_offset(value.span().start as u64)),
        };
        let size = match value.get_some("size") {
            // An int64 (OCI image-spec, descriptor.md).
            Some(size) => size
                .as_u64()
                .filter(|size| i64::try_from(*size).is_ok())
                .ok_or_else(|| size.wrong("size", "a number of bytes"))?,
            None => return Err(Error::missing("size").at_entry(&path).at_offset(value.span().start as u64)),
        };
        Ok(Self {
            span: value.span(),
            media_type: value.get("mediaType").and_then(Value::as_str).map_or(Cow::Borrowed(""), |text| shared(&text)),
            digest,
            size,
            annotations: read_annotations(value),
            platform: value.get_some("platform").map(|platform| Box::new(Platform::read(platform))),
            urls: texts(value, "urls"),
            data: read_data(value)?,
            artifact_type: text(value, "artifactType"),
            path,
        })
    }

    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The tag, `org.opencontainers.image.ref.name`.
    pub fn ref_name(&self) -> Option<&str> {
        self.annotation(REF_NAME)
    }

    /// The names that it gives an image in `index.json`: the whole one, then the tag.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.annotation(IMAGE_NAME).into_iter().chain(self.ref_name())
    }

    /// What this layer is, of an image whose config has a diff_id for it or not.
    pub fn layer_kind(&self, has_diff_id: bool) -> LayerKind {
        LayerKind::of(&self.media_type, !self.urls.is_empty(), has_diff_id)
    }

    /// The blob that `data` holds, if there is such a field.
    ///
    /// # Errors
    ///
    /// It is no base64.
    pub fn decoded_data(&self) -> Option<Result<Vec<u8>>> {
        let data = self.data.as_deref()?;
        Some(STANDARD.decode(data).map_err(|error| {
            Error::malformed("data", "base64 (RFC 4648, 4)", error)
                .at_entry(member_path(&self.path.to_string(), "data"))
        }))
    }
}

/// A `data` that is no text would be taken for none, and so be lost where the blob becomes another one.
fn read_data(descriptor: Value<'_>) -> Result<Option<String>> {
    match descriptor.get_some("data") {
        None => Ok(None),
        Some(data) => match data.as_str() {
            Some(text) => Ok(Some(text.into_owned())),
            None => Err(data.wrong("data", "a text in base64")),
        },
    }
}

/// A member that is a text.
pub(super) fn text(object: Value<'_>, key: &str) -> Option<String> {
    Some(object.get(key)?.as_str()?.into_owned())
}

/// A member that is a list of texts.
pub(super) fn texts(object: Value<'_>, key: &str) -> Vec<String> {
    let list = object.get(key).into_iter().flat_map(Value::elements);
    list.filter_map(|element| Some(element.as_str()?.into_owned())).collect()
}

/// A value that has to be a digest.
pub(super) fn read_digest(value: Value<'_>) -> Result<Digest> {
    let expected = "sha256: or sha512: and that many lower-case hexadecimal digits";
    let text = value.as_str().ok_or_else(|| value.wrong("digest", expected))?;
    text.parse().map_err(|_| value.wrong("digest", expected))
}

/// The `annotations` of a document or descriptor that have a text for value.
pub(super) fn read_annotations(holder: Value<'_>) -> Vec<(String, String)> {
    let members = holder.get("annotations").into_iter().flat_map(Value::members);
    let mut list: Vec<(String, String)> =
        members.filter_map(|member| Some((member.key.into_owned(), member.value.as_str()?.into_owned()))).collect();
    // They are held as long as the document is, and there may be many descriptors with a single one.
    list.shrink_to_fit();
    list
}

/// The times in the `annotations` of a document or descriptor.
pub(super) fn annotation_sites<'j>(holder: Value<'j>, path: &str, keys: &TimeKeys, sites: &mut Vec<Site<'j>>) {
    label_sites(holder.get("annotations"), &member_path(path, "annotations"), keys, sites);
}

/// Annotations of an image, and of its descriptor, that its new layers make untrue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outdated {
    /// [`ZSTD`]
    pub zstd: bool,
    /// [`SOCI_INDEX_DIGEST`]
    pub soci: bool,
}

impl Outdated {
    /// Is one with this key among them?
    pub(super) fn has(self, key: &str) -> bool {
        (self.zstd && key == ZSTD) || (self.soci && key == SOCI_INDEX_DIGEST)
    }
}

/// What a descriptor's blob became.
#[derive(Debug, Clone, Default)]
pub struct DescriptorEdit<'b> {
    /// The new digest and size.
    pub blob: Option<(Digest, u64)>,
    /// The new blob itself, for a `data` field to be replaced. Without it the field is removed.
    pub data: Option<Cow<'b, [u8]>>,
    /// The new media type, where there is one already.
    pub media_type: Option<String>,
    /// The diff_id of a layer that was rewritten: annotations about the old bytes go.
    pub rewritten: Option<Digest>,
    /// Annotations that are not true of the new blob.
    pub without: Outdated,
}

impl DescriptorEdit<'_> {
    /// The blob is another one now.
    pub fn blob(digest: Digest, size: u64) -> Self {
        Self { blob: Some((digest, size)), ..Self::default() }
    }
}

impl Patch<'_> {
    /// Makes a descriptor name another blob. One that names it already is left alone.
    pub(super) fn descriptor(&mut self, value: Value<'_>, path: &str, edit: &DescriptorEdit<'_>) {
        let Some((digest, size)) = edit.blob else { return };
        let same = value.get("digest").and_then(Value::as_str).is_some_and(|old| old == digest.to_string());
        if same {
            return;
        }
        if let Some(field) = value.get("digest") {
            self.edits.string(field, &digest.to_string());
        }
        if let Some(field) = value.get("size") {
            self.edits.number(field, size);
        }
        if let (Some(field), Some(media_type)) = (value.get_some("mediaType"), &edit.media_type) {
            self.edits.string(field, media_type);
        }
        match (value.get_some("data"), &edit.data) {
            (Some(field), Some(bytes)) => {
                self.edits.string(field, &STANDARD.encode(bytes));
            }
            (Some(_), None) => {
                self.edits.retain_members(value, |member| !member.is("data"));
                self.warn(member_path(path, "data"), WarningKind::DataDropped);
            }
            (None, _) => {}
        }
        if value.get_some("urls").is_some_and(|urls| urls.elements().next().is_some()) {
            self.warn(member_path(path, "urls"), WarningKind::StaleUrls);
        }
        let Some(annotations) = value.get("annotations") else { return };
        match edit.rewritten {
            Some(diff_id) => self.rewritten_layer(annotations, &member_path(path, "annotations"), diff_id),
            None => self.without(annotations, edit.without),
        }
    }

    /// Removes annotations.
    pub(super) fn without(&mut self, annotations: Value<'_>, outdated: Outdated) {
        if outdated != Outdated::default() {
            self.edits.retain_members(annotations, |member| !outdated.has(&member.key));
        }
    }

    fn rewritten_layer(&mut self, annotations: Value<'_>, path: &str, diff_id: Digest) {
        for member in annotations.members() {
            if describes_layer_bytes(&member.key) {
                let is_lazy = ![UNCOMPRESSED_SIZE, COMPOSEFS_LAYER].contains(&member.key.as_ref());
                self.warn(member_path(path, &member.key), WarningKind::Dropped { is_lazy });
            }
        }
        self.edits.retain_members(annotations, |member| !describes_layer_bytes(&member.key));
        if let Some(field) = annotations.entry(UNCOMPRESSED) {
            self.edits.string(field, &diff_id.to_string());
        }
    }
}

/// The digest that a fallback tag names (OCI distribution-spec, "Referrers Tag Schema"), as its algorithm and the
/// hexadecimal digits, and what follows: `sha256-<hex>`, `sha256-<hex>.sig`.
///
/// Of a sha512 digest the scheme keeps the first 64 digits.
pub fn split_fallback_tag(tag: &str) -> Option<(Algorithm, &str, &str)> {
    let (name, rest) = tag.split_once('-')?;
    let algorithm = [Algorithm::Sha256, Algorithm::Sha512].into_iter().find(|known| known.name() == name)?;
    let length = rest.bytes().take_while(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).count();
    let (hex, suffix) = rest.split_at_checked(length)?;
    (hex.len() == 64 || hex.len() == 2 * algorithm.size()).then_some((algorithm, hex, suffix))
}

/// Is this the fallback tag, with whatever suffix, of that digest?
pub fn is_fallback_tag_of(tag: &str, digest: &Digest) -> bool {
    split_fallback_tag(tag)
        .is_some_and(|(algorithm, hex, _)| algorithm == digest.algorithm() && digest.hex().starts_with(hex))
}

/// Whose fallback tag this is, of sorted digests: `first_from` gives out the first that is not below its argument. Where
/// the tag is cut to the length of a tag, that is the first which begins like it.
pub fn fallback_tag_target(tag: &str, first_from: impl FnOnce(&Digest) -> Option<Digest>) -> Option<Digest> {
    let (algorithm, hex, _) = split_fallback_tag(tag)?;
    let lowest = Digest::from_hex(algorithm, &format!("{hex:0<width$}", width = 2 * algorithm.size()))?;
    first_from(&lowest).filter(|digest| is_fallback_tag_of(tag, digest))
}

/// A fallback tag of something that has moved, with its new digest.
pub fn moved_tag(tag: &str, moves: &DigestMap) -> Option<String> {
    let (_, hex, suffix) = split_fallback_tag(tag)?;
    let old = fallback_tag_target(tag, |lowest| moves.range(*lowest..).next().map(|(old, _)| *old))?;
    let new = new_digest(moves, &old)?;
    let new_hex = new.hex();
    Some(format!("{}-{}{suffix}", new.algorithm().name(), new_hex.get(..hex.len()).unwrap_or(&new_hex)))
}

/// The digests that a text contains, written with a colon or, as in tags, with a hyphen.
pub(super) fn digests_in(text: &str) -> impl Iterator<Item = Digest> {
    let starts = text.match_indices("sha").map(|(at, _)| at);
    starts.filter_map(|at| {
        let rest = text.get(at..)?;
        let (name, rest) = rest.split_at_checked(6)?;
        let algorithm = [Algorithm::Sha256, Algorithm::Sha512].into_iter().find(|known| known.name() == name)?;
        let hex = rest.strip_prefix([':', '-'])?;
        let length = hex.bytes().take_while(u8::is_ascii_hexdigit).count();
        Digest::from_hex(algorithm, hex.get(..length)?)
    })
}
