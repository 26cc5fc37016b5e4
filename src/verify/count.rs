//! Which statements count, and for whom.

use std::collections::BTreeMap;

use super::collect::Found;
use super::{Counted, Dissent, Ignored, SummaryOf, Verified};
use crate::digest::Digest;
use crate::error::{Error, quoted};
use crate::stabilizer::{self, StabilizedImage};
use crate::statement::svr::{REPRODUCED_IDENTICAL, REPRODUCED_STABILIZED};
use crate::statement::{Equal, Equivalence, Predicate, Statement, Svr, TestOutcome};
use crate::trust::{Evidence, Require, Trust};

/// A bundle that a trusted key has signed, and where it came from.
#[derive(Debug)]
struct Signed {
    source: String,
    evidence: Evidence,
}

/// What was found of all images.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub images: Vec<Verified>,
    pub ignored: Vec<Ignored>,
}

/// Counts for each of these images. `at` is the time of today, in seconds since 1970.
pub(super) fn count(images: &[(Digest, &StabilizedImage)], found: Vec<Found>, trust: &Trust, at: Option<i64>) -> Tally {
    let mut tally = Tally::default();
    let mut signed: BTreeMap<Digest, Vec<Signed>> = BTreeMap::new();
    let mut summaries: BTreeMap<Digest, Vec<SummaryOf>> = BTreeMap::new();
    for Found { source, bytes } in found {
        let evidence = match bytes.and_then(|bytes| {
            let evidence = crate::trust::read(&bytes, trust);
            evidence.map_err(|error| {
                unsigned_summary(&bytes, &source).map_or(error, |(digest, summary)| {
                    summaries.entry(digest).or_default().push(summary);
                    Error::refused("a verification summary that nobody has signed")
                })
            })
        }) {
            Ok(evidence) => evidence,
            Err(error) => {
                tally.ignored.push(Ignored { source, reason: error.to_string() });
                continue;
            }
        };
        let subject = evidence.statement.subject.digest;
        if images.iter().any(|(digest, _)| *digest == subject) {
            signed.entry(subject).or_default().push(Signed { source, evidence });
        } else {
            let reason = format!("it is about {subject}, which is another image");
            tally.ignored.push(Ignored { source, reason });
        }
    }
    for (subject, image) in images {
        let all = signed.remove(subject).unwrap_or_default();
        let of_image = OfImage { subject: *subject, image, require: &trust.require, at };
        let mut verified = of_image.verified(&all, &mut tally.ignored);
        verified.summaries.extend(summaries.remove(subject).unwrap_or_default());
        tally.images.push(verified);
    }
    tally
}

/// A summary that is no bundle, but a statement alone, and what it is about.
fn unsigned_summary(bytes: &[u8], source: &str) -> Option<(Digest, SummaryOf)> {
    let statement = Statement::parse(bytes).ok()?;
    let Predicate::Summary(summary) = &statement.predicate else { return None };
    Some((statement.subject.digest, SummaryOf::new(summary, None, source)))
}

/// What statements about one image have to say.
struct OfImage<'i> {
    subject: Digest,
    image: &'i StabilizedImage,
    require: &'i Require,
    at: Option<i64>,
}

impl OfImage<'_> {
    fn verified(&self, all: &[Signed], ignored: &mut Vec<Ignored>) -> Verified {
        let mut verified = Verified {
            platform: self.image.platform.clone(),
            subject: self.subject,
            stabilized: self.image.stabilized,
            counted: Vec::new(),
            dissent: Vec::new(),
            summaries: Vec::new(),
            provenance: Default::default(),
            fault: None,
        };
        let mut counted: BTreeMap<String, Counted> = BTreeMap::new();
        for one in all {
            let Evidence { bundle, signer, statement } = &one.evidence;
            let verdict = match &statement.predicate {
                Predicate::Svr(svr) => self.counted(svr, one, all).map(|new| {
                    let best = counted.entry(signer.operator.clone()).or_insert_with(|| new.clone());
                    if (new.equal, &best.time) < (best.equal, &new.time) {
                        *best = new;
                    }
                }),
                Predicate::Equivalence(equivalence) => {
                    let has_svr = all.iter().any(|other| {
                        other.evidence.signer.key == signer.key
                            && matches!(other.evidence.statement.predicate, Predicate::Svr(_))
                    });
                    let alone = || Err("no SVR by the same key about the same image is beside it".to_owned());
                    self.equal(equivalence).and_then(|_| if has_svr { Ok(()) } else { alone() })
                }
                Predicate::TestResult(result) if result.result != TestOutcome::Passed => {
                    verified.dissent.push(Dissent {
                        operator: signer.operator.clone(),
                        result: result.result,
                        classes: result.failed_tests.iter().chain(&result.warned_tests).cloned().collect(),
                        bundle: *bundle,
                        source: one.source.clone(),
                    });
                    Ok(())
                }
                Predicate::TestResult(_) => {
                    Err("a test result that was passed is no proof that an image was reproduced".to_owned())
                }
                Predicate::Summary(summary) => {
                    verified.summaries.push(SummaryOf::new(summary, Some(&signer.operator), &one.source));
                    Err("a verification summary does not count: it is the word of one about the words of others"
                        .to_owned())
                }
                Predicate::Other(kind) if is_provenance(kind) => {
                    verified.provenance.insert(signer.operator.clone());
                    Ok(())
                }
                Predicate::Other(kind) => {
                    Err(format!("a statement of the type {} does not count", quoted(kind.as_bytes())))
                }
            };
            if let Err(reason) = verdict {
                let reason = format!("signed for {}: {reason}", signer.operator);
                ignored.push(Ignored { source: one.source.clone(), reason });
            }
        }
        verified.counted = counted.into_values().collect();
        verified.fault = self.fault(&verified);
        verified
    }

    /// Why an image is not reproduced as it has to be.
    fn fault(&self, verified: &Verified) -> Option<String> {
        let (count, threshold) = (verified.counted.len(), self.require.threshold);
        if count < threshold {
            let operators = if threshold == 1 { "operator" } else { "operators" };
            return Some(format!("{count} of {threshold} {operators} that are needed"));
        }
        let who = verified.dissent.first().filter(|_| self.require.no_dissent)?;
        Some(format!("{} says otherwise, and no_dissent is set", who.operator))
    }

    /// The operator, if this SVR counts.
    fn counted(&self, svr: &Svr, one: &Signed, all: &[Signed]) -> Result<Counted, String> {
        let signer = &one.evidence.signer;
        if !signer.ids.contains(&svr.verifier.id) {
            let id = quoted(svr.verifier.id.as_bytes());
            return Err(format!("its verifier.id is {id}, for which this key is not trusted"));
        }
        let is_profile = |policy: &crate::statement::Resource| {
            policy.uri.as_deref() == Some(stabilizer::URI) && policy.digest.only() == Some(stabilizer::digest())
        };
        if !svr.verifier.policies.iter().any(is_profile) {
            return Err("it names no stabilizer profile that is known here".to_owned());
        }
        if !svr.has(REPRODUCED_STABILIZED) {
            return Err(format!("it lacks the property {REPRODUCED_STABILIZED}"));
        }
        self.age(svr)?;
        let mut reason = "no equivalence by the same key about the same image is beside it".to_owned();
        let mut best: Option<(Equal, Digest)> = None;
        for other in all.iter().filter(|other| other.evidence.signer.key == signer.key) {
            let Predicate::Equivalence(equivalence) = &other.evidence.statement.predicate else { continue };
            match self.equal(equivalence) {
                Ok(Equal::Identical) if !svr.has(REPRODUCED_IDENTICAL) => {
                    reason =
                        format!("the equivalence says identical, but it lacks the property {REPRODUCED_IDENTICAL}");
                }
                Ok(equal) => {
                    let new = (equal, other.evidence.bundle);
                    best = Some(best.map_or(new, |old| old.min(new)));
                }
                Err(why) => reason = format!("the equivalence beside it: {why}"),
            }
        }
        let Some((equal, equivalence)) = best else { return Err(reason) };
        if !self.require.accept.iter().any(|accepted| equal <= *accepted) {
            return Err(format!("{} is not accepted", equal.name()));
        }
        Ok(Counted {
            operator: signer.operator.clone(),
            equal,
            id: svr.verifier.id.clone(),
            time: svr.time_created.clone(),
            bundles: vec![one.evidence.bundle, equivalence],
        })
    }

    fn age(&self, svr: &Svr) -> Result<(), String> {
        let Some(at) = self.at else { return Ok(()) };
        let time = svr.seconds().map_err(|e| e.to_string())?;
        if time > at {
            return Err(format!("it is of {}, which is later than now", svr.time_created));
        }
        match self.require.max_age {
            Some(max) if at.saturating_sub(time) > max => Err(format!("it is too old: of {}", svr.time_created)),
            _ => Ok(()),
        }
    }

    /// How this equivalence says that the image was reproduced, if it is about what is here.
    fn equal(&self, equivalence: &Equivalence) -> Result<Equal, String> {
        let Equivalence { equal, target, candidate, stabilizer, stabilized, .. } = equivalence;
        if stabilizer.uri != stabilizer::URI || stabilizer.digest.only() != Some(stabilizer::digest()) {
            return Err("it is by a stabilizer profile that is not known here".to_owned());
        }
        if target.digest.only() != Some(self.subject) {
            return Err("its target is another image than its subject".to_owned());
        }
        if stabilized.digest.only() != Some(self.image.stabilized) {
            let expected = self.image.stabilized;
            return Err(format!("its stabilized digest is not the one that was computed here ({expected})"));
        }
        match equal {
            Equal::Identical if candidate.digest.only() != Some(self.subject) => {
                Err("it says identical, but its candidate is another image".to_owned())
            }
            equal => Ok(*equal),
        }
    }
}

/// Is this SLSA's provenance of a build?
fn is_provenance(kind: &str) -> bool {
    kind.strip_prefix("https://slsa.dev/provenance/v")
        .is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
}
