//! The statements of a verdict.

use std::collections::BTreeMap;

use super::run::Facts;
use super::verdict::Verdict;
use super::{StatementFile, run::Candidate};
use crate::diff;
use crate::digest::Digest;
use crate::error::Result;
use crate::stabilizer::{self, StabilizedImage};
use crate::statement::equivalence::{Run, Stabilized, Stabilizer, Tool};
use crate::statement::svr::{REPRODUCED_IDENTICAL, REPRODUCED_STABILIZED, Verifier};
use crate::statement::{
    DigestSet, Equal, Equivalence, Issued, Resource, Subject, Svr, TestOutcome, TestResult, issue, time_text,
};

/// The statements about an image: of success where it was reproduced, and else a test result.
pub fn statements(
    facts: &Facts<'_>,
    subject: &Subject,
    (verdict, image): (Verdict, &StabilizedImage),
    candidate: Candidate<'_>,
    (report, json): (&diff::Report, &[u8]),
) -> Result<Vec<StatementFile>> {
    let Some(equal) = verdict.equal() else {
        let predicate = test_result(facts, verdict, candidate, (report, json));
        return Ok(vec![file("test-result", subject, &predicate)?]);
    };
    Ok(vec![
        file("svr", subject, &svr(facts, equal)?)?,
        file("equivalence", subject, &equivalence(facts, subject, (equal, image), candidate, report))?,
    ])
}

fn file<P: Issued>(name: &'static str, subject: &Subject, predicate: &P) -> Result<StatementFile> {
    Ok(StatementFile { name, predicate_type: P::TYPE, bytes: issue(std::slice::from_ref(subject), predicate)? })
}

fn svr(facts: &Facts<'_>, equal: Equal) -> Result<Svr> {
    let mut properties = vec![REPRODUCED_STABILIZED.to_owned()];
    properties.extend((equal == Equal::Identical).then(|| REPRODUCED_IDENTICAL.to_owned()));
    Ok(Svr {
        verifier: Verifier {
            id: facts.verifier_id.to_owned(),
            policies: vec![Resource::at(stabilizer::URI, stabilizer::digest())],
        },
        time_created: time_text(facts.time)?,
        properties,
    })
}

fn equivalence(
    facts: &Facts<'_>,
    subject: &Subject,
    (equal, image): (Equal, &StabilizedImage),
    candidate: Candidate<'_>,
    report: &diff::Report,
) -> Equivalence {
    let uri = facts.target_uri.map(|repository| format!("docker://{repository}@{}", subject.digest));
    Equivalence {
        equal,
        target: Resource { name: subject.name.clone(), uri, digest: DigestSet::of(subject.digest) },
        candidate: Resource::named(candidate.name, candidate.manifest),
        stabilizer: Stabilizer {
            uri: stabilizer::URI.to_owned(),
            digest: DigestSet::of(stabilizer::digest()),
            options: stabilizer::OPTIONS.map(str::to_owned).to_vec(),
        },
        stabilized: Stabilized { digest: DigestSet::of(image.stabilized) },
        inputs: facts.inputs.to_vec(),
        differences: classes(report.differences.iter().chain(report.accepted.iter().map(|one| &one.difference))),
        tool: Tool { name: "restamp".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        run: facts.run_url.map(|url| Run { url: url.to_owned() }),
    }
}

fn test_result(
    facts: &Facts<'_>,
    verdict: Verdict,
    candidate: Candidate<'_>,
    (report, json): (&diff::Report, &[u8]),
) -> TestResult {
    let mut configuration = vec![Resource::named("diff.json", Some(Digest::sha256(json)))];
    configuration.extend(facts.policy.map(|policy| Resource::named(&policy.name, Some(policy.digest()))));
    configuration.push(Resource::named(candidate.name, candidate.manifest));
    let is_failed = |difference: &&diff::model::Difference| difference.class == crate::causes::Class::Content;
    let accepted = report.accepted.iter().map(|accepted| &accepted.difference);
    let warned = report.differences.iter().filter(|one| !is_failed(one)).chain(accepted);
    let failed = report.differences.iter().filter(is_failed);
    TestResult {
        result: if verdict == Verdict::Different { TestOutcome::Failed } else { TestOutcome::Warned },
        configuration,
        url: facts.run_url.map(str::to_owned),
        passed_tests: Vec::new(),
        warned_tests: classes(warned).into_keys().collect(),
        failed_tests: classes(failed).into_keys().collect(),
    }
}

/// How many differences there are, by class.
fn classes<'d>(differences: impl Iterator<Item = &'d diff::model::Difference>) -> BTreeMap<String, u64> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for difference in differences {
        *counts.entry(difference.class.name().to_owned()).or_default() += 1;
    }
    counts
}
