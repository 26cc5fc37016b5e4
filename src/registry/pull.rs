//! Reading from a repository: manifests, and blobs (OCI distribution-spec, "Pulling").

use serde::Deserialize;

use super::client::{Call, Client};
use super::http::{Body, Response};
use super::scope::Scope;
use crate::digest::{Algorithm, Digest};
use crate::error::{Error, Property, Result, quoted};
use crate::media_type::OCI_INDEX;

/// The documents that are taken. What is not named here, a registry may convert: Docker's schema 1 for example.
pub const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// A manifest or index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// What the registry says that it is, which is what it says itself.
    pub media_type: String,
    /// Its bytes, which have this digest.
    pub bytes: Vec<u8>,
    /// The digest.
    pub digest: Digest,
}

/// What every document says of itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    media_type: Option<String>,
    schema_version: Option<u64>,
}

impl Client {
    /// A manifest or index by its tag or digest; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If it can't be had, has more than `limit` bytes, or is not what its digest and its media type say.
    pub fn manifest(&self, reference: &str, limit: u64) -> Result<Option<Fetched>> {
        let call = self.manifest_call("GET", reference)?;
        let found = self.retried(|| {
            let response = self.send_once(&call)?;
            if response.status == 404 {
                return Ok(None);
            }
            let response = self.expect(response, &[200])?;
            let media_type = response.media_type().to_owned();
            let told = response.header("docker-content-digest").and_then(|text| text.trim().parse::<Digest>().ok());
            Ok(Some((media_type, told, response.bytes(limit)?)))
        });
        let Some((media_type, told, bytes)) = found? else { return Ok(None) };
        let asked = reference.parse::<Digest>().ok();
        let in_place = |e: Error| e.in_blob(reference);
        // The digest that was asked for, or else the one that the registry names.
        let algorithm = asked.or(told).map_or(Algorithm::Sha256, |digest| digest.algorithm());
        let digest = Digest::of(algorithm, &bytes);
        if let Some(expected) = asked.or(told).filter(|expected| *expected != digest) {
            return Err(in_place(Error::mismatch(Property::Digest, expected, digest)));
        }
        check_type(&media_type, &bytes).map_err(in_place)?;
        Ok(Some(Fetched { media_type, bytes, digest }))
    }

    /// The digest that a tag has now; `None` if there is no such tag.
    ///
    /// # Errors
    ///
    /// If the registry refuses to say it.
    pub fn tag(&self, tag: &str, limit: u64) -> Result<Option<Digest>> {
        let response = self.send(&self.manifest_call("HEAD", tag)?)?;
        if response.status == 404 {
            return Ok(None);
        }
        let response = self.expect(response, &[200])?;
        match response.header("docker-content-digest").and_then(|text| text.trim().parse().ok()) {
            Some(digest) => Ok(Some(digest)),
            // It need not say it.
            None => Ok(self.manifest(tag, limit)?.map(|fetched| fetched.digest)),
        }
    }

    /// The size of a blob; `None` if it is not in the repository.
    ///
    /// # Errors
    ///
    /// If the registry refuses to say it.
    pub fn blob_size(&self, digest: &Digest, scope: Scope) -> Result<Option<u64>> {
        let response = self.send(&self.blob_call("HEAD", digest, scope.clone())?)?;
        if response.status == 404 {
            return Ok(None);
        }
        let response = self.expect(response, &[200])?;
        if let Some(length) = response.length() {
            return Ok(Some(length));
        }
        // Some say it only of what they give out.
        let response = self.send(&self.blob_call("GET", digest, scope)?)?;
        let response = self.expect(response, &[200])?;
        response.length().map(Some).ok_or_else(|| Error::missing("Content-Length of the blob").in_blob(digest))
    }

    /// All of a small blob; `None` if it is not in the repository.
    ///
    /// # Errors
    ///
    /// If it can't be had, or has more than `limit` bytes.
    pub fn small_blob(&self, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>> {
        self.retried(|| {
            let response = self.send_once(&self.blob_call("GET", digest, Scope::Pull)?)?;
            if response.status == 404 {
                return Ok(None);
            }
            Ok(Some(self.expect(response, &[200])?.bytes(limit)?))
        })
    }

    /// A blob from this byte on, as it arrives: whole where the registry does not give out parts.
    pub(super) fn open_blob(&self, digest: &Digest, from: u64) -> Result<Response> {
        let mut call = self.blob_call("GET", digest, Scope::Pull)?;
        if from > 0 {
            call.headers.push(("Range", format!("bytes={from}-")));
        }
        let response = self.send(&call)?;
        self.expect(response, &[200, 206])
    }

    fn blob_call(&self, method: &'static str, digest: &Digest, scope: Scope) -> Result<Call<'static>> {
        let url = self.url(&format!("blobs/{digest}"))?;
        Ok(Call { method, url, headers: Vec::new(), body: Body::None, scope })
    }

    fn manifest_call(&self, method: &'static str, reference: &str) -> Result<Call<'static>> {
        let url = self.url(&format!("manifests/{reference}"))?;
        let headers = MANIFESTS.iter().map(|media_type| ("Accept", (*media_type).to_owned())).collect();
        Ok(Call { method, url, headers, body: Body::None, scope: self.own() })
    }
}

/// Compares what a registry says that a document is with what it says itself. A program that believed one of both could be shown
/// another image than one that believes the other (CVE-2021-41190).
fn check_type(media_type: &str, bytes: &[u8]) -> Result<()> {
    let head: Head =
        serde_json::from_slice(bytes).map_err(|e| Error::malformed("manifest", "a JSON document of an image", e))?;
    if head.schema_version == Some(1) || media_type.contains(".v1+prettyjws") {
        let text = "this is an image of Docker's schema 1, which docker, podman and containerd don't take any more: pull it with an \
                    older Docker and push it again";
        return Err(Error::refused(text));
    }
    match head.media_type {
        Some(own) if own != media_type => Err(Error::malformed(
            "Content-Type",
            format!("{}, as the document has it", quoted(&own)),
            quoted(media_type),
        )),
        Some(_) => Ok(()),
        // OCI's documents need not have one.
        None if MANIFESTS[..2].contains(&media_type) => Ok(()),
        None => Err(Error::malformed("Content-Type", "that of an OCI manifest or index", quoted(media_type))),
    }
}

/// Is a document an index, by its media type?
pub(super) fn is_index(media_type: &str) -> bool {
    media_type == OCI_INDEX || media_type == MANIFESTS[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_what_both_it_and_the_registry_say() {
        let [oci_index, oci, _, docker] = MANIFESTS;
        let document = |media_type: &str| format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}"}}"#);
        assert!(check_type(oci, document(oci).as_bytes()).is_ok());
        assert!(check_type(oci, br#"{"schemaVersion":2}"#).is_ok());
        for (media_type, bytes) in [
            (oci, document(oci_index)),
            ("application/json", document(docker)),
            ("", document(oci)),
            (docker, r#"{"schemaVersion":2}"#.to_owned()),
            ("application/json", r#"{"schemaVersion":2}"#.to_owned()),
            (oci, "<html>".to_owned()),
            (oci, r#"{"schemaVersion":1}"#.to_owned()),
            ("application/vnd.docker.distribution.manifest.v1+prettyjws", "{}".to_owned()),
        ] {
            assert!(check_type(media_type, bytes.as_bytes()).is_err(), "{media_type} {bytes}");
        }
    }
}
