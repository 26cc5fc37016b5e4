//! Which statements count, and for whom.

use std::collections::{BTreeMap, BTreeSet};

use super::collect::Found;
use super::{Counted, Dissent, Ignored, SummaryOf, Verified};
use crate::digest::Digest;
use crate::error::{Error, quoted};
use crate::signing::bundle;
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
    /// How many more there were.
    pub not_listed: usize,
}

/// So many bundles that count for nothing are listed.
const LISTED_MAX: usize = 1000;

/// Takes bundles one by one, and keeps no more of each than what was signed by who is trusted.
#[derive(Debug)]
pub(super) struct Count<'c> {
    images: &'c [(Digest, &'c StabilizedImage)],
    trust: &'c Trust,
    signed: BTreeMap<Digest, Vec<Signed>>,
    summaries: BTreeMap<Digest, Vec<SummaryOf>>,
    /// The same bundle counts once, from wherever.
    seen: BTreeSet<Digest>,
    tally: Tally,
}

impl<'c> Count<'c> {
    /// For these images.
    pub fn new(images: &'c [(Digest, &'c StabilizedImage)], trust: &'c Trust) -> Self {
        let (signed, summaries, seen) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { images, trust, signed, summaries, seen, tally: Tally::default() }
    }

    /// Looks at one that was found.
    pub fn add(&mut self, Found { source, bytes }: Found) {
        let read = bytes.and_then(|bytes| {
            if !self.seen.insert(bundle::digest(&bytes)) {
                return Ok(None);
            }
            crate::trust::read(&bytes, self.trust).map(Some).map_err(|error| {
                let Some((digest, summary)) = unsigned_summary(&bytes, &source) else { return error };
                self.summaries.entry(digest).or_default().push(summary);
                Error::refused("a verification summary that nobody has signed")
            })
        });
        let reason = match read {
            Ok(None) => return,
            Ok(Some(evidence)) => {
                let subject = evidence.statement.subject.digest;
                if self.images.iter().any(|(digest, _)| *digest == subject) {
                    self.signed.entry(subject).or_default().push(Signed { source, evidence });
                    return;
                }
                format!("it is about {subject}, which is another image")
            }
            Err(error) => error.to_string(),
        };
        self.tally.ignored(Ignored { source, reason });
    }

    /// Counts. `at` is the time of today, in seconds since 1970.
    pub fn finish(mut self, at: Option<i64>) -> Tally {
        for (subject, image) in self.images {
            let all = self.signed.remove(subject).unwrap_or_default();
            let of_image = OfImage { subject: *subject, image, require: &self.trust.require, at };
            let mut verified = of_image.verified(&all, &mut self.tally);
            verified.summaries.extend(self.summaries.remove(subject).unwrap_or_default());
            self.tally.images.push(verified);
        }
        self.tally
    }
}

impl Tally {
    fn ignored(&mut self, one: Ignored) {
        if self.ignored.len() < LISTED_MAX { self.ignored.push(one) } else { self.not_listed += 1 }
    }
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
    fn verified(&self, all: &[Signed], tally: &mut Tally) -> Verified {
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
                Predicate::Provenance(_) => {
                    verified.provenance.insert(signer.operator.clone());
                    Ok(())
                }
                Predicate::Other(kind) => {
                    Err(format!("a statement of the type {} does not count", quoted(kind.as_bytes())))
                }
            };
            if let Err(reason) = verdict {
                let reason = format!("signed for {}: {reason}", signer.operator);
                tally.ignored(Ignored { source: one.source.clone(), reason });
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
