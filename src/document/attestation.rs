//! Attestations and signatures: what is about an image and not the image itself.
//!
//! An in-toto statement names its subjects by digest, so it follows an image that was rewritten; its own times are
//! facts about the build and stay. A signature can't be updated: it covers the old bytes.

use super::config::list;
use super::descriptor::{REFERENCE_TYPE, split_fallback_tag, text};
use super::json::{Json, Kind, Value, element_path, member_path};
use super::references::{Moved, Target};
use super::{DigestMap, Patch, Patched, WarningKind, new_digest};
use crate::digest::{Algorithm, Digest};
use crate::error::{Result, printable};
use crate::media_type::{DOCKER_ATTESTATION, IN_TOTO};

/// What a blob that may be a statement is.
#[derive(Debug)]
pub enum Attestation<'a> {
    /// An in-toto statement (<https://github.com/in-toto/attestation>, spec/v1/statement.md).
    Statement(Statement<'a>),
    /// A DSSE envelope (<https://github.com/secure-systems-lab/dsse>): a payload with signatures over it.
    Signed,
    /// Some other JSON document.
    Other,
}

/// An in-toto statement.
#[derive(Debug)]
pub struct Statement<'a> {
    json: Json<'a>,
    subjects: Vec<Subject>,
}

/// What a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Where in the document: `subject[0]`.
    pub path: String,
    /// Its name, often a package URL.
    pub name: Option<String>,
    /// Its digests of the algorithms that name blobs of images.
    pub digests: Vec<Digest>,
}

/// The members that matter. The predicate, which can be tens of megabytes, is not among them.
const KEYS: [&str; 5] = ["_type", "subject", "predicateType", "payloadType", "signatures"];

impl<'a> Attestation<'a> {
    /// Reads a blob of the media type of statements.
    ///
    /// # Errors
    ///
    /// It is no JSON, or its subjects are no list.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let json = Json::parse_only(bytes, &KEYS)?;
        let root = json.root();
        if is_envelope(root) {
            return Ok(Self::Signed);
        }
        if text(root, "_type").is_none() {
            return Ok(Self::Other);
        }
        let subjects = list(root, "subject", "subject")?.enumerate();
        let subjects = subjects.map(|(number, subject)| read_subject(subject, number)).collect();
        Ok(Self::Statement(Statement { json, subjects }))
    }
}

impl Statement<'_> {
    /// What it is about.
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// Gives out the statement about the new digests of what has moved, piece by piece: a second copy of an SBOM of tens of
    /// megabytes is one too many. [`Patched::bytes`] stays empty, and of one that stays as it is, nothing is given out.
    ///
    /// # Errors
    ///
    /// Those of `out`, and if two changes would be made in the same place.
    pub fn patch_to(&self, moves: &DigestMap, out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<Patched> {
        let Patch { edits, times, command_times, warnings, unlisted } = self.with_new_subjects(moves);
        let changed = !edits.is_empty();
        if changed {
            edits.apply_to(out)?;
        }
        Ok(Patched { bytes: Vec::new(), changed, times, command_times, warnings, unlisted })
    }

    fn with_new_subjects(&self, moves: &DigestMap) -> Patch<'_> {
        let mut patch = Patch::new(&self.json);
        let subjects = self.json.root().get("subject").into_iter().flat_map(Value::elements);
        for (number, subject) in subjects.enumerate() {
            let Some(digests) = subject.get("digest") else { continue };
            let new = |algorithm: &str, hex: &str| new_digest(moves, &named(algorithm, hex)?);
            let mut stale = Vec::new();
            let mut has_moved = false;
            for member in digests.members() {
                match member.value.as_str().and_then(|hex| new(&member.key, &hex)) {
                    Some(digest) => has_moved |= patch.edits.string(member.value, &digest.hex()),
                    None => stale.push(member.key),
                }
            }
            if has_moved {
                // A package URL may name the digest once more: `pkg:docker/app@sha256:…`.
                let moved = Moved { blobs: Some(moves), ..Moved::default() };
                for text in ["name", "uri"].into_iter().filter_map(|key| subject.get(key)) {
                    patch.moved_digests(text, Target::Blob, &moved);
                }
            }
            let path = member_path(&element_path("subject", number), "digest");
            for key in stale.into_iter().filter(|_| has_moved) {
                patch.warn(member_path(&path, &key), WarningKind::StaleSubject(printable(key.as_bytes())));
            }
        }
        patch
    }
}

fn read_subject(subject: Value<'_>, number: usize) -> Subject {
    let digests = subject.get("digest").into_iter().flat_map(Value::members);
    Subject {
        path: element_path("subject", number),
        name: text(subject, "name"),
        digests: digests.filter_map(|member| named(&member.key, &member.value.as_str()?)).collect(),
    }
}

/// A digest as in-toto's digest sets have it: algorithm and hexadecimal digits apart.
fn named(algorithm: &str, hex: &str) -> Option<Digest> {
    let mut known = [Algorithm::Sha256, Algorithm::Sha512].into_iter();
    // The names are lower case (in-toto, digest_set.md), and some tools write `SHA256`.
    let known = known.find(|known| known.name().eq_ignore_ascii_case(algorithm))?;
    Digest::from_hex(known, hex)
}

/// Is this a DSSE envelope? One whose list of signatures is empty signs nothing, but is not to be taken apart either.
fn is_envelope(root: Value<'_>) -> bool {
    let is = |key: &str, kind: Kind| root.get(key).is_some_and(|value| value.kind() == kind);
    is("payloadType", Kind::String) && is("payload", Kind::String) && is("signatures", Kind::Array)
}

/// Is a manifest an attestation, by the annotations of its descriptor or by its own `artifactType`?
pub fn is_attestation(annotations: &[(String, String)], artifact_type: Option<&str>) -> bool {
    let by_annotation = annotations.iter().any(|(key, value)| key == REFERENCE_TYPE && value == "attestation-manifest");
    by_annotation || artifact_type == Some(DOCKER_ATTESTATION)
}

/// Is this the media type of a bare in-toto statement?
pub fn is_statement_type(media_type: &str) -> bool {
    media_type == IN_TOTO
}

/// What is known of a manifest that may be a signature.
#[derive(Debug, Clone, Copy, Default)]
pub struct SignatureHints<'t> {
    /// Its `artifactType`, and that of its descriptor.
    pub artifact_types: &'t [&'t str],
    /// The media types of its config and its layers.
    pub media_types: &'t [&'t str],
    /// Its tag.
    pub tag: Option<&'t str>,
}

/// Which kind of signature a manifest is, if it is one. An SBOM is none.
pub fn signature_kind(suspect: SignatureHints<'_>) -> Option<&'static str> {
    let by_type = suspect.artifact_types.iter().chain(suspect.media_types).find_map(|text| signature_type(text));
    by_type.or_else(|| {
        // cosign's tags, of which `.att` is a DSSE envelope and `.sbom` is not signed.
        match split_fallback_tag(suspect.tag?)?.2 {
            ".sig" => Some("cosign signature"),
            ".att" => Some("cosign attestation"),
            _ => None,
        }
    })
}

fn signature_type(media_type: &str) -> Option<&'static str> {
    const STARTS: [(&str, &str); 8] = [
        ("application/vnd.dev.cosign.simplesigning.", "cosign signature"),
        ("application/vnd.dev.cosign.artifact.sig.", "cosign signature"),
        ("application/vnd.dev.cosign.artifact.att.", "cosign attestation"),
        ("application/vnd.dev.sigstore.bundle", "sigstore bundle"),
        ("application/vnd.cncf.notary.signature", "notation signature"),
        ("application/vnd.cncf.notary.v2.signature", "notation signature"),
        ("application/vnd.dsse.envelope.", "DSSE envelope"),
        ("application/vnd.in-toto+dsse", "DSSE envelope"),
    ];
    STARTS.iter().find(|(start, _)| media_type.starts_with(start)).map(|(_, kind)| *kind)
}
