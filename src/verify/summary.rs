//! The result as one statement: SLSA's verification summary.

use super::{Report, Verified};
use crate::digest::Digest;
use crate::error::Result;
use crate::statement::vsa::Verifier;
use crate::statement::{Resource, Subject, Vsa, is_uri, issue, time_text};

/// Two of these have to have signed the provenance of a build before SLSA calls it reproduced
/// (<https://slsa.dev/spec/v1.2/>, `SLSA_BUILD_REPRODUCED`).
const BUILDERS: usize = 2;

/// The statement about all images of a report, by this verifier, at this time (in seconds since 1970), for this use.
///
/// # Errors
///
/// If there is no such time.
pub fn summary(report: &Report, verifier_id: &str, resource_uri: &str, time: i64) -> Result<Vec<u8>> {
    for (what, text) in [("verifier id", verifier_id), ("resource URI", resource_uri)] {
        is_uri(text, what)?;
    }
    let subjects = report.images.iter().map(|image| Subject {
        name: None,
        digest: image.subject,
        platform: Some(image.platform.to_string()),
    });
    let counted = report.images.iter().flat_map(|image| &image.counted);
    let mut inputs: Vec<Digest> = counted.flat_map(|counted| counted.bundles.iter().copied()).collect();
    inputs.sort();
    inputs.dedup();
    let predicate = Vsa {
        verifier: Verifier { id: verifier_id.to_owned() },
        time_verified: time_text(time)?,
        resource_uri: resource_uri.to_owned(),
        policy: Resource::named("trust.toml", Some(report.policy)),
        input_attestations: inputs
            .into_iter()
            .map(|digest| Resource { digest: crate::statement::DigestSet::of(digest), ..Resource::default() })
            .collect(),
        verification_result: if report.is_met() { "PASSED" } else { "FAILED" },
        verified_levels: levels(report),
    };
    issue(&subjects.collect::<Vec<_>>(), &predicate)
}

fn levels(report: &Report) -> Vec<String> {
    if !report.is_met() {
        return vec!["FAILED".to_owned()];
    }
    // Those who count, have signed the provenance of a build of these bytes, and say nothing else.
    let builders = |image: &Verified| {
        let says_otherwise = |operator: &str| image.dissent.iter().any(|dissent| dissent.operator == operator);
        let counted = image.counted.iter().map(|counted| counted.operator.as_str());
        counted.filter(|operator| image.provenance.contains(*operator) && !says_otherwise(operator)).count()
    };
    if report.images.iter().all(|image| builders(image) >= BUILDERS) {
        return vec!["SLSA_BUILD_REPRODUCED".to_owned()];
    }
    let count = report.images.iter().map(|image| image.counted.len()).min().unwrap_or_default();
    vec![format!("RESTAMP_REPRODUCED_{count}_OF_{}", report.operators)]
}
