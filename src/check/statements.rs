//! In-toto statements: are they about what their attestation is about? Each is read once, however often it is listed.

use std::collections::{BTreeMap, BTreeSet};

use super::Checker;
use super::report::{Kind, What};
use crate::digest::Digest;
use crate::document::attestation::{Attestation, Statement};
use crate::document::descriptor::Descriptor;
use crate::document::json::Json;
use crate::error::Result;
use crate::image::documents::extent_of;

/// Statements, and what they have to be about.
pub(super) type Statements = BTreeMap<Digest, (Descriptor, BTreeSet<Digest>)>;

impl Checker<'_> {
    /// Says what a statement has to be about.
    pub(super) fn expect_statement(&mut self, layer: &Descriptor, about: Digest) {
        // Now, so that it comes in the order of the image.
        self.findings.place(What::Blob, &layer.digest.to_string(), "statement");
        let entry = self.statements.entry(layer.digest).or_insert_with(|| (layer.clone(), BTreeSet::new()));
        entry.1.insert(about);
    }

    /// Reads the statements.
    pub(super) fn statements(&mut self) -> Result<()> {
        for (digest, (layer, about)) in std::mem::take(&mut self.statements) {
            let Ok(Some(extent)) = extent_of(self.set.source, &layer) else { continue };
            let limit = self.set.source.limits().statement_bytes;
            if extent.len() > limit {
                let place = self.findings.place(What::Blob, &digest.to_string(), "statement");
                let size = extent.len();
                let text = format!("is not read: its size in bytes is over the limit: {size}, at most {limit} allowed");
                self.findings.note(&place, Kind::Attestation, "", text);
                continue;
            }
            let bytes = extent.bytes(limit).map_err(|e| e.in_blob(digest))?;
            let payload;
            let statement = match Attestation::parse(&bytes) {
                Ok(Attestation::Statement(statement)) => statement,
                Ok(Attestation::Signed) => {
                    payload = payload_of(&bytes).unwrap_or_default();
                    match Attestation::parse(&payload) {
                        Ok(Attestation::Statement(statement)) => statement,
                        _ => continue,
                    }
                }
                _ => continue,
            };
            self.statement(&digest, &statement, &about);
        }
        Ok(())
    }

    fn statement(&mut self, digest: &Digest, statement: &Statement<'_>, about: &BTreeSet<Digest>) {
        let place = self.findings.place(What::Blob, &digest.to_string(), "statement");
        for subject in statement.subjects() {
            for named in &subject.digests {
                // Of many who list it, one is enough to show that it is wrong.
                let mut others = about.iter().filter(|about| named.algorithm() == about.algorithm());
                if let Some(about) = others.find(|about| *about != named) {
                    let text = format!("is {named}, but the attestation is about {about}");
                    self.findings.fault(&place, Kind::Attestation, &format!("{}.digest", subject.path), text);
                }
            }
        }
    }
}

/// What a DSSE envelope holds.
fn payload_of(bytes: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let json = Json::parse_only(bytes, &["payload"]).ok()?;
    let payload = json.root().get("payload")?.as_str()?;
    base64::engine::general_purpose::STANDARD.decode(payload.as_bytes()).ok()
}
