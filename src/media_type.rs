//! Media types: what a descriptor says its blob is.

use std::borrow::Cow;

use oci_spec::image::MediaType as Spec;

use crate::error::Error;

/// Docker's attestation manifests carry this `artifactType` where BuildKit writes them as OCI artifacts.
pub const DOCKER_ATTESTATION: &str = "application/vnd.docker.attestation.manifest.v1+json";
/// An in-toto statement (<https://github.com/in-toto/attestation>).
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image config.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// OCI artifact manifest, which image-spec 1.1 had until its second release candidate: `blobs` instead of layers.
pub const OCI_ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
/// Docker manifest list, schema 2.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker image config.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// The config of an artifact that has none (OCI image-spec, manifest.md, "Guidance for an Empty Descriptor").
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// Parts of media types by which the layers of other formats are known. They may hold a tar and are none.
pub const FORMATS: [&str; 8] = ["nydus", "erofs", "overlaybd", "squashfs", "composefs", "cvmfs", "soci", "vmdk"];

/// What it means for the times in a blob that the blob stays as it is, by its media type, where that is known.
pub fn what_passes(media_type: &str) -> Option<&'static str> {
    let name = media_type.to_ascii_lowercase();
    let has = |part: &str| name.contains(part);
    Some(match () {
        () if has("+encrypted") => "only the owner of the key can read it; rewrite the image before it is encrypted",
        () if has("zstd-chunked-sentinel") => {
            "it says that the layers above it are zstd:chunked, which rewritten ones are not; take the image without it"
        }
        () if has("soci") => "it says where the files are in the bytes of layers",
        () if FORMATS.iter().any(|format| has(format)) => {
            "a file system with the times of its files; rewrite the image before it is converted"
        }
        () if has("wasm") => "a WebAssembly module holds no times of files",
        () if has("helm.chart") => "a chart is an archive with the times of its files; no digest in it changes",
        () if has("cosign") || has("sigstore") || has("notary") || has("dsse") => {
            "a signature is valid only for the digests that it was made for"
        }
        () if has("in-toto") || has("spdx") || has("cyclonedx") || has("syft") => "it describes the original build",
        () => return None,
    })
}

/// A media type as descriptors keep it: usual ones are not copied.
pub fn shared(media_type: &str) -> Cow<'static, str> {
    const USUAL: [&str; 14] = [
        "",
        OCI_MANIFEST,
        OCI_CONFIG,
        OCI_INDEX,
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.oci.image.layer.v1.tar",
        IN_TOTO,
        DOCKER_MANIFEST,
        DOCKER_CONFIG,
        DOCKER_INDEX,
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar",
        OCI_ARTIFACT,
    ];
    let usual = USUAL.into_iter().find(|usual| *usual == media_type);
    usual.map_or_else(|| Cow::Owned(media_type.to_owned()), Cow::Borrowed)
}

/// What a blob is, as far as restamp cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// An image index or manifest list.
    Index,
    /// An image manifest.
    Manifest,
    /// An image config.
    Config,
    /// A filesystem layer.
    Layer(LayerType),
    /// Anything else: passed through byte for byte.
    Other,
}

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Compression {
    /// A plain tar.
    None,
    /// RFC 1952, any number of members.
    Gzip,
    /// RFC 8878, any number of frames.
    Zstd,
}

impl Compression {
    /// As in `--compression`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// By the first bytes of a blob (at least four where it has them).
    pub fn sniff(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame, as zstd:chunked and seekable zstd have them (RFC 8878, 3.1.2).
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// Compressions that other programs unpack and restamp does not: by the first bytes of a blob (10 where it has them).
pub fn sniff_unread(head: &[u8]) -> Option<&'static str> {
    match head {
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some("xz"),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => Some("bzip2"),
        _ => None,
    }
}

/// The same by the media type of a layer.
pub fn unread_layer(media_type: &str) -> Option<&'static str> {
    let suffix = media_type.strip_prefix(LayerType::OCI).or_else(|| media_type.strip_prefix(LayerType::DOCKER))?;
    match suffix {
        "+xz" | ".xz" => Some("xz"),
        "+bzip2" | "+bz2" | ".bzip2" | ".bz2" => Some("bzip2"),
        _ => None,
    }
}

/// The error for a layer that is compressed like that.
pub fn unread_layer_error(by: &str) -> Error {
    Error::refused(format!(
        "compressed with {by}, which is not read (gzip and zstd are): podman pull SOURCE, then podman save NAME, unpacks it"
    ))
}

/// A layer media type, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LayerType {
    /// Who named it.
    pub family: Family,
    /// "nondistributable" or "foreign": its blob may be absent.
    pub foreign: bool,
    /// The compression that the name has.
    pub compression: Compression,
}

/// Who named a media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `application/vnd.oci.*`
    Oci,
    /// `application/vnd.docker.*`
    Docker,
}

impl LayerType {
    const OCI: &'static str = "application/vnd.oci.image.layer.v1.tar";
    const OCI_FOREIGN: &'static str = "application/vnd.oci.image.layer.nondistributable.v1.tar";
    const DOCKER: &'static str = "application/vnd.docker.image.rootfs.diff.tar";
    const DOCKER_FOREIGN: &'static str = "application/vnd.docker.image.rootfs.foreign.diff.tar";

    /// Takes a media type apart; `None` if it is not one of a layer.
    pub fn parse(media_type: &str) -> Option<Self> {
        // Longer names first: none of these is the start of another but for the suffix.
        let kinds = [
            (Self::OCI, Family::Oci, false),
            (Self::OCI_FOREIGN, Family::Oci, true),
            (Self::DOCKER, Family::Docker, false),
            (Self::DOCKER_FOREIGN, Family::Docker, true),
        ];
        kinds.into_iter().find_map(|(stem, family, foreign)| {
            let suffix = media_type.strip_prefix(stem)?;
            let separator = if family == Family::Oci { '+' } else { '.' };
            let compression = match suffix.strip_prefix(separator) {
                None if suffix.is_empty() => Compression::None,
                Some("gzip") => Compression::Gzip,
                Some("zstd") => Compression::Zstd,
                _ => return None,
            };
            Some(Self { family, foreign, compression })
        })
    }

    /// The same family and kind with another compression.
    #[must_use]
    pub fn with(self, compression: Compression) -> Self {
        Self { compression, ..self }
    }
}

impl std::fmt::Display for LayerType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stem = match (self.family, self.foreign) {
            (Family::Oci, false) => Self::OCI,
            (Family::Oci, true) => Self::OCI_FOREIGN,
            (Family::Docker, false) => Self::DOCKER,
            (Family::Docker, true) => Self::DOCKER_FOREIGN,
        };
        let separator = if self.family == Family::Oci { '+' } else { '.' };
        match self.compression {
            Compression::None => f.write_str(stem),
            other => write!(f, "{stem}{separator}{}", other.name()),
        }
    }
}

/// What the blob of a layer's descriptor is: the one answer for all verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LayerKind {
    /// A tar, compressed as the media type says; `None` where there is no media type and its first bytes decide.
    Tar(Option<Compression>),
    /// Its vendor distributes it (`urls`, or a nondistributable media type): it stays as it is, in the image or not.
    Foreign,
    /// Only its owner can look into it.
    Encrypted,
    /// Another format.
    Opaque,
}

impl LayerKind {
    /// By the media type and whether the descriptor has `urls` and the config a diff_id for it: a layer without a media
    /// type is the tar of that diff_id.
    pub fn of(media_type: &str, has_urls: bool, has_diff_id: bool) -> Self {
        let layer = LayerType::parse(media_type);
        match layer {
            _ if has_urls || layer.is_some_and(|layer| layer.foreign) => Self::Foreign,
            Some(layer) => Self::Tar(Some(layer.compression)),
            None if media_type.is_empty() && has_diff_id => Self::Tar(None),
            None if media_type.contains("+encrypted") => Self::Encrypted,
            None => Self::Opaque,
        }
    }

    /// Is it a tar whose times are restamp's to set?
    pub fn is_tar(self) -> bool {
        matches!(self, Self::Tar(_))
    }
}

/// What a media type names.
pub fn classify(media_type: &str) -> Class {
    if let Some(layer) = LayerType::parse(media_type) {
        return Class::Layer(layer);
    }
    match Spec::from(media_type) {
        Spec::ImageIndex => Class::Index,
        Spec::ImageManifest => Class::Manifest,
        Spec::ImageConfig => Class::Config,
        _ => match media_type {
            DOCKER_INDEX => Class::Index,
            DOCKER_MANIFEST | OCI_ARTIFACT => Class::Manifest,
            DOCKER_CONFIG => Class::Config,
            _ => Class::Other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_type_is_read_and_written_alike() {
        for text in [
            "application/vnd.oci.image.layer.v1.tar",
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "application/vnd.oci.image.layer.v1.tar+zstd",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "application/vnd.docker.image.rootfs.diff.tar",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "application/vnd.docker.image.rootfs.diff.tar.zstd",
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        ] {
            let layer = LayerType::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(layer.to_string(), text);
            assert_eq!(classify(text), Class::Layer(layer));
        }
        for text in
            ["application/vnd.oci.image.layer.v1.tar.gzip", "application/vnd.oci.image.layer.v1.tar+gzip+encrypted", ""]
        {
            assert_eq!(LayerType::parse(text), None, "{text}");
            assert_eq!(classify(text), Class::Other);
        }
    }

    #[test]
    fn what_a_layer_is() {
        let kind = LayerKind::of;
        let gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
        assert_eq!(kind(gzip, false, true), LayerKind::Tar(Some(Compression::Gzip)));
        assert_eq!(kind(gzip, true, true), LayerKind::Foreign);
        let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
        assert_eq!(kind(foreign, false, true), LayerKind::Foreign);
        assert_eq!((kind("", false, true), kind("", false, false)), (LayerKind::Tar(None), LayerKind::Opaque));
        assert_eq!(kind(&format!("{gzip}+encrypted"), false, true), LayerKind::Encrypted);
        assert_eq!(kind("application/vnd.oci.image.layer.nydus.blob.v1", false, true), LayerKind::Opaque);
    }

    #[test]
    fn documents_of_both_families() {
        assert_eq!(classify(OCI_INDEX), Class::Index);
        assert_eq!(classify(DOCKER_INDEX), Class::Index);
        assert_eq!(classify(OCI_MANIFEST), Class::Manifest);
        assert_eq!(classify(DOCKER_MANIFEST), Class::Manifest);
        assert_eq!(classify(OCI_CONFIG), Class::Config);
        assert_eq!(classify(DOCKER_CONFIG), Class::Config);
        assert_eq!(classify("application/vnd.oci.empty.v1+json"), Class::Other);
    }
}
