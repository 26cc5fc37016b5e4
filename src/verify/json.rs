//! A [`Report`] as JSON, for programs. Fields are added, never renamed or removed, while `schema` is 1.

use std::io;

use serde::Serialize;

use super::{Report, SCHEMA, Verified};
use crate::json_writer;
use crate::statement::TestOutcome;

#[derive(Serialize)]
struct Document<'r> {
    schema: u32,
    target: &'r str,
    met: bool,
    threshold: usize,
    operators: usize,
    accept: Vec<&'static str>,
    no_dissent: bool,
    policy: String,
    max_age_applied: bool,
    transparency_log_checked: bool,
    images: Vec<Image<'r>>,
    ignored: Vec<Ignored<'r>>,
    not_listed: usize,
}

#[derive(Serialize)]
struct Image<'r> {
    platform: String,
    subject: String,
    stabilized: String,
    counted: Vec<Counted<'r>>,
    dissent: Vec<Dissent<'r>>,
    summaries: Vec<Summary<'r>>,
    fault: Option<&'r str>,
}

#[derive(Serialize)]
struct Summary<'r> {
    operator: Option<&'r str>,
    verifier: &'r str,
    result: &'r str,
    levels: &'r [String],
    source: &'r str,
}

#[derive(Serialize)]
struct Counted<'r> {
    operator: &'r str,
    equal: &'static str,
    id: &'r str,
    time: &'r str,
    bundles: Vec<String>,
}

#[derive(Serialize)]
struct Dissent<'r> {
    operator: &'r str,
    result: TestOutcome,
    classes: &'r [String],
    bundle: String,
    source: &'r str,
}

#[derive(Serialize)]
struct Ignored<'r> {
    source: &'r str,
    reason: &'r str,
}

/// Writes it.
///
/// # Errors
///
/// The writer's own.
pub fn json(out: &mut dyn io::Write, report: &Report) -> io::Result<()> {
    let document = Document {
        schema: SCHEMA,
        target: &report.target,
        met: report.is_met(),
        threshold: report.threshold,
        operators: report.operators,
        accept: report.accept.iter().map(|equal| equal.name()).collect(),
        no_dissent: report.no_dissent,
        policy: report.policy.to_string(),
        max_age_applied: report.unused_max_age.is_none(),
        transparency_log_checked: false,
        images: report.images.iter().map(image).collect(),
        ignored: report.ignored.iter().map(|one| Ignored { source: &one.source, reason: &one.reason }).collect(),
        not_listed: report.not_listed,
    };
    json_writer::write(&document, out)
}

fn image(image: &Verified) -> Image<'_> {
    Image {
        platform: image.platform.to_string(),
        subject: image.subject.to_string(),
        stabilized: image.stabilized.to_string(),
        counted: image
            .counted
            .iter()
            .map(|one| Counted {
                operator: &one.operator,
                equal: one.equal.name(),
                id: &one.id,
                time: &one.time,
                bundles: one.bundles.iter().map(ToString::to_string).collect(),
            })
            .collect(),
        dissent: image
            .dissent
            .iter()
            .map(|one| Dissent {
                operator: &one.operator,
                result: one.result,
                classes: &one.classes,
                bundle: one.bundle.to_string(),
                source: &one.source,
            })
            .collect(),
        summaries: image
            .summaries
            .iter()
            .map(|one| Summary {
                operator: one.operator.as_deref(),
                verifier: &one.verifier,
                result: &one.result,
                levels: &one.levels,
                source: &one.source,
            })
            .collect(),
        fault: image.fault.as_deref(),
    }
}
