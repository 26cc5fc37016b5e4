//! Writing to a repository: blobs, and manifests (OCI distribution-spec, "Pushing").

use std::io::{ErrorKind, Read};

use super::client::{Call, Client, Unanswered};
use super::http::{Body, Response};
use super::scope::Scope;
use super::url::Url;
use crate::digest::Digest;
use crate::document::fallback::{fallback_tag, with_referrer};
use crate::document::write::NewDescriptor;
use crate::error::{Error, Kind, Property, Result};
use crate::media_type::OCI_INDEX;

/// How a blob has come into the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upload {
    /// It was there.
    Present,
    /// The registry took it from another repository.
    Mounted,
    /// Its bytes were sent.
    Sent,
}

/// What a registry said of a manifest that it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Taken {
    /// Does it keep the list of referrers itself?
    knows_subject: bool,
}

impl Client {
    /// Succeeds if the repository can be written to: an upload is begun, and given up.
    ///
    /// # Errors
    ///
    /// What the registry says.
    pub fn check_push(&self) -> Result<()> {
        let response = self.send(&self.post(None, Scope::Push)?)?;
        let url = self.upload_url(self.expect(response, &[202])?)?;
        let call = Call { method: "DELETE", url, headers: Vec::new(), body: Body::None, scope: Scope::Push };
        // What was begun goes by itself, in the end.
        let _ = self.send_once(&call);
        Ok(())
    }

    /// Has the registry take a blob from another repository of its own. False if it does not.
    ///
    /// # Errors
    ///
    /// If the registry refuses to take blobs at all.
    pub fn mount(&self, digest: &Digest, from: &str) -> Result<bool> {
        let call = self.post(Some((digest, from)), Scope::Mount(from.to_owned()))?;
        let answered = self.retried(|| match self.send_once(&call) {
            // So it is where there is no token for both.
            Err(unanswered) if unanswered.is_of_token => Ok(None),
            answered => answered.map(Some),
        });
        let Some(response) = answered? else { return Ok(false) };
        match response.status {
            201 => Ok(true),
            // An upload was begun instead. It is given up: most blobs that can't be mounted are there a moment later.
            202 => {
                let url = self.upload_url(response)?;
                let call = Call { method: "DELETE", url, headers: Vec::new(), body: Body::None, scope: Scope::Push };
                let _ = self.send_once(&call);
                Ok(false)
            }
            // Who may not read the other repository may still write to this one.
            400 | 401 | 403 | 404 | 405 => Ok(false),
            _ => Err(self.refusal(response)),
        }
    }

    /// Sends a blob of this size, from a reader that is opened for each attempt.
    ///
    /// # Errors
    ///
    /// If the registry does not take it, or it can't be read.
    pub fn upload(&self, digest: &Digest, size: u64, open: &(dyn Fn() -> Result<Box<dyn Read>> + Sync)) -> Result<()> {
        // What is left of a failed upload is of no use: each attempt is a new one.
        let sent = self.retried(|| {
            let response = self.send_once(&self.post(None, Scope::Push)?)?;
            let url = self.upload_url(self.expect(response, &[202])?)?;
            let url = url.with_parameter("digest", &digest.to_string())?;
            let headers = vec![("Content-Type", "application/octet-stream".to_owned())];
            let call = Call { method: "PUT", url, headers, body: Body::Blob(size, open), scope: Scope::Push };
            let response = self.send_once(&call).map_err(|mut unanswered| {
                // The answer to a body that is not taken is lost where the connection is closed at once.
                if matches!(unanswered.error.kind(), Kind::Io { source, .. } if source.kind() == ErrorKind::BrokenPipe)
                {
                    let hint = "the registry, or a proxy before it, may take no body of this size";
                    unanswered.error = unanswered.error.because_of(|text| format!("{text} ({hint})"));
                }
                unanswered
            })?;
            match response.status {
                201 | 204 => Ok(()),
                // The session is gone: another one may not be.
                404 => Err(Unanswered { error: self.refusal(response), again: Some(None), is_of_token: false }),
                _ => Err(self.refusal(response).into()),
            }
        });
        sent.map_err(|e| e.in_blob(digest))
    }

    /// Puts a manifest or index by a tag or its digest. False if the registry keeps no list of referrers, so that what has a subject
    /// has to be added to it by hand ([`add_referrer`](Self::add_referrer)).
    ///
    /// # Errors
    ///
    /// If the registry does not take it, or has something else there afterwards.
    pub fn put_manifest(&self, reference: &str, media_type: &str, digest: &Digest, bytes: &[u8]) -> Result<bool> {
        let put = self.put(reference, media_type, digest, bytes).map_err(|e| e.in_blob(reference))?;
        Ok(put.knows_subject)
    }

    fn put(&self, reference: &str, media_type: &str, digest: &Digest, bytes: &[u8]) -> Result<Taken> {
        let url = self.url(&format!("manifests/{reference}"))?;
        let headers = vec![("Content-Type", media_type.to_owned())];
        let call = Call { method: "PUT", url, headers, body: Body::Bytes(bytes.to_vec()), scope: Scope::Push };
        let response = self.send(&call)?;
        let response = self.expect(response, &[200, 201, 202, 204])?;
        let knows_subject = response.header("oci-subject").is_some();
        let told = response.header("docker-content-digest").map(str::trim).map(str::parse::<Digest>);
        let found = match told {
            Some(Ok(told)) if told.algorithm() == digest.algorithm() => Some(told),
            _ => self.manifest(reference, bytes.len() as u64)?.map(|found| found.digest),
        };
        match found {
            Some(found) if found == *digest => Ok(Taken { knows_subject }),
            Some(found) => Err(Error::mismatch(Property::Digest, digest, found)),
            None => Err(Error::missing("manifest that was put there")),
        }
    }

    /// Adds a document to the list of what is about `subject`, by the tag that stands in for that list. It is read again
    /// afterwards: two that add at the same time may lose one, and then it is added once more.
    ///
    /// # Errors
    ///
    /// If it can't be read or written, or never stays.
    pub fn add_referrer(&self, subject: &Digest, referrer: &NewDescriptor, limit: u64) -> Result<()> {
        const ATTEMPTS: usize = 5;
        let tag = fallback_tag(subject);
        for _ in 0..ATTEMPTS {
            let found = self.manifest(&tag, limit)?;
            let old = found.as_ref().map(|found| found.bytes.as_slice());
            let Some(index) = with_referrer(old, referrer).map_err(|e| e.in_blob(&tag))? else { return Ok(()) };
            let media_type = found.map_or(OCI_INDEX.to_owned(), |found| found.media_type);
            self.put_manifest(&tag, &media_type, &Digest::sha256(&index), &index)?;
        }
        let text =
            format!("{} does not stay in the list of referrers, which something else writes as well", referrer.digest);
        Err(Error::refused(text).in_blob(tag))
    }

    /// The call that begins an upload, or has a blob mounted.
    fn post(&self, mount: Option<(&Digest, &str)>, scope: Scope) -> Result<Call<'static>> {
        let mut url = self.url("blobs/uploads/")?;
        if let Some((digest, from)) = mount {
            url = url.with_parameter("mount", &digest.to_string())?.with_parameter("from", from)?;
        }
        Ok(Call { method: "POST", url, headers: Vec::new(), body: Body::Bytes(Vec::new()), scope })
    }

    /// Where the bytes of an upload go.
    fn upload_url(&self, response: Response) -> Result<Url> {
        let location = response.header("location").filter(|location| !location.is_empty());
        let location =
            location.ok_or_else(|| Error::missing("Location of the upload").in_file(response.url.shown()))?;
        let url = response.url.resolve(location)?;
        self.may_lead_to(&url)?;
        Ok(url)
    }
}
